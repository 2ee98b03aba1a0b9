"""Messages that are sent over HTTP, and what the log of their place holds."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
from tests.builders.chat import Person, unique_name
from tests.servers import ApiProcess


def open_room(
    api: ApiProcess, owner: Person, *, private: bool = False, members: Iterable[Person] = ()
) -> str:
    """Its name. Members say something to join, which takes a public room."""
    name = unique_name("room ")
    body = {"name": name, "is_private": private}
    answer = api.client.post("/chat/rooms", json=body, token=owner.token)
    assert answer.status_code == 201, answer.text
    for member in members:
        say(api, member, name, "Hello")
    return name


async def add_member(
    db: asyncpg.Connection, room: str, person: Person, role: str = "member"
) -> None:
    await db.execute(
        "INSERT INTO room_members (room_id, user_id, role, joined_seq) "
        "SELECT id, $2, $3, seq FROM rooms WHERE name = $1 "
        "ON CONFLICT (room_id, user_id) DO UPDATE SET role = excluded.role",
        room,
        person.id,
        role,
    )


def send(api: ApiProcess, person: Person, room: str, **body: Any) -> httpx.Response:
    return api.client.post(f"/chat/rooms/{quote(room)}/messages", json=body, token=person.token)


def say(api: ApiProcess, person: Person, room: str, content: str, **more: Any) -> dict[str, Any]:
    answer = send(api, person, room, content=content, **more)
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()["data"]
    return message


def tell(
    api: ApiProcess, person: Person, other: Person, content: str, **more: Any
) -> dict[str, Any]:
    """A direct message."""
    body = {"content": content, **more}
    answer = api.client.post(f"/chat/dm/{other.id}", json=body, token=person.token)
    assert answer.status_code == 201, answer.text
    message: dict[str, Any] = answer.json()["data"]
    return message


def act(
    api: ApiProcess, person: Person, method: str, message_id: int, what: str = "", **more: Any
) -> httpx.Response:
    """``what`` follows the message's path, ``/pin`` or ``/reactions/👍``."""
    path = f"/chat/messages/{message_id}{quote(what)}"
    return api.client.request(method, path, token=person.token, **more)


def show(api: ApiProcess, person: Person, message_id: int) -> dict[str, Any]:
    answer = act(api, person, "GET", message_id)
    assert answer.status_code == 200, answer.text
    message: dict[str, Any] = answer.json()["data"]
    return message


async def events_of(db: asyncpg.Connection, message_id: int) -> list[str]:
    """Kinds, in the order of ``seq``."""
    rows = await db.fetch(
        "SELECT kind FROM chat_events WHERE message_id = $1 ORDER BY seq", message_id
    )
    return [row[0] for row in rows]


async def seqs_have_no_gaps(db: asyncpg.Connection, room: str) -> bool:
    """All messages and events of the room together are 1, 2, 3 and so on, up to its ``seq``."""
    rows = await db.fetch(
        "SELECT seq FROM messages WHERE room_id = (SELECT id FROM rooms WHERE name = $1) "
        "UNION ALL "
        "SELECT seq FROM chat_events WHERE room_id = (SELECT id FROM rooms WHERE name = $1)",
        room,
    )
    top = await db.fetchval("SELECT seq FROM rooms WHERE name = $1", room)
    return sorted(row[0] for row in rows) == list(range(1, top + 1))


async def set_room(db: asyncpg.Connection, room: str, **columns: Any) -> None:
    for column, value in columns.items():
        await db.execute(f"UPDATE rooms SET {column} = $2 WHERE name = $1", room, value)


async def mute(db: asyncpg.Connection, room: str, person: Person) -> None:
    await db.execute(
        "UPDATE room_members SET muted_until = now() + interval '1 hour' "
        "WHERE user_id = $2 AND room_id = (SELECT id FROM rooms WHERE name = $1)",
        room,
        person.id,
    )


async def close(db: asyncpg.Connection, room: str) -> None:
    await db.execute("UPDATE rooms SET closed_at = now() WHERE name = $1", room)


def block(api: ApiProcess, person: Person, other: Person) -> None:
    answer = api.client.post(f"/users/{other.id}/block", token=person.token)
    assert answer.status_code == 201, answer.text
