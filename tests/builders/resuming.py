"""Clients that go on after a break, and rooms in which much is said meanwhile."""

import asyncio
import itertools
from typing import Any

import asyncpg
from tests.builders.chat import ChatProcess, Client, Person, connected

_ids = itertools.count(1)


async def resume(client: Client, room: str, since: int) -> dict[str, Any]:
    """The data of ``joined``, and under ``frames`` what came with it."""
    number = next(_ids)
    await client.send(type="join", room=room, since=since, id=number)
    [*before, joined] = await client.receive_until("joined", id=number)
    assert "message" not in [frame["type"] for frame in before]
    await client.send(type="ping", id=number)
    frames = await client.receive_until("pong")
    data: dict[str, Any] = joined["data"]
    hints = ("presence", "pong")
    return {**data, "frames": [frame for frame in frames if frame["type"] not in hints]}


def numbers(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["data"]["seq"] for frame in frames]


def contents(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["data"].get("content", frame["type"]) for frame in frames]


async def fill(db: asyncpg.Connection, room: str, author: Person, count: int) -> int:
    """The room's ``seq`` after so many messages by somebody who is a member."""
    return int(
        await db.fetchval(
            """
            WITH place AS (SELECT id, seq FROM rooms WHERE name = $1), said AS (
                INSERT INTO messages (from_user, room, room_id, content, seq)
                SELECT $2, $1, place.id, 'said ' || n, place.seq + n
                FROM place, generate_series(1, $3::int) AS n
            )
            UPDATE rooms SET seq = seq + $3 WHERE name = $1 RETURNING seq
            """,
            room,
            author.id,
            count,
        )
    )


async def join_quietly(db: asyncpg.Connection, room: str, person: Person) -> None:
    await db.execute(
        "INSERT INTO room_members (room_id, user_id, joined_seq) "
        "SELECT id, $2, seq FROM rooms WHERE name = $1",
        room,
        person.id,
    )


async def keep_writing(chat: ChatProcess, person: Person, room: str, on: asyncio.Event) -> int:
    """As fast as what was sent is acknowledged, five at a time; now and then a change."""
    count = 0
    async with connected(chat, person, version=2, max_queue=None) as client:
        await client.join(room)
        newest = 0
        while on.is_set():
            for _ in range(5):
                count += 1
                await client.send(type="message", room=room, content=f"number {count}")
            for _ in range(5):
                newest = (await client.receive_kind("ack"))["message_id"]
            if count % 15 == 0:
                await client.send(type="edit", message_id=newest, content=f"edited {count}")
                await client.send(type="react", message_id=newest, emoji="👍")
                for _ in range(2):
                    await client.receive_kind("ack")
    return count
