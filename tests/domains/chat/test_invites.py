"""Invitations by link let in who holds them, as many as they say and no more."""

import asyncio
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import httpx
import pytest
from tests.builders.products import run_sql
from tests.builders.rooms import (
    add_member,
    create_group,
    create_room,
    events_of,
    roles_in,
    set_role,
)
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

from talas.domains.chat.invites.service import delete_expired_invites
from talas.domains.chat.members.sql import delete_member, insert_removal


def make(api: ApiProcess, by: Account, room: str, **body: Any) -> httpx.Response:
    return api.client.post(f"/chat/rooms/{room}/invites", token=by.token, json=body)


def made(api: ApiProcess, by: Account, room: str, **body: Any) -> dict[str, Any]:
    answer = make(api, by, room, **body)
    assert answer.status_code == 201, answer.text
    invite: dict[str, Any] = answer.json()["data"]
    return invite


def listed(api: ApiProcess, by: Account, room: str) -> list[dict[str, Any]]:
    answer = api.client.get(f"/chat/rooms/{room}/invites", token=by.token)
    assert answer.status_code == 200, answer.text
    invites: list[dict[str, Any]] = answer.json()["data"]
    return invites


def look(api: ApiProcess, who: Account, token: str) -> httpx.Response:
    return api.client.get(f"/chat/invites/{token}", token=who.token)


def accept(api: ApiProcess, who: Account, token: str) -> httpx.Response:
    return api.client.post(f"/chat/invites/{token}", token=who.token)


def test_a_link_leads_into_a_private_room(api: ApiProcess) -> None:
    ann, bob, eve = create_user(api), create_user(api), create_user(api)
    room = create_room(api, ann, private=True)
    invite = made(api, ann, room["name"], max_uses=5)
    assert len(invite["token"]) >= 43
    shown = look(api, bob, invite["token"]).json()["data"]
    assert shown == {
        "room": room["name"],
        "kind": "room",
        "title": None,
        "description": None,
        "member_count": 1,
        "invited_by": ann.username,
        "expires_at": invite["expires_at"],
    }
    assert api.client.get(f"/chat/rooms/{room['name']}", token=bob.token).status_code == 404
    answer = accept(api, bob, invite["token"])
    assert answer.status_code == 201
    assert (answer.json()["data"]["id"], answer.json()["data"]["role"]) == (room["id"], "member")
    assert accept(api, bob, invite["token"]).status_code == 200
    assert accept(api, eve, invite["token"]).status_code == 201
    [(_, first), (_, second)] = events_of(api, room["id"])
    assert [(one["action"], one["user_id"]) for one in (first, second)] == [
        ("joined", bob.id),
        ("joined", eve.id),
    ]
    [row] = listed(api, ann, room["name"])
    assert row == {
        "id": invite["id"],
        "created_by": ann.username,
        "created_at": row["created_at"],
        "expires_at": invite["expires_at"],
        "max_uses": 5,
        "uses": 2,
    }
    [kept] = run_sql(api, "SELECT token_hash FROM room_invites WHERE id = $1", invite["id"])
    assert kept[0] == hashlib.sha256(invite["token"].encode()).digest()


def test_who_may_invite(api: ApiProcess) -> None:
    ann, bob, eve, ike = (create_user(api) for _ in range(4))
    room = create_room(api, ann, bob, eve)
    set_role(api, ann, room["name"], bob, "moderator")
    invite = made(api, bob, room["name"])
    path = f"/chat/rooms/{room['name']}/invites"
    for one in (eve, ike):
        assert make(api, one, room["name"]).status_code == 403
        assert api.client.get(path, token=one.token).status_code == 403
        assert api.client.delete(f"{path}/{invite['id']}", token=one.token).status_code == 403
    other = create_room(api, ike)
    theirs = f"/chat/rooms/{other['name']}/invites/{invite['id']}"
    assert api.client.delete(theirs, token=ike.token).status_code == 404
    for never in (0, 2**31 - 1, 10**30):
        assert api.client.delete(f"{path}/{never}", token=ann.token).status_code == 404
    assert api.client.delete(f"{path}/{invite['id']}", token=ann.token).status_code == 200
    assert api.client.delete(f"{path}/{invite['id']}", token=ann.token).status_code == 404
    assert listed(api, ann, room["name"]) == []


@pytest.mark.parametrize(
    "body",
    [
        {"expires_in": 59},
        {"expires_in": 30 * 86_400 + 1},
        {"expires_in": 2**70},
        {"expires_in": "60"},
        {"expires_in": None},
        {"expires_in": 99.5},
        {"max_uses": 0},
        {"max_uses": 1001},
        {"max_uses": "5"},
        {"max_uses": True},
    ],
)
def test_invitations_that_make_no_sense(api: ApiProcess, body: Any) -> None:
    ann = create_user(api)
    answer = make(api, ann, create_room(api, ann)["name"], **body)
    assert answer.status_code == 400, answer.text


def test_what_is_no_longer_good_was_never_there(api: ApiProcess) -> None:
    ann, bob, eve = create_user(api), create_user(api), create_user(api)
    room, gone = create_room(api, ann, private=True), create_room(api, ann, private=True)
    tokens = [made(api, ann, room["name"], max_uses=1)["token"] for _ in range(3)]
    ids = [invite["id"] for invite in reversed(listed(api, ann, room["name"]))]
    of_gone = made(api, ann, gone["name"])["token"]
    assert accept(api, eve, tokens[0]).status_code == 201
    run_sql(api, "UPDATE room_invites SET expires_at = now() WHERE id = $1", ids[1])
    assert api.client.delete(f"/chat/rooms/{room['name']}/invites/{ids[2]}", token=ann.token)
    assert api.client.delete(f"/chat/rooms/{gone['name']}", token=ann.token).is_success
    never = look(api, bob, "never-made")
    assert never.status_code == 404
    for token in (*tokens, of_gone, "x" * 4000, "%00", "%F0%9F%91%8D", "%FF", ".."):
        for answer in (look(api, bob, token), accept(api, bob, token)):
            if token != "..":
                assert (answer.status_code, answer.json()) == (404, never.json()), token
    # The last one's answer may have been lost on the way.
    assert accept(api, eve, tokens[0]).status_code == 200
    assert bob.id not in roles_in(api, room["id"])


def test_of_fifty_at_once_as_many_come_as_the_link_says(api: ApiProcess) -> None:
    ann, crowd = create_user(api), [create_user(api) for _ in range(50)]
    room = create_room(api, ann, private=True)
    token = made(api, ann, room["name"], max_uses=5)["token"]
    gate = threading.Barrier(len(crowd))

    def run(who: Account) -> int:
        gate.wait()
        return accept(api, who, token).status_code

    with ThreadPoolExecutor(len(crowd)) as pool:
        answers = sorted(pool.map(run, crowd))
    assert answers == [201] * 5 + [404] * 45
    assert len(roles_in(api, room["id"])) == 6
    assert len(events_of(api, room["id"])) == 5
    assert [invite["uses"] for invite in listed(api, ann, room["name"])] == [5]


def test_who_was_removed_needs_an_invitation_of_later(api: ApiProcess) -> None:
    ann, bob = create_user(api), create_user(api)
    room = create_room(api, ann, bob)
    old = made(api, ann, room["name"])["token"]
    assert api.client.delete(
        f"/chat/rooms/{room['name']}/members/{bob.id}", token=ann.token
    ).is_success
    for refused in (look(api, bob, old), accept(api, bob, old)):
        assert (refused.status_code, refused.json()["code"]) == (403, "removed")
    new = made(api, ann, room["name"])["token"]
    assert accept(api, bob, new).status_code == 201
    assert run_sql(api, "SELECT FROM room_removals WHERE room_id = $1", room["id"]) == []


async def test_a_removal_that_waited_for_its_turn_is_no_older_than_it_was(
    api: ApiProcess, db: asyncpg.Connection
) -> None:
    ann, bob = create_user(api), create_user(api)
    room = create_room(api, ann, bob)
    async with db.transaction():
        await db.execute("SELECT now()")
        token = (await asyncio.to_thread(made, api, ann, room["name"]))["token"]
        await insert_removal(db, room["id"], bob.id, by_id=ann.id)
        await delete_member(db, room["id"], bob.id)
    assert accept(api, bob, token).status_code == 403


def test_invitations_go_with_the_right_to_make_them(api: ApiProcess) -> None:
    ann, bob, eve, ike = (create_user(api) for _ in range(4))
    room = create_room(api, ann, bob, eve, private=True)
    path = f"/chat/rooms/{room['name']}"
    tokens = []
    for one in (bob, eve):
        set_role(api, ann, room["name"], one, "moderator")
        tokens.append(made(api, one, room["name"])["token"])
    set_role(api, ann, room["name"], bob, "member")
    assert api.client.delete(f"{path}/members/{eve.id}", token=ann.token).is_success
    for token in tokens:
        assert accept(api, ike, token).status_code == 404


def test_a_room_has_so_many_invitations(api: ApiProcess) -> None:
    ann = create_user(api)
    name = create_room(api, ann)["name"]
    for _ in range(100):
        made(api, ann, name)
    assert make(api, ann, name).status_code == 409
    assert len(listed(api, ann, name)) == 100


def test_a_full_group_lets_nobody_in(api: ApiProcess) -> None:
    ann, *others, late = (create_user(api) for _ in range(11))
    group = create_group(api, ann, *others[:8])
    token = made(api, others[0], group["name"])["token"]
    assert look(api, late, token).json()["data"]["kind"] == "group"
    add_member(api, others[1], group["name"], others[8])
    full = accept(api, late, token)
    assert (full.status_code, full.json()["code"]) == (409, "group_full")
    [invite] = listed(api, ann, group["name"])
    assert invite["uses"] == 0


async def test_expired_ones_go_after_a_day(api: ApiProcess, db: asyncpg.Connection) -> None:
    ann = create_user(api)
    room = create_room(api, ann)
    ids = [made(api, ann, room["name"])["id"] for _ in range(3)]
    for invite_id, age in zip(ids, ("25 hours", "23 hours", "-1 hours"), strict=True):
        await db.execute(
            f"UPDATE room_invites SET expires_at = now() - interval '{age}' WHERE id = $1",
            invite_id,
        )
    await delete_expired_invites(db)
    left = await db.fetch("SELECT id FROM room_invites WHERE room_id = $1 ORDER BY id", room["id"])
    assert [row[0] for row in left] == ids[1:]
