"""People come into rooms, go, and have roles in them."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from tests.builders.chat import ChatProcess, connected
from tests.builders.products import audit_of, create_staff, run_sql
from tests.builders.rooms import (
    add_member,
    create_group,
    create_room,
    events_of,
    roles_in,
    set_role,
)
from tests.builders.users import PASSWORD, Account, create_user
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess


def people(api: ApiProcess, number: int) -> list[Account]:
    return [create_user(api) for _ in range(number)]


def join(api: ApiProcess, who: Account, room: str, body: Any = None) -> httpx.Response:
    path = f"/chat/rooms/{room}/members"
    return api.client.post(path, token=who.token, json={} if body is None else body)


def change(api: ApiProcess, by: Account, room: str, who: Account, body: Any) -> httpx.Response:
    return api.client.put(f"/chat/rooms/{room}/members/{who.id}", token=by.token, json=body)


def remove(api: ApiProcess, by: Account, room: str, who: Account) -> httpx.Response:
    return api.client.delete(f"/chat/rooms/{room}/members/{who.id}", token=by.token)


def leave(api: ApiProcess, who: Account, room: str) -> httpx.Response:
    return api.client.post(f"/chat/rooms/{room}/leave", token=who.token)


def at_once(*calls: Callable[[], httpx.Response]) -> list[int]:
    """What each answered; all begin together."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], httpx.Response]) -> int:
        gate.wait()
        return call().status_code

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def actions(api: ApiProcess, room_id: int) -> list[tuple[str, int | None]]:
    return [(data["action"], data.get("user_id")) for _, data in events_of(api, room_id)]


def later(**after: float) -> str:
    return (datetime.now(UTC) + timedelta(**after)).isoformat()


# Joining, adding


def test_anybody_joins_a_public_room(api: ApiProcess) -> None:
    ann, bob, eve = people(api, 3)
    room = create_room(api, ann)
    answer = join(api, bob, room["name"])
    assert answer.status_code == 201
    member = answer.json()["data"]
    assert (member["user_id"], member["username"], member["role"]) == (
        bob.id,
        bob.username,
        "member",
    )
    assert join(api, bob, room["name"]).status_code == 200
    assert join(api, eve, room["name"], {"user_id": eve.id}).status_code == 201
    assert join(api, eve, room["name"], {"username": eve.username.upper()}).status_code == 200
    assert actions(api, room["id"]) == [("joined", bob.id), ("joined", eve.id)]
    joined = run_sql(
        api,
        "SELECT joined_seq, read_seq FROM room_members WHERE room_id = $1 ORDER BY joined_seq",
        room["id"],
    )
    assert [tuple(row) for row in joined] == [(0, 0), (1, 1), (2, 2)]


def test_a_private_room_is_not_there_to_join(api: ApiProcess) -> None:
    ann, eve = people(api, 2)
    room = create_room(api, ann, private=True)
    hidden = join(api, eve, room["name"])
    missing = join(api, eve, "never opened")
    assert (hidden.status_code, hidden.json()) == (404, missing.json())


def test_owner_and_moderators_add_people(api: ApiProcess) -> None:
    ann, bob, eve, ike, joe = people(api, 5)
    room = create_room(api, ann, bob, private=True)
    name = room["name"]
    assert join(api, bob, name, {"user_id": eve.id}).status_code == 403
    set_role(api, ann, name, bob, "moderator")
    assert join(api, bob, name, {"username": eve.username.upper()}).status_code == 201
    again = join(api, ann, name, {"user_id": eve.id})
    assert (again.status_code, again.json()["code"]) == (409, "already_member")
    assert join(api, eve, name, {"user_id": ike.id}).status_code == 403
    assert join(api, joe, name, {"user_id": ike.id}).status_code == 404
    assert actions(api, room["id"])[-1] == ("added", eve.id)
    notified = run_sql(
        api, "SELECT kind, actor_id, room_id FROM notifications WHERE user_id = $1", eve.id
    )
    assert [tuple(row) for row in notified] == [("invitation", bob.id, room["id"])]


def test_who_cannot_be_added(api: ApiProcess) -> None:
    ann, blocker, suspended, deleted = people(api, 4)
    room = create_room(api, ann)
    run_sql(api, "INSERT INTO user_blocks VALUES ($1, $2)", blocker.id, ann.id)
    run_sql(api, "UPDATE users SET status = 'suspended' WHERE id = $1", suspended.id)
    answer = api.client.request(
        "DELETE", "/users/me", token=deleted.token, json={"password": PASSWORD}
    )
    assert answer.status_code == 200, answer.text
    answers = [
        join(api, ann, room["name"], body)
        for body in (
            {"user_id": blocker.id},
            {"username": blocker.username},
            {"user_id": suspended.id},
            {"user_id": deleted.id},
            {"user_id": 2**31 - 1},
            {"user_id": 0},
            {"user_id": -1},
            {"user_id": 10**30},
            {"username": "nobody-is-called-so"},
        )
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert answers[0].json()["error"] == "User not found"


@pytest.mark.parametrize(
    "body",
    [
        {"user_id": "1"},
        {"user_id": 1.5},
        {"user_id": True},
        {"username": 7},
        {"username": ""},
        {"username": "a\u0000b"},
        {"username": "x" * 51},
        {"username": "x", "user_id": 1},
        [],
        "x",
    ],
)
def test_bodies_that_name_nobody(api: ApiProcess, body: Any) -> None:
    ann = create_user(api)
    room = create_room(api, ann)
    assert join(api, ann, room["name"], body).status_code == 400


def test_two_who_join_at_once_as_the_same_one_are_one(api: ApiProcess) -> None:
    ann, bob = people(api, 2)
    room = create_room(api, ann)
    answers = at_once(*[lambda: join(api, bob, room["name"])] * 8)
    assert sorted(answers) == [200] * 7 + [201]
    assert actions(api, room["id"]) == [("joined", bob.id)]


# The list


def test_members_are_listed_by_role_and_by_when_they_came(api: ApiProcess) -> None:
    ann, bob, eve, ike, joe = people(api, 5)
    room = create_room(api, ann, bob, eve, ike)
    set_role(api, ann, room["name"], ike, "moderator")
    expected = [ann.id, ike.id, bob.id, eve.id]
    for limit in (1, 3, 4):
        found: list[int] = []
        for page in range(1, 4 // limit + 3):
            path = f"/chat/rooms/{room['name']}/members?page={page}&limit={limit}"
            answer = api.client.get(path, token=joe.token).json()
            assert answer["pagination"]["total"] == 4
            found += [member["user_id"] for member in answer["data"]]
        assert found == expected


def test_members_of_a_private_room_are_for_members(api: ApiProcess) -> None:
    ann, eve = people(api, 2)
    path = f"/chat/rooms/{create_room(api, ann, private=True)['name']}/members"
    assert api.client.get(path, token=ann.token).status_code == 200
    assert api.client.get(path, token=eve.token).status_code == 404


# Roles


def test_an_owner_gives_and_takes_roles(api: ApiProcess) -> None:
    ann, bob, eve = people(api, 3)
    room = create_room(api, ann, bob, eve)
    name = room["name"]
    set_role(api, ann, name, bob, "moderator")
    for by, who, role in ((bob, eve, "moderator"), (eve, bob, "member"), (bob, ann, "member")):
        assert change(api, by, name, who, {"role": role}).status_code == 403
    set_role(api, ann, name, bob, "member")
    assert change(api, ann, name, ann, {"role": "member"}).status_code == 409
    assert roles_in(api, room["id"])[ann.id] == "owner"
    assert actions(api, room["id"])[2:] == [("role", bob.id)] * 2
    acts = audit_of(api, "room", room["id"])
    assert [(act["action"], act["after"]["role"]) for act in acts] == [
        ("room.role", "moderator"),
        ("room.role", "member"),
    ]


def test_a_room_is_handed_over(api: ApiProcess) -> None:
    ann, bob = people(api, 2)
    room = create_room(api, ann, bob)
    set_role(api, ann, room["name"], bob, "owner")
    assert roles_in(api, room["id"]) == {ann.id: "moderator", bob.id: "owner"}
    assert change(api, ann, room["name"], bob, {"role": "member"}).status_code == 403
    run_sql(api, "UPDATE users SET status = 'suspended' WHERE id = $1", ann.id)
    assert change(api, bob, room["name"], ann, {"role": "owner"}).status_code == 409


def test_of_two_handovers_at_once_one_is_made(api: ApiProcess) -> None:
    ann, bob, eve = people(api, 3)
    room = create_room(api, ann, bob, eve)
    for _ in range(5):
        roles = roles_in(api, room["id"])
        owner = next(one for one in (ann, bob, eve) if roles[one.id] == "owner")
        others = [one for one in (ann, bob, eve) if one is not owner]

        def hand_to(who: Account, by: Account = owner) -> Callable[[], httpx.Response]:
            return lambda: change(api, by, room["name"], who, {"role": "owner"})

        assert sorted(at_once(*map(hand_to, others))) == [200, 403]
        assert sorted(roles_in(api, room["id"]).values()).count("owner") == 1


# Mutes


def test_moderators_mute_who_is_below_them(api: ApiProcess) -> None:
    ann, bob, eve, ike = people(api, 4)
    room = create_room(api, ann, bob, eve)
    name, until = room["name"], later(hours=1)
    set_role(api, ann, name, bob, "moderator")
    answer = change(api, bob, name, eve, {"muted_until": until})
    assert answer.status_code == 200, answer.text
    shown = datetime.fromisoformat(answer.json()["data"]["muted_until"])
    assert shown == datetime.fromisoformat(until)
    assert (
        api.client.get(f"/chat/rooms/{name}", token=eve.token).json()["data"]["muted_until"]
        == answer.json()["data"]["muted_until"]
    )
    for by, who in ((bob, ann), (bob, bob), (eve, eve), (eve, bob), (ike, eve), (ann, ann)):
        for body in ({"muted_until": None}, {"muted_until": until}, {}):
            assert change(api, by, name, who, body).status_code == 403
    assert change(api, ann, name, eve, {"muted_until": None}).status_code == 200
    assert change(api, ann, name, eve, {"muted_until": None}).status_code == 200
    assert [action for action, _ in actions(api, room["id"])][3:] == ["muted", "unmuted"]
    data = events_of(api, room["id"])[3][1]
    assert (data["user_id"], "name" in data) == (eve.id, False)
    assert data["until"].endswith("Z")
    acts = [(act["action"], act["actor_id"]) for act in audit_of(api, "room", room["id"])]
    assert acts[1:] == [("room.mute", bob.id), ("room.unmute", ann.id)]


@pytest.mark.parametrize(
    "until",
    [
        "2020-01-01T00:00:00Z",
        pytest.param(later(days=400), id="in more than a year"),
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
        "2099-01-01T00:00:00",
        "soon",
        "",
        7,
        True,
        [],
    ],
)
def test_mutes_that_make_no_sense(api: ApiProcess, until: Any) -> None:
    ann, bob = people(api, 2)
    room = create_room(api, ann, bob)
    answer = change(api, ann, room["name"], bob, {"muted_until": until})
    assert answer.status_code == 400, answer.text
    assert change(api, ann, room["name"], bob, {"role": "king"}).status_code == 400


def test_leaving_and_coming_back_ends_no_mute(api: ApiProcess) -> None:
    ann, bob = people(api, 2)
    room = create_room(api, ann, bob)
    until = change(api, ann, room["name"], bob, {"muted_until": later(hours=1)}).json()["data"]
    assert leave(api, bob, room["name"]).status_code == 200
    answer = join(api, bob, room["name"])
    assert answer.json()["data"]["muted_until"] == until["muted_until"]
    assert run_sql(api, "SELECT FROM room_mutes WHERE room_id = $1", room["id"]) == []


def test_moderators_of_the_house_act_in_any_room(api: ApiProcess) -> None:
    ann, bob = people(api, 2)
    mod, other = create_staff(api, role="moderator"), create_staff(api, role="moderator")
    admin = create_staff(api, role="admin")
    room = create_room(api, ann, bob, other, admin, private=True)
    name, body = room["name"], {"muted_until": later(hours=1)}
    for who, status in ((ann, 200), (bob, 200), (other, 403), (admin, 403)):
        assert change(api, mod, name, who, body).status_code == status
    assert change(api, admin, name, other, body).status_code == 200
    assert change(api, mod, name, bob, {"role": "moderator"}).status_code == 403
    assert change(api, mod, name, mod, body).status_code == 404
    assert remove(api, mod, name, other).status_code == 403
    assert remove(api, mod, name, bob).status_code == 200
    assert bob.id not in roles_in(api, room["id"])
    kicks = [act for act in audit_of(api, "room", room["id"]) if act["action"] == "room.kick"]
    assert [(act["actor_id"], act["before"]["user_id"]) for act in kicks] == [(mod.id, bob.id)]
    # In a room of one's own even who moderates the house is a member like others.
    assert change(api, ann, name, other, {"muted_until": None}).status_code == 200


# Removal


def test_who_was_removed_comes_back_only_when_added(api: ApiProcess) -> None:
    ann, bob, eve, ike = people(api, 4)
    room = create_room(api, ann, bob, eve)
    name = room["name"]
    set_role(api, ann, name, bob, "moderator")
    for by, who in ((eve, bob), (bob, ann), (ike, eve)):
        assert remove(api, by, name, who).status_code == 403
    assert remove(api, bob, name, ike).status_code == 404
    assert remove(api, bob, name, eve).status_code == 200
    assert actions(api, room["id"])[-1] == ("removed", eve.id)
    refused = join(api, eve, name)
    assert (refused.status_code, refused.json()["code"]) == (403, "removed")
    add_member(api, bob, name, eve)
    assert leave(api, eve, name).status_code == 200
    assert join(api, eve, name).status_code == 201


def test_a_kick_beside_a_join_leaves_nobody_both_in_and_out(api: ApiProcess) -> None:
    ann, bob = people(api, 2)
    room = create_room(api, ann)
    for _ in range(6):
        at_once(
            *[lambda: join(api, bob, room["name"])] * 3,
            *[lambda: remove(api, ann, room["name"], bob)] * 3,
        )
        is_in = bob.id in roles_in(api, room["id"])
        removed = run_sql(api, "SELECT FROM room_removals WHERE room_id = $1", room["id"])
        assert not (is_in and removed)
        [last] = [done for done, who in actions(api, room["id"]) if who == bob.id][-1:]
        assert is_in == (last in ("joined", "added"))
        if removed:
            add_member(api, ann, room["name"], bob)
            assert leave(api, bob, room["name"]).is_success


async def test_the_socket_lets_in_and_keeps_out_as_http_does(
    api: ApiProcess, chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = create_user(api), await make_person()
    room = create_room(api, ann)
    name = room["name"]
    async with connected(chat, bob) as one, connected(chat, bob) as other:
        await asyncio.gather(one.join(name), other.join(name))
    assert await asyncio.to_thread(actions, api, room["id"]) == [("joined", bob.id)]
    path = f"/chat/rooms/{name}/members/{bob.id}"
    assert api.client.delete(path, token=ann.token).status_code == 200
    async with connected(chat, bob) as socket:
        refused = await socket.ask(type="join", room=name)
        assert (refused["type"], refused["data"]["code"]) == ("error", "removed")
        added = {"user_id": bob.id}
        assert api.client.post(
            f"/chat/rooms/{name}/members", token=ann.token, json=added
        ).is_success
        await socket.join(name)


# Leaving


def test_an_owner_who_leaves_hands_over(api: ApiProcess) -> None:
    ann, bob, eve, ike = people(api, 4)
    room = create_room(api, ann, bob, eve, ike)
    name = room["name"]
    set_role(api, ann, name, eve, "moderator")
    assert leave(api, ann, name).status_code == 200
    assert leave(api, ann, name).status_code == 404
    assert roles_in(api, room["id"]) == {bob.id: "member", eve.id: "owner", ike.id: "member"}
    assert actions(api, room["id"])[-2:] == [("left", ann.id), ("role", eve.id)]
    assert remove(api, eve, name, eve).status_code == 200
    assert roles_in(api, room["id"]) == {bob.id: "owner", ike.id: "member"}
    run_sql(api, "UPDATE users SET status = 'suspended' WHERE id = $1", ike.id)
    assert leave(api, bob, name).status_code == 200
    assert roles_in(api, room["id"]) == {ike.id: "member"}


def test_a_private_room_goes_with_its_last_member(api: ApiProcess) -> None:
    ann, bob = people(api, 2)
    private, public = create_room(api, ann, private=True), create_room(api, ann)
    for room in (private, public):
        assert leave(api, ann, room["name"]).status_code == 200
    kinds = run_sql(
        api,
        "SELECT kind FROM rooms WHERE id = ANY($1::INT[]) ORDER BY id",
        [private["id"], public["id"]],
    )
    assert [row[0] for row in kinds] == ["deleted", "room"]
    assert join(api, bob, public["name"]).json()["data"]["role"] == "member"


def test_when_the_last_two_leave_at_once_the_room_goes(api: ApiProcess) -> None:
    ann, bob = people(api, 2)
    for _ in range(5):
        room = create_room(api, ann, bob, private=True)
        answers = at_once(
            partial(leave, api, ann, room["name"]),
            partial(leave, api, bob, room["name"]),
        )
        assert answers == [200, 200]
        [row] = run_sql(api, "SELECT kind FROM rooms WHERE id = $1", room["id"])
        assert row[0] == "deleted"
        assert [done for done, _ in actions(api, room["id"])].count("deleted") == 1


def test_an_account_that_ends_leaves_every_room(api: ApiProcess) -> None:
    ann, bob, eve = people(api, 3)
    owned, shared = create_room(api, ann, bob), create_room(api, bob, ann)
    alone, group = create_room(api, ann, private=True), create_group(api, ann, bob, eve)
    run_sql(api, "INSERT INTO user_blocks VALUES ($1, $2), ($2, $1)", ann.id, eve.id)
    run_sql(api, "INSERT INTO chat_preferences (user_id) VALUES ($1)", ann.id)
    answer = api.client.request("DELETE", "/users/me", token=ann.token, json={"password": PASSWORD})
    assert answer.status_code == 200, answer.text
    assert roles_in(api, owned["id"]) == {bob.id: "owner"}
    assert roles_in(api, shared["id"]) == {bob.id: "owner"}
    assert sorted(roles_in(api, group["id"]).values()) == ["member", "owner"]
    [row] = run_sql(api, "SELECT kind FROM rooms WHERE id = $1", alone["id"])
    assert row[0] == "deleted"
    assert actions(api, owned["id"])[-2:] == [("left", ann.id), ("role", bob.id)]
    assert actions(api, shared["id"])[-1] == ("left", ann.id)
    for table in (
        "user_blocks WHERE $1 IN (blocker_id, blocked_id)",
        "chat_preferences WHERE user_id = $1",
        "notifications WHERE user_id = $1",
    ):
        assert run_sql(api, f"SELECT FROM {table}", ann.id) == []


def test_an_administrator_names_the_owner_of_a_room_that_has_none(api: ApiProcess) -> None:
    """As the room general has none at first; whoever owns it, names the next one."""
    admin, moderator = create_staff(api), create_staff(api, role="moderator")
    ann, bob = people(api, 2)
    for who in (ann, bob):
        join(api, who, "general")
    for by in (ann, moderator):
        assert change(api, by, "general", ann, {"role": "owner"}).status_code == 403
    assert change(api, admin, "general", ann, {"role": "owner"}).json()["data"]["role"] == "owner"
    [(general, owner)] = run_sql(
        api,
        "SELECT room_id, user_id FROM room_members AS m JOIN rooms AS r ON r.id = m.room_id "
        "WHERE r.name = 'general' AND m.role = 'owner'",
    )
    assert owner == ann.id
    act = audit_of(api, "room", general)[-1]
    assert (act["action"], act["actor_id"], act["after"]["role"]) == (
        "room.role",
        admin.id,
        "owner",
    )
    assert change(api, admin, "general", bob, {"role": "owner"}).status_code == 403
    assert change(api, admin, "general", bob, {"role": "moderator"}).status_code == 403
    assert change(api, ann, "general", bob, {"role": "owner"}).status_code == 200
    roles = roles_in(api, general)
    assert (roles[ann.id], roles[bob.id]) == ("moderator", "owner")
    assert admin.id not in roles


def test_an_administrator_may_take_a_room_without_an_owner(api: ApiProcess) -> None:
    admin, [ann] = create_staff(api), people(api, 1)
    room = create_room(api, ann)
    leave(api, ann, room["name"])
    assert change(api, admin, room["name"], admin, {"role": "owner"}).status_code == 404
    join(api, admin, room["name"])
    assert change(api, admin, room["name"], admin, {"role": "owner"}).status_code == 200
    assert roles_in(api, room["id"]) == {admin.id: "owner"}


def test_the_reactions_of_an_account_go_with_it(api: ApiProcess) -> None:
    ann, bob = people(api, 2)
    room = create_room(api, ann, bob)
    path = f"/chat/rooms/{room['name']}/messages"
    message = api.client.post(path, token=ann.token, json={"content": "well?"}).json()["data"]
    reactions = f"/chat/messages/{message['id']}/reactions"
    for who in (ann, bob):
        assert api.client.put(f"{reactions}/👍", token=who.token).status_code == 200
    assert api.client.delete("/users/me", token=bob.token, json={"password": PASSWORD}).is_success
    [shown] = api.client.get(path, token=ann.token).json()["data"]
    assert shown["reactions"] == [{"emoji": "👍", "count": 1, "mine": True}]
    assert [
        one["user_id"] for one in api.client.get(reactions, token=ann.token).json()["data"]
    ] == [ann.id]
