"""Moderators rename, merge and delete tags, and leave a trace."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.builders.products import audit_of, create_staff
from tests.builders.tags import (
    create_tagged_track,
    found_tags,
    positions_of,
    tag_id_of,
    tag_track,
    tags_of,
)
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

NO_IDS = (0, -1, 2**31 - 1, 2**31, 2**63)


@pytest.fixture(scope="module")
def ann(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture(scope="module")
def moderator(api: ApiProcess) -> Account:
    return create_staff(api, role="moderator")


def rename(api: ApiProcess, by: Account, tag_id: int, name: Any) -> Any:
    return api.client.put(f"/tags/{tag_id}", token=by.token, json={"name": name})


def merge(api: ApiProcess, by: Account, tag_id: int, into: Any) -> Any:
    return api.client.post(f"/tags/{tag_id}/merge", token=by.token, json={"into": into})


def test_only_from_moderator_up(api: ApiProcess, ann: Account) -> None:
    create_tagged_track(api, ann.token, ann.id, "guarded")
    path = f"/tags/{tag_id_of(api, 'guarded')}"
    for method, target, body in (
        ("PUT", path, {"name": "x"}),
        ("POST", f"{path}/merge", {"into": 1}),
        ("DELETE", path, None),
    ):
        assert api.client.request(method, target, json=body).status_code == 401
        answer = api.client.request(method, target, token=ann.token, json=body)
        assert answer.status_code == 403
    for role in ("admin", "super_admin"):
        by = create_staff(api, role=role)
        assert rename(api, by, tag_id_of(api, "guarded"), "guarded").status_code == 200


def test_what_a_moderator_cannot_find_is_not_there(
    api: ApiProcess, ann: Account, moderator: Account
) -> None:
    track = create_tagged_track(api, ann.token, ann.id, "v-secret", visibility="private")
    tag_track(api, ann.token, track, "v-unused")
    tag_track(api, ann.token, track, "v-secret")
    create_tagged_track(api, ann.token, ann.id, "v-visible")
    visible = tag_id_of(api, "v-visible")
    for name in ("v-secret", "v-unused"):
        hidden = tag_id_of(api, name)
        for answer in (
            rename(api, moderator, hidden, "v-found"),
            merge(api, moderator, visible, hidden),
            merge(api, moderator, hidden, visible),
            api.client.delete(f"/tags/{hidden}", token=moderator.token),
        ):
            assert (answer.status_code, error_of(answer)) == (404, "Tag not found")
    assert tags_of(api, ann.token, track) == ["v-secret"]
    mine = create_tagged_track(api, moderator.token, moderator.id, "v-secret", visibility="private")
    answer = rename(api, moderator, tag_id_of(api, "v-secret"), "v-shared")
    assert answer.json()["data"]["usage_count"] == 1
    assert tags_of(api, moderator.token, mine) == tags_of(api, ann.token, track) == ["v-shared"]


class TestRename:
    def test_every_track_follows(self, api: ApiProcess, ann: Account, moderator: Account) -> None:
        track = create_tagged_track(api, ann.token, ann.id, "before", "r-other")
        tag_id = tag_id_of(api, "before")
        answer = rename(api, moderator, tag_id, "  After\u0301 ")
        assert answer.json()["data"] == {"id": tag_id, "name": "afteŕ", "usage_count": 1}
        assert tags_of(api, ann.token, track) == ["afteŕ", "r-other"]
        assert found_tags(api, ann.token, q="afteŕ") == {"afteŕ": 1}
        assert found_tags(api, ann.token, q="bafteŕ") == {"afteŕ": 1}
        assert found_tags(api, ann.token, q="before") == {}
        assert audit_of(api, "tag", tag_id) == [
            {
                "action": "tag.update",
                "actor_id": moderator.id,
                "address": "127.0.0.1",
                "before": {"name": "before"},
                "after": {"name": "afteŕ"},
            }
        ]

    def test_to_its_own_name_leaves_no_trace(
        self, api: ApiProcess, ann: Account, moderator: Account
    ) -> None:
        create_tagged_track(api, ann.token, ann.id, "same")
        tag_id = tag_id_of(api, "same")
        assert rename(api, moderator, tag_id, "SAME").status_code == 200
        assert audit_of(api, "tag", tag_id) == []

    def test_a_taken_name(self, api: ApiProcess, ann: Account, moderator: Account) -> None:
        create_tagged_track(api, ann.token, ann.id, "taken", "wanting")
        answer = rename(api, moderator, tag_id_of(api, "wanting"), "Taken")
        assert answer.status_code == 409
        assert error_of(answer) == "There is a tag named taken already; merge this one into it"

    @pytest.mark.parametrize(
        "name", ["", "  ", "\u200b", "x" * 51, "a\0b", "a,b", None, 5, ["x"]], ids=ascii
    )
    def test_refuses_what_does_not_fit(
        self, api: ApiProcess, ann: Account, moderator: Account, name: Any
    ) -> None:
        create_tagged_track(api, ann.token, ann.id, "stays")
        answer = rename(api, moderator, tag_id_of(api, "stays"), name)
        assert answer.status_code == 400
        assert answer.json()["details"][0]["field"] == "name"

    @pytest.mark.parametrize("number", NO_IDS)
    def test_unknown(self, api: ApiProcess, moderator: Account, number: int) -> None:
        answer = rename(api, moderator, number, "x")
        assert (answer.status_code, error_of(answer)) == (404, "Tag not found")

    def test_two_to_one_name_at_once(
        self, api: ApiProcess, ann: Account, moderator: Account
    ) -> None:
        create_tagged_track(api, ann.token, ann.id, "first one", "second one")
        ids = [tag_id_of(api, name) for name in ("first one", "second one")]
        with ThreadPoolExecutor(2) as pool:
            answers = pool.map(lambda tag_id: rename(api, moderator, tag_id, "the one"), ids)
        assert sorted(answer.status_code for answer in answers) == [200, 409]


class TestMerge:
    def test_tracks_that_carry_both_keep_one(
        self, api: ApiProcess, ann: Account, moderator: Account
    ) -> None:
        only = create_tagged_track(api, ann.token, ann.id, "m-a", "dnb", "m-b")
        later = create_tagged_track(api, ann.token, ann.id, "dnb", "m-a", "drum & bass", "m-b")
        earlier = create_tagged_track(api, ann.token, ann.id, "drum & bass", "m-a", "dnb")
        hidden = create_tagged_track(api, ann.token, ann.id, "dnb", visibility="private")
        full = [f"m-{number}" for number in range(19)]
        crowded = create_tagged_track(api, ann.token, ann.id, *full, "dnb")
        gone, kept = tag_id_of(api, "dnb"), tag_id_of(api, "drum & bass")
        answer = merge(api, moderator, gone, kept)
        assert answer.status_code == 200
        assert answer.json()["data"] == {"id": kept, "name": "drum & bass", "usage_count": 4}
        assert tags_of(api, ann.token, only) == ["m-a", "drum & bass", "m-b"]
        assert tags_of(api, ann.token, later) == ["drum & bass", "m-a", "m-b"]
        assert tags_of(api, ann.token, earlier) == ["drum & bass", "m-a"]
        assert tags_of(api, ann.token, hidden) == ["drum & bass"]
        assert tags_of(api, ann.token, crowded) == [*full, "drum & bass"]
        for track, count in ((only, 3), (later, 3), (earlier, 2), (hidden, 1), (crowded, 20)):
            assert positions_of(api, track) == [*range(1, count + 1)]
        assert found_tags(api, ann.token, q="drum & bass") == {"drum & bass": 5}
        assert found_tags(api, ann.token, q="dnb") == {}
        assert merge(api, moderator, gone, kept).status_code == 404
        [row] = audit_of(api, "tag", gone)
        assert (row["action"], row["before"]) == ("tag.merge", {"name": "dnb"})
        assert row["after"] == {"into": kept, "name": "drum & bass", "tracks": 5}

    def test_into_itself(self, api: ApiProcess, ann: Account, moderator: Account) -> None:
        create_tagged_track(api, ann.token, ann.id, "selfish")
        tag_id = tag_id_of(api, "selfish")
        answer = merge(api, moderator, tag_id, tag_id)
        assert (answer.status_code, error_of(answer)) == (400, "into must be another tag")
        assert found_tags(api, ann.token, q="selfish") == {"selfish": 1}

    @pytest.mark.parametrize("number", NO_IDS)
    def test_unknown(self, api: ApiProcess, ann: Account, moderator: Account, number: int) -> None:
        create_tagged_track(api, ann.token, ann.id, "lonely")
        tag_id = tag_id_of(api, "lonely")
        assert merge(api, moderator, tag_id, number).status_code == 404
        assert merge(api, moderator, number, tag_id).status_code == 404

    @pytest.mark.parametrize("into", [None, "1", 1.5, [1], True], ids=str)
    def test_refuses_what_does_not_fit(
        self, api: ApiProcess, moderator: Account, into: Any
    ) -> None:
        assert merge(api, moderator, 1, into).status_code == 400

    def test_both_ways_at_once(self, api: ApiProcess, ann: Account, moderator: Account) -> None:
        create_tagged_track(api, ann.token, ann.id, "yin", "yang")
        yin, yang = tag_id_of(api, "yin"), tag_id_of(api, "yang")
        with ThreadPoolExecutor(2) as pool:
            answers = pool.map(
                lambda pair: merge(api, moderator, *pair), [(yin, yang), (yang, yin)]
            )
        assert sorted(answer.status_code for answer in answers) == [200, 404]


class TestDelete:
    def test_it_is_off_every_track(self, api: ApiProcess, ann: Account, moderator: Account) -> None:
        track = create_tagged_track(api, ann.token, ann.id, "d-a", "spam", "d-b")
        tag_id = tag_id_of(api, "spam")
        path = f"/tags/{tag_id}"
        assert api.client.delete(path, token=moderator.token).status_code == 200
        assert tags_of(api, ann.token, track) == ["d-a", "d-b"]
        assert positions_of(api, track) == [1, 2]
        assert found_tags(api, ann.token, q="spam") == {}
        assert api.client.delete(path, token=moderator.token).status_code == 404
        [row] = audit_of(api, "tag", tag_id)
        assert (row["action"], row["before"]) == ("tag.delete", {"name": "spam"})
        assert row["after"] is None

    @pytest.mark.parametrize("number", NO_IDS)
    def test_unknown(self, api: ApiProcess, moderator: Account, number: int) -> None:
        answer = api.client.delete(f"/tags/{number}", token=moderator.token)
        assert (answer.status_code, error_of(answer)) == (404, "Tag not found")
