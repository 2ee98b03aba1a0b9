"""Listing, changing and deleting tracks, and who may."""

import itertools
from typing import Any

import msgspec
import pytest
from tests.builders.storage import stored_files
from tests.builders.tracks import WorkerProcess, create_track, get_track, ready_track, wav
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess
from tests.waiting import wait_until

_seeds = itertools.count(100)


class House(msgspec.Struct):
    """Two users and their tracks; ``ids`` by title."""

    api: ApiProcess
    ann: Account
    bob: Account
    ids: dict[str, int]

    def titles(self, account: Account, **query: Any) -> list[str]:
        answer = self.api.client.get("/tracks", token=account.token, params=query)
        assert answer.status_code == 200, answer.text
        return [track["title"] for track in answer.json()["data"]]


@pytest.fixture(scope="module")
def house(api: ApiProcess, worker: WorkerProcess) -> House:
    ann, bob = create_user(api, username="ann"), create_user(api, username="bob")
    house = House(api, ann, bob, {})
    for owner, title, visibility, tags in [
        (ann, "Dawn", "public", "ambient,loop"),
        (ann, "100% Proof", "public", "techno"),
        (ann, "Hidden", "private", "ambient"),
        (ann, "Listed Nowhere", "unlisted", "ambient"),
        (bob, "Dusk", "public", "ambient"),
        (bob, "_under_", "public", ""),
    ]:
        content = wav(seed=next(_seeds), seconds=0.5)
        track = ready_track(
            api, owner.token, content=content, title=title, visibility=visibility, tags=tags
        )
        house.ids[title] = track["id"]
    return house


def test_lists_public_tracks_and_ones_own_newest_first(house: House) -> None:
    assert house.titles(house.bob) == ["_under_", "Dusk", "100% Proof", "Dawn"]
    assert house.titles(house.ann) == [
        "_under_",
        "Dusk",
        "Listed Nowhere",
        "Hidden",
        "100% Proof",
        "Dawn",
    ]


def test_filters(house: House) -> None:
    ann, bob = house.ann, house.bob
    assert house.titles(bob, tag=" Ambient ") == ["Dusk", "Dawn"]
    assert house.titles(ann, tag="ambient") == ["Dusk", "Listed Nowhere", "Hidden", "Dawn"]
    assert house.titles(bob, user_id=ann.id) == ["100% Proof", "Dawn"]
    assert house.titles(bob, user_id=ann.id, tag="loop") == ["Dawn"]
    assert house.titles(bob, q="DAW") == ["Dawn"]
    assert house.titles(bob, q="ann") == ["100% Proof", "Dawn"]
    assert house.titles(bob, q="%") == ["100% Proof"]
    assert house.titles(bob, q="_") == ["_under_"]
    assert house.titles(bob, q="\\") == []
    assert house.titles(bob, q="'; DROP TABLE tracks; --") == []
    assert house.titles(bob, tag="nothing") == []


def test_pages_are_exact_and_stable(house: House) -> None:
    whole = house.titles(house.ann)
    for sort in ("newest", "plays", "likes"):
        seen = []
        for page in (1, 2, 3, 4):
            answer = house.api.client.get(
                "/tracks",
                token=house.ann.token,
                params={"page": page, "limit": 2, "sort": sort},
            ).json()
            assert answer["pagination"] == {"page": page, "limit": 2, "total": 6, "pages": 3}
            seen += [track["title"] for track in answer["data"]]
        assert seen == whole


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "1" + "0" * 30},
        {"limit": "101"},
        {"sort": "id; DROP TABLE"},
        {"user_id": "x"},
        {"user_id": "0"},
        {"q": "nul\0"},
        {"q": "x" * 201},
        {"tag": "x\0"},
    ],
    ids=str,
)
def test_refuses_queries_that_do_not_fit(house: House, query: dict[str, str]) -> None:
    answer = house.api.client.get("/tracks", token=house.ann.token, params=query)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == next(iter(query))


def test_what_one_may_not_see_is_not_there(house: House) -> None:
    client, bob = house.api.client, house.bob.token
    unknown = client.get("/tracks/999999", token=bob)
    hidden = house.ids["Hidden"]
    for method, body in [("GET", None), ("PUT", {"title": "x"}), ("DELETE", None)]:
        answer = client.request(method, f"/tracks/{hidden}", token=bob, json=body)
        assert answer.status_code == 404
        assert answer.json() == unknown.json()
    assert get_track(house.api, house.ann.token, hidden)["title"] == "Hidden"
    assert client.get(f"/tracks/{2**40}", token=bob).status_code == 404
    assert client.get(f"/tracks/{house.ids['Listed Nowhere']}", token=bob).status_code == 200


def test_a_visible_track_of_another_cannot_be_changed(house: House) -> None:
    client, bob, dawn = house.api.client, house.bob.token, house.ids["Dawn"]
    assert client.put(f"/tracks/{dawn}", token=bob, json={"title": "x"}).status_code == 403
    assert client.delete(f"/tracks/{dawn}", token=bob).status_code == 403
    assert get_track(house.api, bob, dawn)["title"] == "Dawn"


def test_tracks_that_are_not_ready_are_seen_by_their_owner_only(house: House) -> None:
    track = create_track(house.api, house.ann.token, content=wav(seconds=30, seed=3))
    answer = house.api.client.get(f"/tracks/{track['id']}", token=house.bob.token)
    assert answer.status_code == 404 or answer.json()["data"]["status"] == "ready"
    house.api.client.delete(f"/tracks/{track['id']}", token=house.ann.token)


class TestUpdate:
    @pytest.fixture
    def track(self, api: ApiProcess, house: House) -> dict[str, Any]:
        return create_track(
            api, house.ann.token, title="Old", description="text", tags="a,b", artist="Me"
        )

    def _put(self, house: House, track: dict[str, Any], **change: Any) -> Any:
        path = f"/tracks/{track['id']}"
        return house.api.client.put(path, token=house.ann.token, json=change)

    def test_changes_what_it_carries(self, house: House, track: dict[str, Any]) -> None:
        changed = self._put(house, track, title="  New ", tags=["B", " c "]).json()["data"]
        assert (changed["title"], changed["tags"]) == ("New", ["b", "c"])
        assert (changed["description"], changed["artist"]) == ("text", "Me")
        assert changed["updated_at"] > track["updated_at"]

    def test_null_clears(self, house: House, track: dict[str, Any]) -> None:
        self._put(house, track, license="CC0-1.0")
        changed = self._put(house, track, description=None, tags=None, artist=None, license=None)
        data = changed.json()["data"]
        assert (data["description"], data["tags"], data["artist"]) == ("", [], "ann")
        assert data["license"] == "all-rights-reserved"

    def test_ignores_what_nobody_may_change(self, house: House, track: dict[str, Any]) -> None:
        change = {"user_id": house.bob.id, "status": "ready", "plays": 9, "id": 1, "colour": "x"}
        answer = self._put(house, track, **change)
        assert answer.status_code == 200
        data = answer.json()["data"]
        assert (data["user_id"], data["plays"], data["id"]) == (house.ann.id, 0, track["id"])

    @pytest.mark.parametrize(
        "change",
        [
            {"title": ""},
            {"title": None},
            {"title": 5},
            {"title": "x" * 201},
            {"title": "a\0b"},
            {"tags": "a,b"},
            {"tags": ["x" * 51]},
            {"tags": [str(n) for n in range(21)]},
            {"visibility": "secret"},
            {"visibility": None},
            {"license": "none"},
        ],
        ids=lambda change: str(change)[:30].replace("\0", "0"),
    )
    def test_refuses_what_does_not_fit(
        self, house: House, track: dict[str, Any], change: dict[str, Any]
    ) -> None:
        assert self._put(house, track, **change).status_code == 400
        assert get_track(house.api, house.ann.token, track["id"])["tags"] == ["a", "b"]


def test_deleting_takes_every_object_away(house: House) -> None:
    api, token, content = house.api, house.ann.token, wav(seed=next(_seeds))
    track = ready_track(api, token, content=content)
    (folder,) = {
        path.parent
        for path in stored_files(api)
        if path.name == "original" and path.read_bytes() == content
    }
    assert len([*folder.iterdir()]) == 4
    path = f"/tracks/{track['id']}"
    assert api.client.delete(path, token=token).status_code == 200
    assert api.client.get(path, token=token).status_code == 404
    assert api.client.delete(path, token=token).status_code == 404
    wait_until(lambda: not folder.exists())
