"""The search over everything, as people use it."""

import pytest
from tests.builders.files import create_file
from tests.builders.products import create_product, create_staff, run_sql
from tests.builders.searches import (
    create_room,
    create_track,
    hits,
    index_now,
    search,
)
from tests.builders.user_products import create_gear
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

KINDS = ["users", "products", "files", "tracks", "rooms"]
WORD = "glimrasazaha"


@pytest.fixture(scope="module")
def ann(api: ApiProcess) -> Account:
    return create_user(api, username=f"{WORD}-ann")


@pytest.fixture(scope="module")
def things(api: ApiProcess, ann: Account) -> dict[str, int]:
    """One of each kind that WORD finds."""
    staff = create_staff(api)
    gear = create_gear(api, ann)["id"]
    made = {
        "users": ann.id,
        "products": create_product(api, staff.token, name=f"{WORD} MK-1", brand="Talas")["id"],
        "files": create_file(api, ann.token, gear, filename=f"{WORD}.pdf")["id"],
        "tracks": create_track(api, ann, title=f"{WORD} Loop", tags=("ambient",)),
        "rooms": create_room(api, ann, f"{WORD} room"),
    }
    index_now(api, ann)
    return made


def test_everything_is_found_by_default(
    api: ApiProcess, ann: Account, things: dict[str, int]
) -> None:
    answer = search(api, ann, WORD)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert list(data) == KINDS
    assert {kind: [hit["id"] for hit in data[kind]] for kind in data} == {
        kind: [one] for kind, one in things.items()
    }


@pytest.mark.parametrize("kinds", [["tracks"], ["rooms", "users"], KINDS])
def test_only_the_kinds_asked_for_appear(
    api: ApiProcess, ann: Account, things: dict[str, int], kinds: list[str]
) -> None:
    data = search(api, ann, WORD, kind=",".join(kinds)).json()["data"]
    assert sorted(data) == sorted(kinds)
    assert all(len(hits) == 1 for hits in data.values())


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_shown_as_in_its_own_list(
    api: ApiProcess, ann: Account, things: dict[str, int], kind: str
) -> None:
    gear_id = run_sql(api, "SELECT product_id FROM files WHERE id = $1", things["files"])[0][0]
    lists = {
        "users": "/users?limit=100",
        "products": f"/products/search?q={WORD}",
        "files": f"/products/{gear_id}/files",
        "tracks": "/tracks?limit=100",
        "rooms": "/chat/rooms?limit=100",
    }
    rows = api.client.get(lists[kind], token=ann.token).json()["data"]
    [in_list] = [row for row in rows if row["id"] == things[kind]]
    [hit] = hits(api, ann, WORD, kind=kind)
    highlight = hit.pop("highlight")
    assert hit == in_list
    assert any(f"<mark>{WORD}" in text for text in highlight.values())
