"""Who finds what: strangers, and whoever lost a right a moment ago, find nothing of it.

The index is held still while rights are taken: what the rows say counts, not what the index knew.
"""

from typing import Any

import msgspec
import pytest
from tests.builders.files import create_file
from tests.builders.products import create_product, create_staff, run_sql
from tests.builders.searches import (
    create_room,
    create_track,
    found,
    frozen_index,
    index_now,
    search,
)
from tests.builders.user_products import create_gear
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

WORD = "quillobriva"


class World(msgspec.Struct):
    ann: Account
    bob: Account
    ids: dict[str, int]


@pytest.fixture(scope="module")
def world(api: ApiProcess) -> World:
    """Ann's things; ``hidden`` ones only she may find."""
    ann, bob = create_user(api, username=f"{WORD}-ann"), create_user(api)
    product = create_product(api, create_staff(api).token, name=f"{WORD} synth")
    ids = {
        "users": ann.id,
        "products": product["id"],
        "files": create_file(api, ann.token, create_gear(api, ann)["id"], filename=f"{WORD}.pdf")[
            "id"
        ],
        "tracks": create_track(api, ann, title=f"{WORD} open"),
        "rooms": create_room(api, ann, f"{WORD} open"),
        "private track": create_track(api, ann, title=f"{WORD} private", visibility="private"),
        "unlisted track": create_track(api, ann, title=f"{WORD} unlisted", visibility="unlisted"),
        "unready track": create_track(api, ann, title=f"{WORD} unready", status="processing"),
        "failed track": create_track(api, ann, title=f"{WORD} failed", status="failed", error="x"),
        "private room": create_room(api, ann, f"{WORD} private", private=True),
    }
    index_now(api, ann)
    return World(ann, bob, ids)


def everything(api: ApiProcess, asker: Account, text: str = WORD) -> dict[str, set[int]]:
    answer = search(api, asker, text)
    assert answer.status_code == 200, answer.text
    data: dict[str, list[dict[str, Any]]] = answer.json()["data"]
    return {kind: {hit["id"] for hit in hits} for kind, hits in data.items()}


@pytest.mark.parametrize("text", [WORD, WORD[:5], WORD[1] + WORD[0] + WORD[2:], f"{WORD} zzz"])
def test_strangers_find_what_everybody_may(api: ApiProcess, world: World, text: str) -> None:
    ids = world.ids
    assert everything(api, world.bob, text) == {
        "users": {ids["users"]},
        "products": {ids["products"]},
        "files": set(),
        "tracks": {ids["tracks"]},
        "rooms": {ids["rooms"]},
    }


def test_the_owner_finds_all(api: ApiProcess, world: World) -> None:
    ids = world.ids
    seen = everything(api, world.ann)
    own = {track_id for name, track_id in ids.items() if name.endswith(("tracks", "track"))}
    assert seen["files"] == {ids["files"]}
    assert seen["tracks"] == own
    assert seen["rooms"] == {ids["rooms"], ids["private room"]}


def test_members_find_a_private_room(api: ApiProcess, world: World) -> None:
    carl = create_user(api)
    room_id = world.ids["private room"]
    assert room_id not in found(api, carl, WORD, kind="rooms")
    join = "INSERT INTO room_members (room_id, user_id) VALUES ($1, $2)"
    run_sql(api, join, room_id, carl.id)
    index_now(api, carl)
    assert room_id in found(api, carl, WORD, kind="rooms")
    with frozen_index(api):
        run_sql(api, "DELETE FROM room_members WHERE user_id = $1", carl.id)
        assert room_id not in found(api, carl, WORD, kind="rooms")


@pytest.mark.parametrize(
    "change", ["visibility = 'private'", "visibility = 'unlisted'", "status = 'failed'"]
)
def test_a_track_that_is_hidden_is_gone_at_once(api: ApiProcess, world: World, change: str) -> None:
    track_id = create_track(api, world.ann, title=f"{WORD} brief")
    index_now(api, world.ann)
    with frozen_index(api):
        assert track_id in found(api, world.bob, WORD, kind="tracks")
        run_sql(api, f"UPDATE tracks SET {change} WHERE id = $1", track_id)
        assert track_id not in found(api, world.bob, WORD, kind="tracks")
        narrowed = {"q": WORD, "user_id": world.ann.id}
        answer = api.client.get("/search/tracks", token=world.bob.token, params=narrowed).json()
        assert track_id not in [track["id"] for track in answer["data"]]
        assert answer["pagination"]["total"] == len(answer["data"])
        assert track_id in found(api, world.ann, WORD, kind="tracks")
    index_now(api, world.ann)
    assert track_id not in found(api, world.bob, WORD, kind="tracks")
    run_sql(
        api, "UPDATE tracks SET visibility = 'public', status = 'ready' WHERE id = $1", track_id
    )
    index_now(api, world.ann)
    assert track_id in found(api, world.bob, WORD, kind="tracks")
    run_sql(api, "DELETE FROM tracks WHERE id = $1", track_id)


@pytest.mark.parametrize(
    ("kind", "statement"),
    [
        ("users", "UPDATE users SET status = 'suspended' WHERE id = $1"),
        ("users", "UPDATE users SET status = 'deleted' WHERE id = $1"),
        ("products", "UPDATE products SET status = 'inactive' WHERE id = $1"),
        ("products", "DELETE FROM products WHERE id = $1"),
        ("files", "DELETE FROM files WHERE id = $1"),
        ("tracks", "DELETE FROM tracks WHERE id = $1"),
        ("rooms", "DELETE FROM rooms WHERE id = $1"),
        ("rooms", "UPDATE rooms SET is_private = true WHERE id = $1"),
    ],
)
def test_what_is_gone_is_gone_at_once(
    api: ApiProcess, world: World, kind: str, statement: str
) -> None:
    owner = create_user(api, username=f"brelmont-{statement.count('e')}-{kind}-{statement[:3]}")
    asker = owner if kind == "files" else world.bob
    one = _create(api, owner, kind, "brelmont passing")
    index_now(api, owner)
    with frozen_index(api):
        assert one in found(api, asker, "brelmont", kind=kind)
        run_sql(api, statement, one)
        assert one not in found(api, asker, "brelmont", kind=kind)


def _create(api: ApiProcess, owner: Account, kind: str, name: str) -> int:
    match kind:
        case "users":
            return owner.id
        case "products":
            product = create_product(api, create_staff(api).token, name=name)
            return int(product["id"])
        case "files":
            gear = create_gear(api, owner)["id"]
            return int(create_file(api, owner.token, gear, filename=f"{name}.pdf")["id"])
        case "tracks":
            return create_track(api, owner, title=name)
        case _:
            return create_room(api, owner, f"{name} {owner.id}")


def test_pages_are_filled_from_further_hits(api: ApiProcess, world: World) -> None:
    word = "vexolandria"
    ids = [create_track(api, world.ann, title=f"{word} {n}", plays=1000 - n) for n in range(40)]
    index_now(api, world.ann)
    with frozen_index(api):
        run_sql(api, "UPDATE tracks SET visibility = 'private' WHERE id = ANY($1)", ids[:30])
        assert found(api, world.bob, word, kind="tracks", limit=10) == ids[30:]


@pytest.mark.parametrize("path", ["/search", "/search/tracks", "/search/suggest"])
def test_without_a_token_nothing_is_found(api: ApiProcess, path: str) -> None:
    answer = api.client.get(path, params={"q": WORD})
    assert answer.status_code == 401
