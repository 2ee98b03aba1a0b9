"""What one chat process tells another is a hint: whatever of it is lost, nothing else is."""

import asyncio
import contextlib
from pathlib import Path

import asyncpg
import pytest
from tests.builders.chat import (
    ANSWER_S,
    Client,
    connected,
    create_room,
    keep_direct_unannounced,
    keep_unannounced,
    unique_name,
)
from tests.builders.messages import open_room
from tests.builders.redis import RedisServer, needs_redis
from tests.domains.chat.conftest import MakePerson, serving_here
from tests.domains.chat.several_nodes import Nodes, everywhere, nodes, redis, redis_url
from tests.servers import ApiProcess

from talas.core.settings import Settings
from talas.domains.chat import follower

__all__ = ["nodes", "redis", "redis_url"]


async def test_what_was_not_announced_comes_with_the_next_message(
    nodes: Nodes, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = unique_name("room")
    await create_room(db, room)
    ann, bob = await make_person(), await make_person()
    async with everywhere(nodes, [ann, bob, bob], room) as clients:
        await keep_unannounced(db, room, ann, "one")
        await keep_unannounced(db, room, ann, "two")
        await clients[1].send(type="message", room=room, content="three")
        for client in clients:
            shown = [await client.receive_kind("message") for _ in range(3)]
            assert [one["content"] for one in shown] == ["one", "two", "three"]


async def test_of_a_conversation_nothing_is_left_out_that_was_not_announced(
    nodes: Nodes, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    """Also much, and some time ago, in a conversation of which no node had heard."""
    ann, bob = await make_person(), await make_person()
    async with everywhere(nodes, [ann, bob, bob]) as clients:
        await asyncio.sleep(2)
        for number in range(40):
            await keep_direct_unannounced(db, ann, bob, f"number {number}", age_s=1.5)
        await clients[1].send(type="dm", to=ann.id, content="number 40")
        for client in clients:
            shown = [await client.receive_kind("dm") for _ in range(41)]
            assert [one["content"] for one in shown] == [f"number {n}" for n in range(41)]


async def test_what_stood_in_the_history_of_a_conversation_does_not_come_again(
    nodes: Nodes, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    """A node that hears of it later cannot know that the socket was opened after it."""
    ann, bob = await make_person(), await make_person()
    async with everywhere(nodes[:1], [ann], None) as (sender,):
        await keep_direct_unannounced(db, ann, bob, "one")
        async with connected(nodes[0], bob) as reading, connected(nodes[0], bob) as deaf:
            answer = await reading.ask(type="dm_history", **{"with": ann.id})
            assert [m["content"] for m in answer["data"]["messages"]] == ["one"]
            older = await deaf.ask(type="dm_history", before=1, **{"with": ann.id})
            assert older["data"]["messages"] == []
            # The conversation is read from the database from before its first announcement on.
            await sender.send(type="dm", to=bob.id, content="two")
            assert (await reading.receive_kind("dm"))["content"] == "two"
            frames = await deaf.receive_until("dm", content="two")
            assert [frame["data"]["content"] for frame in frames] in (["one", "two"], ["two"])


async def test_who_joins_on_a_node_that_is_behind_is_shown_nothing_twice(
    nodes: Nodes, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = unique_name("room")
    await create_room(db, room)
    ann, bob = await make_person(), await make_person()
    async with everywhere(nodes[:1], [ann, bob], room) as (first, _):
        await first.send(type="message", room=room, content="one")
        seq = (await first.receive_kind("message"))["seq"]
        # What the client has been shown by another node.
        await keep_unannounced(db, room, ann, "two")
        top = await keep_unannounced(db, room, ann, "three")
        async with everywhere(nodes[:1], [bob, bob, bob]) as (whole, part, fresh):
            await whole.send(type="join", room=room, since=top)
            joined = await whole.receive_kind("joined")
            assert (joined["recovered"], joined["seq"]) == (True, top)
            await part.send(type="join", room=room, since=seq + 1)
            assert (await part.receive_kind("joined"))["seq"] == top
            await fresh.send(type="join", room=room)
            assert (await fresh.receive_kind("joined"))["seq"] == top
            await first.send(type="message", room=room, content="four")
            for client, expected in (
                (first, ["two", "three", "four"]),
                (whole, ["four"]),
                (part, ["three", "four"]),
                # It is to read the history, which has the others.
                (fresh, ["four"]),
            ):
                frames = await client.receive_until("message", content="four")
                shown = [f["data"]["content"] for f in frames if f["type"] == "message"]
                assert shown == expected


async def test_who_comes_into_a_room_whose_past_is_hidden_sees_none_of_it(
    nodes: Nodes, api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    """Also on a node that has not heard yet of what was said before."""
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, private=True)
    await db.execute("UPDATE rooms SET history = 'joining' WHERE name = $1", room)
    async with everywhere(nodes[:1], [ann], room) as (owner,):
        await keep_unannounced(db, room, ann, "a secret")
        async with db.transaction():
            await db.execute(
                "INSERT INTO room_members (room_id, user_id, joined_seq) "
                "SELECT id, $2, seq FROM rooms WHERE name = $1",
                room,
                bob.id,
            )
        async with everywhere(nodes[:1], [bob, bob]) as (plain, resuming):
            await plain.send(type="join", room=room)
            await plain.receive_kind("joined")
            await resuming.send(type="join", room=room, since=0)
            await resuming.receive_kind("joined")
            await owner.send(type="message", room=room, content="Welcome")
            for client in (plain, resuming):
                frames = await client.receive_until("message", content="Welcome")
                assert "a secret" not in str(frames)
            frames = await owner.receive_until("message", content="Welcome")
            assert "a secret" in str(frames)


async def test_cut_listeners_find_what_they_missed(
    nodes: Nodes,
    redis_url: str | None,
    make_person: MakePerson,
    db: asyncpg.Connection,
    request: pytest.FixtureRequest,
) -> None:
    room = unique_name("room")
    await create_room(db, room)
    ann, bob = await make_person(), await make_person()
    async with everywhere(nodes, [ann, bob, bob], room) as clients:
        for number in range(8):
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'talas events' AND datname = current_database()"
            )
            if redis_url is not None:
                server: RedisServer = request.getfixturevalue("redis")
                server.cut_subscribers()
            await clients[number % 3].send(type="message", room=room, content=f"room {number}")
            await clients[0].send(type="dm", to=bob.id, content=f"direct {number}")
            await asyncio.sleep(0.05 * number)
        shown = {
            kind: [[await client.receive_kind(kind) for _ in range(8)] for client in clients]
            for kind in ("message", "dm")
        }
        kept = {
            "message": await db.fetch(
                "SELECT seq, content FROM messages WHERE room = $1 ORDER BY seq", room
            ),
            "dm": await db.fetch(
                "SELECT seq, content FROM messages WHERE to_user = $1 ORDER BY seq", bob.id
            ),
        }
    for kind, rows in kept.items():
        for by_client in shown[kind]:
            assert [(one["seq"], one["content"]) for one in by_client] == [tuple(r) for r in rows]
    # Three nodes write without waiting for each other; what one client sends keeps its order.
    assert sorted(row["content"] for row in kept["message"]) == [f"room {n}" for n in range(8)]
    assert [row["content"] for row in kept["dm"]] == [f"direct {n}" for n in range(8)]


@needs_redis
async def test_without_redis_messages_come_by_comparison(
    settings: Settings,
    make_person: MakePerson,
    db: asyncpg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follower, "COMPARE_S", 4)
    room = unique_name("room")
    await create_room(db, room)
    people = [await make_person() for _ in range(3)]
    server = RedisServer(tmp_path / "redis")
    server.start()
    async with (
        serving_here(settings, redis_url=server.url) as here,
        serving_here(settings, redis_url=server.url) as there,
        everywhere([here, there, here], people, room) as (first, other, neighbour),
    ):
        server.stop()
        await first.send(type="message", room=room, content="one")
        await first.send(type="dm", to=people[1].id, content="direct")
        # Within a node as ever, and to the other one a little later.
        assert (await neighbour.receive_kind("message"))["content"] == "one"
        frames = await receive_both(other)
        assert frames == {"message": "one", "dm": "direct"}
        server.start()
        await until_it_types(first, other, room)
        monkeypatch.setattr(follower, "COMPARE_S", 60)
        await first.send(type="message", room=room, content="two")
        assert (await other.receive_kind("message"))["content"] == "two"
    server.stop()


async def receive_both(client: Client) -> dict[str, str]:
    found: dict[str, str] = {}
    async with asyncio.timeout(ANSWER_S):
        while len(found) < 2:
            frame = await client.receive()
            if frame["type"] in ("message", "dm"):
                found[frame["type"]] = frame["data"]["content"]
    return found


async def until_it_types(typing: Client, watching: Client, room: str) -> None:
    """Once they hear each other again: each tries to reach Redis every few seconds."""
    for _ in range(10):
        await typing.send(type="typing", room=room)
        with contextlib.suppress(TimeoutError):
            await watching.receive_kind("typing", 5)
            return
    raise AssertionError("nobody is shown to type")


@needs_redis
async def test_what_a_process_kept_and_told_nobody_comes_when_one_starts(
    settings: Settings,
    make_person: MakePerson,
    db: asyncpg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed between its commit and what it had to say of it over Redis, it starts again."""
    monkeypatch.setattr(follower, "COMPARE_S", 3600)
    room = unique_name("room")
    await create_room(db, room)
    ann, bob = await make_person(), await make_person()
    server = RedisServer(tmp_path / "redis")
    server.start()
    async with (
        serving_here(settings, redis_url=server.url) as here,
        everywhere([here], [ann, bob], room) as (first, other),
    ):
        await until_it_types(first, other, room)
        await keep_unannounced(db, room, ann, "kept")
        async with serving_here(settings, redis_url=server.url):
            assert (await other.receive_kind("message"))["content"] == "kept"
    server.stop()
