"""Rooms are told of, changed, closed and deleted by who may."""

from typing import Any

import asyncpg
import httpx
import pytest
from tests.builders.products import audit_of, create_staff, run_sql
from tests.builders.rooms import (
    add_member,
    create_group,
    create_room,
    events_of,
    roles_in,
    say,
    set_role,
)
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, error_of

from talas.domains.chat.rooms.deletion import purge_deleted_rooms


def change(api: ApiProcess, by: Account, room: str, body: Any) -> httpx.Response:
    return api.client.put(f"/chat/rooms/{room}", token=by.token, json=body)


def read(api: ApiProcess, by: Account, room: str) -> dict[str, Any]:
    answer = api.client.get(f"/chat/rooms/{room}", token=by.token)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def listed(api: ApiProcess, by: Account, room: str) -> dict[str, Any] | None:
    answer = api.client.get("/chat/rooms", token=by.token, params={"search": room})
    return next((one for one in answer.json()["data"] if one["name"] == room), None)


def test_a_room_is_told_of_as_each_one_sees_it(api: ApiProcess) -> None:
    ann, bob, eve = create_user(api), create_user(api), create_user(api)
    room = create_room(api, ann, bob)
    say(api, room["id"], ann, times=3)
    say(api, room["id"], bob)
    seen = {one.id: read(api, one, room["name"]) for one in (ann, bob, eve)}
    assert [seen[one.id]["role"] for one in (ann, bob, eve)] == ["owner", "member", None]
    assert [seen[one.id]["unread"] for one in (ann, bob, eve)] == [1, 3, 0]
    details = seen[bob.id]
    assert (details["kind"], details["title"], details["seq"]) == ("room", None, 5)
    assert (details["read_seq"], details["member_count"], details["muted_until"]) == (1, 2, None)
    for one in (ann, bob, eve):
        row = listed(api, one, room["name"])
        assert row == {key: seen[one.id][key] for key in row or ()}


def test_unread_is_counted_to_a_thousand(api: ApiProcess) -> None:
    ann, bob = create_user(api), create_user(api)
    room = create_room(api, ann, bob)
    say(api, room["id"], bob, times=500)
    say(api, room["id"], ann, times=999)
    assert read(api, bob, room["name"])["unread"] == 999
    say(api, room["id"], ann, times=5)
    assert read(api, bob, room["name"])["unread"] == 1000
    run_sql(api, "UPDATE messages SET deleted_at = now() WHERE room_id = $1", room["id"])
    assert read(api, bob, room["name"])["unread"] == 0


def test_an_owner_changes_everything(api: ApiProcess) -> None:
    ann, bob = create_user(api), create_user(api)
    room = create_room(api, ann)
    body: dict[str, Any] = {
        "name": f" Renamed {room['id']} ",
        "description": " About ",
        "is_private": True,
        "history": "joining",
        "slow_mode_s": 30,
        "seq": 99,
        "created_by": bob.id,
    }
    answer = change(api, ann, room["name"], body)
    assert answer.status_code == 200, answer.text
    after = answer.json()["data"]
    kept = {**body, "name": f"Renamed {room['id']}", "description": "About", "seq": 1}
    assert after == read(api, ann, kept["name"])
    assert {key: after[key] for key in body} == {**kept, "created_by": ann.id}
    [(kind, data)] = events_of(api, room["id"])
    expected = {key: kept[key] for key in body if key not in ("seq", "created_by")}
    expected["renamed_from"] = room["name"]
    assert (kind, data) == ("room", {"action": "changed", **expected})
    for name in (room["name"], kept["name"]):
        assert api.client.get(f"/chat/rooms/{name}", token=bob.token).status_code == 404
    assert change(api, ann, kept["name"], {"description": None}).status_code == 200
    assert read(api, ann, kept["name"])["description"] is None
    # What is as it was is no event.
    assert change(api, ann, kept["name"], {**kept, "description": None}).status_code == 200
    assert len(events_of(api, room["id"])) == 2


def test_moderators_change_some_things(api: ApiProcess) -> None:
    ann, bob, eve, ike = (create_user(api) for _ in range(4))
    room = create_room(api, ann, bob, eve)
    name = room["name"]
    set_role(api, ann, name, bob, "moderator")
    assert change(api, bob, name, {"description": "x", "slow_mode_s": 5}).status_code == 200
    # As it is already, sent by a client that sends all it has.
    assert change(api, bob, name, {"name": name, "is_private": False}).status_code == 200
    for forbidden in ({"name": "other"}, {"is_private": True}, {"history": "joining"}):
        assert change(api, bob, name, forbidden).status_code == 403
    for one in (eve, ike):
        for body in ({"description": "y"}, {"closed": True}, {"slow_mode_s": 0}, {}):
            assert change(api, one, name, body).status_code == 403
    assert read(api, eve, name)["description"] == "x"


@pytest.mark.parametrize(
    "body",
    [
        {"name": "a/b"},
        {"name": ""},
        {"name": None},
        {"name": "x" * 101},
        {"name": "a\u0000b"},
        {"description": "x" * 501},
        {"description": "\u0007"},
        {"is_private": None},
        {"history": "never"},
        {"history": None},
        {"slow_mode_s": -1},
        {"slow_mode_s": 21_601},
        {"slow_mode_s": 2**70},
        {"slow_mode_s": 1.5},
        {"slow_mode_s": True},
        {"closed": "yes"},
        {"title": "A room has none"},
        {"title": "x" * 101},
        [],
        "x",
    ],
)
def test_changes_that_make_no_sense(api: ApiProcess, body: Any) -> None:
    ann = create_user(api)
    name = create_room(api, ann)["name"]
    before = read(api, ann, name)
    answer = change(api, ann, name, body)
    assert answer.status_code == 400, answer.text
    assert read(api, ann, name) == before


def test_a_name_that_is_taken(api: ApiProcess) -> None:
    ann, bob = create_user(api), create_user(api)
    mine, theirs = create_room(api, ann), create_room(api, bob, private=True)
    answer = change(api, ann, mine["name"], {"name": theirs["name"].upper(), "description": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "room_name_taken")
    assert read(api, ann, mine["name"])["description"] is None
    assert events_of(api, mine["id"]) == []
    assert change(api, ann, mine["name"], {"name": mine["name"].upper()}).status_code == 200


def test_general_stays(api: ApiProcess) -> None:
    ann, root = create_user(api), create_staff(api, role="super_admin")
    path = "/chat/rooms/general"
    assert api.client.post(f"{path}/members", token=ann.token, json={}).status_code == 201
    general = read(api, ann, "general")
    run_sql(api, "UPDATE room_members SET role = 'owner' WHERE user_id = $1", ann.id)
    for body in ({"name": "other"}, {"is_private": True}):
        assert change(api, ann, "general", body).status_code == 409
        assert change(api, root, "general", body).status_code == 403
    for one in (ann, root):
        answer = api.client.delete(path, token=one.token)
        assert (answer.status_code, error_of(answer)) == (
            409,
            "The room general cannot be deleted",
        )
    assert read(api, ann, "general")["id"] == general["id"]


def test_closing_and_opening_again(api: ApiProcess) -> None:
    ann, bob, mod = create_user(api), create_user(api), create_staff(api, role="moderator")
    room = create_room(api, ann, bob, private=True)
    assert api.client.get(f"/chat/rooms/{room['name']}", token=mod.token).status_code == 404
    for body in ({}, {"closed": True, "description": "x"}, {"slow_mode_s": 2}):
        assert change(api, mod, room["name"], body).status_code == 404
    assert change(api, bob, room["name"], {"closed": True}).status_code == 403
    for by, closed in ((mod, True), (mod, True), (ann, False), (ann, True)):
        answer = change(api, by, room["name"], {"closed": closed})
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["closed"] is closed
        assert read(api, bob, room["name"])["closed"] is closed
    actions = [data["action"] for _, data in events_of(api, room["id"])]
    assert actions == ["added", "closed", "reopened", "closed"]
    acts = audit_of(api, "room", room["id"])
    assert [(act["action"], act["actor_id"]) for act in acts] == [
        ("room.close", mod.id),
        ("room.reopen", ann.id),
        ("room.close", ann.id),
    ]
    assert acts[0]["address"] == "127.0.0.1"


def test_a_room_that_is_deleted_is_gone_for_everybody(api: ApiProcess) -> None:
    ann, bob, eve = create_user(api), create_user(api), create_user(api)
    room = create_room(api, ann, bob)
    name, path = room["name"], f"/chat/rooms/{room['name']}"
    set_role(api, ann, name, bob, "moderator")
    say(api, room["id"], bob, times=3)
    for one, status in ((eve, 403), (bob, 403)):
        assert api.client.delete(path, token=one.token).status_code == status
    assert api.client.delete(path, token=ann.token).status_code == 200
    assert api.client.delete(path, token=ann.token).status_code == 404
    for one in (ann, bob, eve):
        for below in ("", "/messages", "/members"):
            assert api.client.get(path + below, token=one.token).status_code == 404
        assert listed(api, one, name) is None
    assert roles_in(api, room["id"]) == {}
    kind, data = run_sql(
        api,
        "SELECT kind, data FROM chat_events WHERE room_id = $1 ORDER BY seq DESC LIMIT 1",
        room["id"],
    )[0]
    assert (kind, data) == ("room", '{"action": "deleted"}')
    assert [act["action"] for act in audit_of(api, "room", room["id"])] == [
        "room.role",
        "room.delete",
    ]
    again = api.client.post("/chat/rooms", token=bob.token, json={"name": name})
    assert again.status_code == 201


def test_administrators_delete_any_room(api: ApiProcess) -> None:
    ann = create_user(api)
    mod, admin = create_staff(api, role="moderator"), create_staff(api, role="admin")
    room = create_room(api, ann, private=True)
    path = f"/chat/rooms/{room['name']}"
    assert api.client.delete(path, token=mod.token).status_code == 404
    assert api.client.delete(path, token=admin.token).status_code == 200
    [act] = audit_of(api, "room", room["id"])
    assert (act["action"], act["actor_id"]) == ("room.delete", admin.id)
    assert act["before"]["name"] == room["name"]


async def test_what_was_said_in_a_deleted_room_goes_by_and_by(
    api: ApiProcess, db: asyncpg.Connection
) -> None:
    ann, bob = create_user(api), create_user(api)
    rooms = [create_room(api, ann, bob) for _ in range(3)]
    gone, kept = [room["id"] for room in rooms[:2]], rooms[2]["id"]
    insert = (
        "INSERT INTO messages (from_user, room, room_id, content, seq, reply_to) "
        "SELECT $2, 'x', $1, 'x', 1 + n, (SELECT max(id) FROM messages WHERE room_id = $1) "
        "FROM generate_series(1, $3::INT) AS n"
    )
    for room_id, times in ((gone[0], 1), (gone[0], 7000), (gone[1], 2), (kept, 3)):
        await db.execute("DELETE FROM messages WHERE room_id = $1 AND seq > 1", room_id)
        await db.execute(insert, room_id, bob.id, times)
    await db.execute(
        "INSERT INTO message_reactions (message_id, emoji, user_id) "
        "SELECT id, 'x', $2 FROM messages WHERE room_id = $1",
        gone[0],
        ann.id,
    )
    for room in rooms[:2]:
        assert api.client.delete(f"/chat/rooms/{room['name']}", token=ann.token).is_success
    await purge_deleted_rooms(db)
    await purge_deleted_rooms(db)
    left = await db.fetch("SELECT id FROM rooms WHERE id = ANY($1::INT[])", [*gone, kept])
    assert [row[0] for row in left] == [kept]
    count = "SELECT count(*) FROM messages WHERE room_id = ANY($1::INT[])"
    assert (await db.fetchval(count, gone), await db.fetchval(count, [kept])) == (0, 3)


def test_groups_and_deleted_rooms_are_not_listed(api: ApiProcess) -> None:
    ann, bob, eve = create_user(api), create_user(api), create_user(api)
    before = api.client.get("/chat/rooms", token=ann.token).json()["pagination"]["total"]
    group = create_group(api, ann, bob, eve)
    room = create_room(api, ann)
    add_member(api, ann, room["name"], bob)
    assert api.client.delete(f"/chat/rooms/{room['name']}", token=ann.token).is_success
    answer = api.client.get("/chat/rooms", token=ann.token, params={"limit": 100}).json()
    assert answer["pagination"]["total"] == before
    assert not {group["name"], room["name"]} & {one["name"] for one in answer["data"]}
    assert listed(api, ann, group["name"]) is None
