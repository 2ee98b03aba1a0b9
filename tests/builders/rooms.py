"""Rooms with people in them, made through the API."""

import itertools
import json
from typing import Any

from tests.builders.products import run_sql
from tests.builders.users import Account
from tests.servers import ApiProcess

_numbers = itertools.count(1)


def create_room(
    api: ApiProcess, owner: Account, *members: Account, private: bool = False
) -> dict[str, Any]:
    """As ``POST /chat/rooms`` answers; the members are added by the owner."""
    body = {"name": f"Room {owner.id}-{next(_numbers)}", "is_private": private}
    answer = api.client.post("/chat/rooms", token=owner.token, json=body)
    assert answer.status_code == 201, answer.text
    room: dict[str, Any] = answer.json()["data"]
    for member in members:
        add_member(api, owner, room["name"], member)
    return room


def add_member(api: ApiProcess, by: Account, room: str, member: Account) -> None:
    path = f"/chat/rooms/{room}/members"
    answer = api.client.post(path, token=by.token, json={"user_id": member.id})
    assert answer.status_code == 201, answer.text


def set_role(api: ApiProcess, by: Account, room: str, member: Account, role: str) -> None:
    path = f"/chat/rooms/{room}/members/{member.id}"
    answer = api.client.put(path, token=by.token, json={"role": role})
    assert answer.status_code == 200, answer.text


def roles_in(api: ApiProcess, room_id: int) -> dict[int, str]:
    """By user id, as the database has it."""
    select = "SELECT user_id, role FROM room_members WHERE room_id = $1"
    return {row[0]: row[1] for row in run_sql(api, select, room_id)}


def events_of(api: ApiProcess, room_id: int) -> list[tuple[str, dict[str, Any]]]:
    """Kind and data of what happened in a room beside messages, oldest first. ``seq`` must be
    without gaps."""
    select = "SELECT seq, kind, data FROM chat_events WHERE room_id = $1 ORDER BY seq"
    rows = run_sql(api, select, room_id)
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1)) or rows == []
    return [(row[1], json.loads(row[2] or "{}")) for row in rows]


def say(api: ApiProcess, room_id: int, author: Account, *, times: int = 1) -> None:
    """Kept at once, as the chat would keep it."""
    insert = """
        WITH top AS (UPDATE rooms SET seq = seq + $3 WHERE id = $1 RETURNING name, seq)
        INSERT INTO messages (from_user, room, room_id, content, seq)
        SELECT $2, top.name, $1, 'said ' || n, top.seq - $3 + n
        FROM top, generate_series(1, $3::INT) AS n
    """
    run_sql(api, insert, room_id, author.id, times)


def create_group(
    api: ApiProcess, creator: Account, *others: Account, title: str | None = None
) -> dict[str, Any]:
    body = {"user_ids": [other.id for other in others], "title": title}
    answer = api.client.post("/chat/groups", token=creator.token, json=body)
    assert answer.status_code == 201, answer.text
    group: dict[str, Any] = answer.json()["data"]
    return group
