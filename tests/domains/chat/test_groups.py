"""Groups of a few people, whom nobody else finds."""

import time
from typing import Any

import pytest
from tests.builders.products import run_sql
from tests.builders.rooms import create_group, create_room, events_of, roles_in, say
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess


def people(api: ApiProcess, number: int) -> list[Account]:
    return [create_user(api) for _ in range(number)]


def groups_of(api: ApiProcess, who: Account, **query: int) -> dict[str, Any]:
    answer = api.client.get("/chat/groups", token=who.token, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_a_group_begins(api: ApiProcess) -> None:
    ann, bob, eve, ike = people(api, 4)
    group = create_group(api, ann, bob, eve, bob, ann, title=" Us ")
    assert group["name"].startswith("group-")
    assert (group["title"], group["role"], group["seq"], group["unread"]) == ("Us", "owner", 3, 0)
    assert [(one["user_id"], one["role"]) for one in group["members"]] == [
        (ann.id, "owner"),
        (bob.id, "member"),
        (eve.id, "member"),
    ]
    assert group["last_message"] is None
    assert [data["action"] for _, data in events_of(api, group["id"])] == [
        "joined",
        "added",
        "added",
    ]
    for one, told in ((ann, 0), (bob, 1), (eve, 1)):
        found = groups_of(api, one)
        assert [shown["id"] for shown in found["data"]] == [group["id"]]
        notified = run_sql(api, "SELECT FROM notifications WHERE user_id = $1", one.id)
        assert len(notified) == told
    assert groups_of(api, ike)["data"] == []
    for below in ("", "/messages", "/members", "/invites"):
        path = f"/chat/rooms/{group['name']}{below}"
        assert api.client.get(path, token=ike.token).status_code == 404
        assert api.client.get(path, token=eve.token).status_code == 200


def test_groups_are_listed_newest_first(api: ApiProcess) -> None:
    ann, bob, eve = people(api, 3)
    ids = [create_group(api, ann, bob, eve)["id"] for _ in range(5)]
    say(api, ids[1], bob, times=3)
    say(api, ids[1], ann)
    found = []
    for page in (1, 2, 3, 4):
        body = groups_of(api, ann, page=page, limit=2)
        assert body["pagination"]["total"] == 5
        found += body["data"]
    assert [one["id"] for one in found] == ids[::-1]
    spoken = found[3]
    assert (spoken["unread"], spoken["seq"]) == (3, 7)
    last = spoken["last_message"]
    assert (last["from_user"], last["username"], last["content"], last["seq"]) == (
        ann.id,
        ann.username,
        "said 1",
        7,
    )
    assert [one["last_message"] for one in found if one is not spoken] == [None] * 4


def test_groups_that_are_none(api: ApiProcess) -> None:
    ann, *others = people(api, 11)
    ids = [other.id for other in others]
    for body in (
        {"user_ids": []},
        {"user_ids": ids[:1]},
        {"user_ids": [ids[0], ids[0], ann.id]},
        {"user_ids": ids},
        {"user_ids": ids[:2], "title": "x" * 101},
        {"user_ids": ids[:2], "title": "a\u0000b"},
        {"user_ids": ["1", "2"]},
        {"user_ids": None},
        {},
        [],
    ):
        answer = api.client.post("/chat/groups", token=ann.token, json=body)
        assert answer.status_code == 400, (body, answer.text)
    assert groups_of(api, ann)["data"] == []


def test_people_who_cannot_be_in_it(api: ApiProcess) -> None:
    ann, bob, blocker, suspended = people(api, 4)
    run_sql(api, "INSERT INTO user_blocks VALUES ($1, $2)", blocker.id, ann.id)
    run_sql(api, "UPDATE users SET status = 'suspended' WHERE id = $1", suspended.id)
    for bad in (blocker.id, suspended.id, 2**31 - 1, 0, -5, 10**18):
        body = {"user_ids": [bob.id, bad]}
        answer = api.client.post("/chat/groups", token=ann.token, json=body)
        assert (answer.status_code, answer.json()["error"]) == (404, "User not found"), bad
    assert groups_of(api, bob)["data"] == []


def test_members_add_up_to_ten(api: ApiProcess) -> None:
    ann, *others, late = people(api, 11)
    group = create_group(api, ann, *others[:2])
    path = f"/chat/rooms/{group['name']}/members"
    for by, new in zip(others[:7], others[2:], strict=True):
        answer = api.client.post(path, token=by.token, json={"user_id": new.id})
        assert answer.status_code == 201, answer.text
    for body in ({"user_id": late.id}, {"username": late.username}):
        full = api.client.post(path, token=ann.token, json=body)
        assert (full.status_code, full.json()["code"]) == (409, "group_full")
    assert api.client.post(path, token=late.token, json={}).status_code == 404
    assert len(roles_in(api, group["id"])) == 10


@pytest.mark.parametrize(
    ("by", "body", "status"),
    [
        ("member", {"title": "Ours"}, 200),
        ("member", {"title": None}, 200),
        ("member", {"description": "x"}, 403),
        ("member", {"title": "Ours", "closed": True}, 403),
        ("owner", {"description": "x", "slow_mode_s": 5, "history": "joining"}, 200),
        ("owner", {"closed": True}, 200),
        ("owner", {"name": "A public name"}, 409),
        ("owner", {"is_private": False}, 409),
        ("stranger", {"title": "Theirs"}, 404),
    ],
)
def test_what_changes_in_a_group(
    api: ApiProcess, by: str, body: dict[str, Any], status: int
) -> None:
    ann, bob, eve, ike = people(api, 4)
    group = create_group(api, ann, bob, eve, title="Us")
    who = {"owner": ann, "member": bob, "stranger": ike}[by]
    path = f"/chat/rooms/{group['name']}"
    answer = api.client.put(path, token=who.token, json=body)
    assert answer.status_code == status, answer.text
    after = api.client.get(path, token=ann.token).json()["data"]
    if status == 200:
        assert {key: after[key] for key in body} == body
        assert events_of(api, group["id"])[-1][0] == "room"
    else:
        assert (after["title"], after["is_private"], after["name"]) == ("Us", True, group["name"])


def test_a_group_goes_with_its_last_member(api: ApiProcess) -> None:
    ann, bob, eve = people(api, 3)
    group = create_group(api, ann, bob, eve)
    path = f"/chat/rooms/{group['name']}/leave"
    assert api.client.post(path, token=ann.token).status_code == 200
    assert roles_in(api, group["id"]) == {bob.id: "owner", eve.id: "member"}
    for one in (bob, eve):
        assert api.client.post(path, token=one.token).status_code == 200
    [row] = run_sql(api, "SELECT kind FROM rooms WHERE id = $1", group["id"])
    assert row[0] == "deleted"
    assert groups_of(api, eve)["pagination"]["total"] == 0


def test_who_came_later_sees_no_last_message_of_before(api: ApiProcess) -> None:
    ann, bob, eve, ike = people(api, 4)
    group = create_group(api, ann, bob, eve)
    path = f"/chat/rooms/{group['name']}"
    say(api, group["id"], bob)
    assert api.client.put(path, token=ann.token, json={"history": "joining"}).is_success
    body = {"user_id": ike.id}
    assert api.client.post(f"{path}/members", token=eve.token, json=body).is_success
    assert groups_of(api, ike)["data"][0]["last_message"] is None
    assert groups_of(api, eve)["data"][0]["last_message"]["content"] == "said 1"


def test_a_group_is_not_found_by_search(api: ApiProcess) -> None:
    ann, bob, eve = people(api, 3)
    create_group(api, ann, bob, eve, title="Zanzibar nights")
    room = create_room(api, ann)
    found: list[Any] = []
    for _ in range(300):
        params = {"q": room["name"], "type": "rooms"}
        answer = api.client.get("/search", token=ann.token, params=params)
        found = answer.json()["data"]["rooms"]
        if found:
            break
        time.sleep(0.1)
    assert [one["id"] for one in found] == [room["id"]]
    for text in ("Zanzibar", "group"):
        answer = api.client.get("/search", token=ann.token, params={"q": text, "type": "rooms"})
        assert answer.json()["data"]["rooms"] == []


def test_nobody_opens_rooms_and_groups_without_end(api: ApiProcess) -> None:
    ann, bob, eve = people(api, 3)
    for kind, path, body in (
        ("room", "/chat/rooms", {"name": f"One too many {ann.id}"}),
        ("group", "/chat/groups", {"user_ids": [bob.id, eve.id]}),
    ):
        run_sql(
            api,
            "INSERT INTO rooms (name, name_key, kind, is_private, created_by) "
            "SELECT $1 || $2 || n, $1 || $2 || n, $1, true, $2::INT FROM generate_series(1, 500) n",
            kind,
            str(ann.id),
        )
        run_sql(
            api,
            "INSERT INTO room_members (room_id, user_id, role) "
            "SELECT id, created_by, 'owner' FROM rooms WHERE created_by = $1 AND kind = $2",
            ann.id,
            kind,
        )
        answer = api.client.post(path, token=ann.token, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_rooms_opened")
        assert answer.json()["error"] == (
            f"You are in 500 {kind}s that you have opened; leave or delete one first"
        )
        # One that lives on with others.
        run_sql(
            api,
            "DELETE FROM room_members m USING rooms r "
            "WHERE r.id = m.room_id AND r.name = $1 AND m.user_id = $2",
            f"{kind}{ann.id}1",
            ann.id,
        )
        assert api.client.post(path, token=ann.token, json=body).status_code == 201
    create_room(api, bob)
