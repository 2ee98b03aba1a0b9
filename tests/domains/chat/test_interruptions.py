"""A room, or one's part in it, ends in the middle of it: nothing more is told, nothing is lost."""

import asyncio
import contextlib
import random
from typing import Any

import asyncpg
import pytest
from tests.builders.chat import (
    ChatProcess,
    Client,
    Person,
    connected,
    create_room,
    create_token,
    unique_name,
)
from tests.builders.messages import act, open_room, say
from tests.builders.resuming import contents, join_quietly, keep_writing, numbers, resume
from tests.domains.chat.conftest import MakePerson, serving_here
from tests.servers import ApiProcess
from websockets.exceptions import ConnectionClosed

from talas.core.settings import Settings
from talas.domains.chat import inbox


@pytest.fixture
async def room(db: asyncpg.Connection) -> str:
    name = unique_name("room")
    await create_room(db, name)
    return name


@pytest.fixture
async def ann(db: asyncpg.Connection, room: str, make_person: MakePerson) -> Person:
    """A member of the room."""
    person = await make_person()
    await join_quietly(db, room, person)
    return person


async def test_who_is_removed_while_resuming_gets_nothing_after_that(
    chat: ChatProcess, api: ApiProcess, db: asyncpg.Connection, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, private=True)
    draw = random.Random(3)
    writing = asyncio.Event()
    writing.set()
    task = asyncio.create_task(keep_writing(chat, ann, room, writing))
    after: list[dict[str, Any]] = []
    try:
        for _ in range(25):
            path = f"/chat/rooms/{room}/members"
            answer = await asyncio.to_thread(
                api.client.post, path, token=ann.token, json={"user_id": bob.id}
            )
            assert answer.status_code == 201, answer.text
            since = await db.fetchval("SELECT seq FROM rooms WHERE name = $1", room)
            async with connected(chat, bob, version=2, max_queue=None) as client:
                removing = asyncio.create_task(
                    asyncio.to_thread(api.client.delete, f"{path}/{bob.id}", token=ann.token)
                )
                frames = []
                for _ in range(draw.randrange(1, 4)):
                    await client.send(type="join", room=room, since=since - draw.randrange(5))
                    await asyncio.sleep(draw.uniform(0, 0.01))
                assert (await removing).status_code == 200
                await asyncio.sleep(0.1)
                await client.send(type="ping")
                frames = await client.receive_until("pong")
            removed = await db.fetchval(
                "SELECT max(e.seq) FROM chat_events AS e JOIN rooms AS r ON r.id = e.room_id "
                "WHERE r.name = $1 AND e.kind = 'member' AND e.data->>'action' = 'removed'",
                room,
            )
            told = [f for f in frames if f["type"] not in ("joined", "ack", "left")]
            after += [f for f in told if f.get("data", {}).get("seq", 0) > removed]
    finally:
        writing.clear()
        assert await task > 100
    assert after == []


async def test_who_joins_where_the_past_is_hidden_learns_nothing_of_it(
    chat: ChatProcess, api: ApiProcess, db: asyncpg.Connection, make_person: MakePerson
) -> None:
    """Neither by resuming from before, nor from what happens to older messages."""
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, private=True)
    await db.execute("UPDATE rooms SET history = 'joining' WHERE name = $1", room)
    old = [await asyncio.to_thread(say, api, ann, room, f"secret {n}") for n in range(3)]
    path = f"/chat/rooms/{room}/members"
    await asyncio.to_thread(api.client.post, path, token=ann.token, json={"user_id": bob.id})
    await asyncio.to_thread(act, api, ann, "PUT", old[0]["id"], json={"content": "another secret"})
    await asyncio.to_thread(act, api, ann, "PUT", old[1]["id"], "/reactions/👎")
    async with connected(chat, bob, version=2) as client:
        joined = await resume(client, room, 0)
        assert joined["recovered"] is True
        kinds = [frame["type"] for frame in joined["frames"]]
        assert kinds == ["edit", "react"]
        assert numbers(joined["frames"]) == [joined["seq"] - 1, joined["seq"]]
        await asyncio.to_thread(
            act, api, ann, "PUT", old[2]["id"], json={"content": "a third secret"}
        )
        await asyncio.to_thread(say, api, ann, room, "Welcome")
        frames = joined["frames"] + await client.receive_until("message", content="Welcome")
    assert "secret" not in str(frames)
    assert "👎" not in str(frames)


async def test_who_left_and_came_back_stays(
    chat: ChatProcess, db: asyncpg.Connection, room: str, ann: Person, make_person: MakePerson
) -> None:
    """Where the process learns of both only after that."""
    bob = await make_person()
    async with connected(chat, ann, version=2, max_queue=None) as first:
        await first.join(room)
        for action in ("left", "joined"):
            await db.execute(
                "WITH top AS (UPDATE rooms SET seq = seq + 1 WHERE name = $1 RETURNING id, seq) "
                "INSERT INTO chat_events (room_id, seq, kind, actor_id, data) "
                "SELECT id, seq, 'member', $2, jsonb_build_object("
                "'action', $3::text, 'user_id', $2::int) FROM top",
                room,
                bob.id,
                action,
            )
        await join_quietly(db, room, bob)
        for version in (1, 2):
            async with connected(chat, bob, version=version, max_queue=None) as other:
                await other.join(room)
                await first.send(type="message", room=room, content=f"Hello {version}")
                frames = await other.receive_until("message", content=f"Hello {version}")
                assert "left" not in [frame["type"] for frame in frames]
                await other.send(type="message", room=room, content="Here")
                await other.receive_until("message", content="Here")


async def test_what_is_removed_is_not_found(
    chat: ChatProcess, api: ApiProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, private=True)
    async with connected(chat, bob, version=2) as client:
        for since in (0, 1, 2**40, -1):
            answer = await client.ask(type="join", room=room, since=since)
            assert answer["data"]["message"] == "Room not found"


async def test_a_room_is_renamed_while_it_is_written_to(
    chat: ChatProcess, api: ApiProcess, make_person: MakePerson
) -> None:
    """Its members go on by the old name and the new one; none of what is said is lost."""
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, members=[bob])
    async with (
        connected(chat, ann, version=2, max_queue=None) as writer,
        connected(chat, bob, version=2, max_queue=None) as reader,
    ):
        await writer.join(room)
        await reader.join(room)
        name = room
        for turn in range(5):
            new = unique_name("renamed ")
            for number in range(10):
                await writer.send(type="message", room=room, content=f"{turn} {number}", id=number)
            renamed = await asyncio.to_thread(
                api.client.put, f"/chat/rooms/{name}", token=ann.token, json={"name": new}
            )
            assert renamed.status_code == 200, renamed.text
            for number in range(10, 20):
                await writer.send(type="message", room=room, content=f"{turn} {number}", id=number)
            # The new one is known as soon as the event has come.
            await writer.receive_until("room", name=new)
            await writer.send(type="message", room=new, content=f"{turn} 20", id=20)
            frames = await reader.receive_until("message", content=f"{turn} 20")
            said = [frame for frame in frames if frame["type"] == "message"]
            assert contents(said) == [f"{turn} {number}" for number in range(21)]
            assert said[-1]["data"]["room"] == new
            name = new


async def test_a_room_is_deleted_while_it_is_written_to(
    chat: ChatProcess, api: ApiProcess, db: asyncpg.Connection, make_person: MakePerson
) -> None:
    """What was acknowledged came to the members; then all are told, and the rest is refused."""
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, members=[bob])
    async with (
        connected(chat, bob, version=2, max_queue=None) as writer,
        connected(chat, ann, version=2, max_queue=None) as reader,
    ):
        await writer.join(room)
        await reader.join(room)
        deleting = asyncio.create_task(
            asyncio.to_thread(api.client.delete, f"/chat/rooms/{room}", token=ann.token)
        )
        refused = None
        acknowledged = 0
        for number in range(50_000):
            await writer.send(type="message", room=room, content=f"number {number}", id=number)
            while True:
                frame = await writer.receive()
                if frame.get("data", {}).get("id") == number:
                    break
            if frame["type"] == "error":
                refused = frame["data"]
                break
            acknowledged += 1
        assert (await deleting).status_code == 200
        assert refused is not None
        assert refused["message"] in ("Room not found", "Join the room first")
        frames = await reader.receive_until("left")
        said = [frame for frame in frames if frame["type"] == "message"]
        assert contents(said) == [f"number {number}" for number in range(acknowledged)]
        answer = await writer.ask(type="join", room=room, since=0)
        if answer["type"] != "error":
            await writer.receive_until("error")


async def test_somebody_is_suspended_in_mid_sentence(
    chat: ChatProcess, db: asyncpg.Connection, room: str, ann: Person, make_person: MakePerson
) -> None:
    """The socket closes; of what was sent the acknowledged part was kept, in order and whole."""
    bob = await make_person()
    async with (
        connected(chat, bob, version=2, max_queue=None) as reader,
        connected(chat, ann, version=2, max_queue=None) as writer,
    ):
        await reader.join(room)
        await writer.join(room)
        for number in range(200):
            await writer.send(type="message", room=room, content=f"number {number}", id=number)
            if number == 100:
                await db.execute("UPDATE users SET status = 'suspended' WHERE id = $1", ann.id)
                await db.execute(
                    "SELECT pg_notify('talas', $1)",
                    f'{{"topic": "user.changed", "user_id": {ann.id}}}',
                )
        assert await writer.close_code() == 4503
        kept = await db.fetch(
            "SELECT content FROM messages WHERE from_user = $1 ORDER BY seq", ann.id
        )
        said = [row[0] for row in kept]
        assert said == [f"number {number}" for number in range(len(said))]
        if said:
            frames = await reader.receive_until("message", content=said[-1])
            shown = contents([frame for frame in frames if frame["type"] == "message"])
            assert shown == said


async def test_a_token_expires_while_its_bearer_writes(
    settings: Settings,
    db: asyncpg.Connection,
    room: str,
    ann: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was acknowledged is kept, and with a fresh token all that was missed is shown."""
    monkeypatch.setattr(inbox, "GRACE_S", 0.0)
    async with serving_here(settings) as here:
        ann.token = create_token(settings, ann, lifetime_s=8)
        async with connected(here, ann, version=2, max_queue=None) as client:
            await client.join(room)
            acknowledged = await write_until_closed(client, room)
            assert client.socket.close_code == 4005
        ann.token = create_token(settings, ann)
        assert acknowledged == list(range(1, len(acknowledged) + 1))
        since = max(0, len(acknowledged) - 10)
        async with connected(here, ann, version=2, max_queue=None) as client:
            joined = await resume(client, room, since)
            top = joined["seq"]
            assert numbers(joined["frames"]) == list(range(since + 1, top + 1))
            # Of the last one it was not to be known any more whether it would be kept.
            assert top - len(acknowledged) in (0, 1)
            assert top == await db.fetchval("SELECT seq FROM rooms WHERE name = $1", room)


async def write_until_closed(client: Client, room: str) -> list[int]:
    """The numbers of what was acknowledged."""
    acknowledged: list[int] = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.send(type="message", room=room, content="On and on")
            acknowledged.append((await client.receive_kind("ack"))["seq"])
    return acknowledged
