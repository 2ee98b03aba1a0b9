"""Group commit: order, neighbours of what cannot be kept, and a database that goes away."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from tests.builders.chat import (
    ChatProcess,
    connected,
    create_person,
    create_room,
    unique_name,
)
from tests.domains.chat.conftest import MakePerson, make_chat_settings

from talas.core.database import Database
from talas.core.embedded_postgres import EmbeddedPostgres
from talas.core.errors import TalasError, Unavailable
from talas.core.events import EventListener
from talas.core.migrations import migrate_up
from talas.core.settings import Settings
from talas.domains.chat import writer
from talas.domains.chat.bus import PostgresBus
from talas.domains.chat.places import Post
from talas.domains.chat.posting import Kept, Outcome
from talas.domains.chat.sql import Message
from talas.domains.chat.writer import Writer


class Bench:
    """A writer with nobody connected: what it delivered, in order."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self.delivered: list[Message] = []
        bus = PostgresBus(db, EventListener(settings.database.url or ""))
        self.writer = Writer(db, self, bus, node="bench")

    def is_online(self, user_id: int) -> bool:
        return True

    def is_in_room(self, user_id: int, room_id: int) -> bool:
        return True

    async def deliver(self, messages: list[Message]) -> None:
        self.delivered.extend(messages)

    def post(self, post: Post) -> "asyncio.Future[Outcome]":
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.writer.submit(post, answer.set_result)
        return answer

    async def keep(self, *posts: Post) -> list[Outcome]:
        return await asyncio.wait_for(asyncio.gather(*map(self.post, posts)), 60)


@pytest.fixture
async def bench(settings: Settings) -> AsyncIterator[Bench]:
    db = await Database.connect(settings.database, application="test", max_connections=1)
    bench = Bench(db, settings)
    task = asyncio.create_task(bench.writer.run())
    yield bench
    task.cancel()
    await db.close()


async def test_many_messages_share_few_transactions_and_keep_their_order(
    bench: Bench, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    rooms = [await create_room(db, unique_name("many"), members=(ann.id, bob.id)) for _ in range(3)]
    posts = [
        Post(ann.id, rooms[n % 3], None, str(n)) if n % 4 else Post(ann.id, None, bob.id, str(n))
        for n in range(1200)
    ]
    outcomes = await bench.keep(*posts)
    transactions = "SELECT count(DISTINCT xmin::text) FROM messages WHERE from_user = $1"
    assert await db.fetchval(transactions, ann.id) <= 4
    assert [o.message.content for o in outcomes if isinstance(o, Kept)] == [
        p.content for p in posts
    ]
    assert [m.content for m in bench.delivered] == [p.content for p in posts]
    for room in rooms:
        seqs = [m.seq for m in bench.delivered if m.room_id == room]
        assert seqs == list(range(1, len(seqs) + 1))
        ids = [m.id for m in bench.delivered if m.room_id == room]
        assert ids == sorted(ids)
    assert await db.fetchval("SELECT seq FROM rooms WHERE id = $1", rooms[0]) == len(
        [m for m in bench.delivered if m.room_id == rooms[0]]
    )


async def test_what_must_be_refused_takes_no_neighbour_with_it(
    bench: Bench, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, suspended = await make_person(), await make_person(status="suspended")
    room = await create_room(db, unique_name("mixed"), members=(ann.id, suspended.id))
    private = await create_room(db, unique_name("mixed"), private=True)
    outcomes = await bench.keep(
        Post(ann.id, room, None, "first"),
        Post(ann.id, 2**31 - 1, None, "no such room"),
        Post(ann.id, private, None, "no member"),
        Post(ann.id, None, suspended.id, "no such user"),
        Post(suspended.id, room, None, "suspended"),
        Post(ann.id, room, None, "no such message", reply_to=2**31 - 1),
        Post(ann.id, room, None, "a\x00b"),
        Post(ann.id, room, None, "last"),
    )
    kept = [o.message.content if isinstance(o, Kept) else None for o in outcomes]
    assert kept == ["first", None, None, None, None, None, None, "last"]
    assert all(isinstance(o, TalasError) for o in outcomes[1:7])
    assert [m.seq for m in bench.delivered] == [1, 2]
    assert await db.fetchval("SELECT count(*) FROM conversations WHERE user_low = $1", ann.id) == 0


async def test_a_client_id_is_kept_once_by_two_processes(
    bench: Bench, settings: Settings, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    rooms = [await create_room(db, unique_name("twice"), members=(ann.id,)) for _ in range(2)]
    other_db = await Database.connect(settings.database, application="test", max_connections=1)
    other = Bench(other_db, settings)
    task = asyncio.create_task(other.writer.run())
    posts = [Post(ann.id, rooms[n % 2], None, "x", client_id=uuid.uuid4()) for n in range(60)]
    swapped = [
        Post(ann.id, rooms[(n + 1) % 2], None, "x", client_id=post.client_id)
        for n, post in enumerate(posts)
    ]
    one, two = await asyncio.gather(bench.keep(*posts), other.keep(*swapped))
    task.cancel()
    await other_db.close()
    for a, b in zip(one, two, strict=True):
        assert isinstance(a, Kept)
        assert isinstance(b, Kept)
        assert a.message.id == b.message.id
        assert {a.duplicate, b.duplicate} == {True, False}
    for room in rooms:
        rows = await db.fetch("SELECT seq FROM messages WHERE room_id = $1 ORDER BY seq", room)
        assert [row[0] for row in rows] == list(range(1, len(rows) + 1))


async def test_a_full_queue_is_an_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, make_person: MakePerson
) -> None:
    ann = await make_person()
    monkeypatch.setattr(writer, "MAX_QUEUE", 5)
    posts = [Post(ann.id, None, ann.id, "x") for _ in range(5)]
    answers = [bench.post(post) for post in posts]
    with pytest.raises(Unavailable):
        bench.post(posts[0])
    await asyncio.gather(*answers)
    assert isinstance((await bench.keep(posts[0]))[0], Kept)


@pytest.mark.parametrize("committed", [True, False])
async def test_a_connection_lost_while_committing_is_no_riddle(
    bench: Bench,
    make_person: MakePerson,
    db: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    committed: bool,
) -> None:
    """Whether it was kept is found out; the sender hears of it once, and so does the room."""
    ann = await make_person()
    room = await create_room(db, unique_name("doubt"), members=(ann.id,))
    commit = asyncpg.transaction.Transaction.commit
    failures = iter([True])

    async def lose_the_connection(transaction: asyncpg.transaction.Transaction) -> None:
        if next(failures, False):
            if committed:
                await commit(transaction)
            else:
                await transaction.rollback()
            raise asyncpg.ConnectionDoesNotExistError("connection was closed")
        await commit(transaction)

    monkeypatch.setattr(asyncpg.transaction.Transaction, "commit", lose_the_connection)
    outcomes = await bench.keep(*(Post(ann.id, room, None, str(n)) for n in range(5)))
    assert [o.message.content for o in outcomes if isinstance(o, Kept)] == list("01234")
    assert [m.seq for m in bench.delivered] == [1, 2, 3, 4, 5]
    rows = await db.fetch("SELECT content FROM messages WHERE room_id = $1 ORDER BY seq", room)
    assert [row[0] for row in rows] == list("01234")


async def test_what_was_kept_in_doubt_is_shown_before_anything_newer(
    bench: Bench, make_person: MakePerson, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await make_person()
    room = await create_room(db, unique_name("doubt"), members=(ann.id,))
    monkeypatch.setattr(writer, "DOUBT_S", 0.0)
    commit = asyncpg.transaction.Transaction.commit
    failures = iter([True])

    async def lose_the_answer(transaction: asyncpg.transaction.Transaction) -> None:
        await commit(transaction)
        if next(failures, False):
            raise asyncpg.ConnectionDoesNotExistError("connection was closed")

    monkeypatch.setattr(asyncpg.transaction.Transaction, "commit", lose_the_answer)
    (first,) = await bench.keep(Post(ann.id, room, None, "first"))
    assert isinstance(first, Unavailable)
    await bench.keep(Post(ann.id, room, None, "second"))
    assert [m.content for m in bench.delivered] == ["first", "second"]


async def test_what_was_kept_in_doubt_is_shown_though_nothing_follows(
    bench: Bench, make_person: MakePerson, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await make_person()
    monkeypatch.setattr(writer, "DOUBT_S", 0.0)
    commit = asyncpg.transaction.Transaction.commit

    async def lose_the_answer(transaction: asyncpg.transaction.Transaction) -> None:
        monkeypatch.setattr(asyncpg.transaction.Transaction, "commit", commit)
        await commit(transaction)
        raise asyncpg.ConnectionDoesNotExistError("connection was closed")

    monkeypatch.setattr(asyncpg.transaction.Transaction, "commit", lose_the_answer)
    (answer,) = await bench.keep(Post(ann.id, None, ann.id, "note"))
    assert isinstance(answer, Unavailable)
    await asyncio.wait_for(bench.writer.drained(), 60)
    assert [m.content for m in bench.delivered] == ["note"]


async def test_sockets_outlive_the_database(tmp_path: Path) -> None:
    database = EmbeddedPostgres(tmp_path / "data")
    await asyncio.to_thread(database.start)
    await migrate_up(database.url)
    settings = make_chat_settings(database.url, tmp_path / "data")
    conn = await asyncpg.connect(database.url)
    ann, bob = await create_person(conn, settings), await create_person(conn, settings)
    await conn.close()
    chat = ChatProcess(settings)
    await chat.start()
    try:
        async with connected(chat, ann) as a, connected(chat, bob) as b:
            await a.join()
            await b.join()
            await asyncio.to_thread(database.stop)
            for frame in (
                {"type": "message", "room": "general", "content": "x"},
                {"type": "dm", "to": bob.id, "content": "x"},
                {"type": "room_history", "room": "general"},
                {"type": "join", "room": "other"},
            ):
                answer = await a.ask(**frame, id=1)
                assert answer["type"] == "error"
                assert (answer["data"]["code"], answer["data"]["id"]) == ("unavailable", 1)
            assert (await a.ask(type="ping"))["type"] == "pong"
            await asyncio.to_thread(database.start)
            deadline = time.monotonic() + 60
            while True:
                answer = await a.ask(type="message", room="general", content="back")
                if answer["type"] == "message":
                    break
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
            assert (await b.receive_kind("message"))["content"] == "back"
    finally:
        await chat.stop()
        await asyncio.to_thread(database.stop)
