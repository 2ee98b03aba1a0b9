"""When and why the server closes a socket."""

import asyncio
import json
import signal
import time

import asyncpg
import pytest
from tests.builders.chat import ChatProcess, Client, connected, create_token
from tests.domains.chat.conftest import MakePerson, running, serving_here
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from talas.core.events import publish
from talas.core.sessions import announce_session_ended, announce_user_changed
from talas.core.settings import Settings
from talas.domains.chat import socket as chat_socket


async def test_logout_closes_the_sockets_of_that_session_within_a_second(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection, settings: Settings
) -> None:
    ann = await make_person()
    other_session = await db.fetchval(
        "INSERT INTO sessions (user_id, expires_at) SELECT user_id, expires_at FROM sessions "
        "WHERE id = $1 RETURNING id",
        ann.session_id,
    )
    stays = create_token(settings, ann, session_id=other_session)
    async with (
        connected(chat, ann) as a1,
        connected(chat, ann) as a2,
        connect(f"{chat.url}?token={stays}", proxy=None) as other,
    ):
        await a1.join()
        started = time.monotonic()
        async with db.transaction():
            await db.execute("UPDATE sessions SET ended_at = now() WHERE id = $1", ann.session_id)
            await announce_session_ended(db, ann.session_id)
        assert await a1.close_code() == 4500
        assert await a2.close_code() == 4500
        assert time.monotonic() - started < 1
        await Client(other).join()


async def test_suspension_closes_every_socket(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        await a.join()
        async with db.transaction():
            await db.execute("UPDATE users SET status = 'suspended' WHERE id = $1", ann.id)
            await announce_user_changed(db, ann.id)
        assert await a.close_code() == 4503


async def test_who_is_suspended_writes_nothing_even_before_the_event(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        await a.join()
        await db.execute("UPDATE users SET status = 'suspended' WHERE id = $1", ann.id)
        assert (await a.ask(type="message", room="general", content="x"))["type"] == "error"


async def test_ending_all_sessions_closes_the_sockets(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        async with db.transaction():
            await db.execute("UPDATE sessions SET ended_at = now() WHERE user_id = $1", ann.id)
            await announce_user_changed(db, ann.id)
        assert await a.close_code() == 4500


async def test_a_new_name_shows_in_the_next_message(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        await a.join()
        async with db.transaction():
            await db.execute("UPDATE users SET username = 'renamed' WHERE id = $1", ann.id)
            await announce_user_changed(db, ann.id)
        answer = await a.ask(type="message", room="general", content="x")
        assert answer["data"]["username"] == "renamed"


async def test_missed_events_are_made_good(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    async with connected(chat, ann) as a, connected(chat, bob) as b:
        await db.execute("UPDATE sessions SET ended_at = now() WHERE id = $1", ann.session_id)
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'talas events' AND datname = current_database()"
        )
        assert await a.close_code() == 4500
        await b.join()


async def test_what_the_worker_announces_reaches_every_socket(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    async with connected(chat, ann) as a1, connected(chat, ann) as a2, connected(chat, bob) as b:
        data = {"id": 7, "status": "ready", "title": "Été"}
        await publish(db, "user.notify", user_id=ann.id, type="track", data=data)
        assert await a1.receive() == {"type": "track", "data": data}
        assert await a2.receive() == {"type": "track", "data": data}
        assert await b.is_silent()


async def test_the_eleventh_socket_of_a_user_is_closed(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    url = f"{chat.url}?token={ann.token}"
    sockets = [await connect(url, proxy=None) for _ in range(10)]
    async with connect(url, proxy=None) as eleventh:
        assert await Client(eleventh).close_code() == 4504
    async with connected(chat, bob) as b:
        await b.join()
    await sockets.pop().close()
    async with connected(chat, ann) as again:
        await again.join()
    for socket in sockets:
        await socket.close()


async def test_a_token_that_expires_ends_the_socket_after_a_grace(
    settings: Settings, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_socket, "GRACE_S", 1.0)
    ann, bob = await make_person(lifetime_s=2), await make_person(lifetime_s=2)
    eve = await make_person()
    async with (
        serving_here(settings) as chat,
        connected(chat, ann) as a,
        connected(chat, bob) as b,
    ):
        for token in ("nonsense", eve.token, create_token(settings, bob, lifetime_s=-1)):
            assert (await b.ask(type="auth", token=token))["type"] == "error"
        fresh = create_token(settings, bob, lifetime_s=3600)
        answer = await b.ask(type="auth", token=fresh, id=1)
        assert answer["type"] == "authenticated"
        started = time.monotonic()
        assert await a.close_code() == 4005
        assert 1 < time.monotonic() - started < 4.5
        await asyncio.sleep(0.5)
        await b.join()


async def test_sigterm_acknowledges_then_says_come_back(
    settings: Settings, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    async with running(settings) as chat:
        async with connected(chat, ann, version=2) as a, connected(chat, bob) as b:
            await a.join()
            await b.join()
            for number in range(50):
                await a.send(type="message", room="general", content="x", id=number)
            chat.signal(signal.SIGTERM)
            started = time.monotonic()
            acked = []
            try:
                while True:
                    frame = json.loads(await a.socket.recv())
                    if frame["type"] == "ack":
                        acked.append(frame["data"]["message_id"])
            except ConnectionClosed:
                pass
            assert await a.close_code() == 4001
            assert await b.close_code() == 4001
        assert await chat.wait() == 0
        assert time.monotonic() - started < 10
    kept = await db.fetch("SELECT id FROM messages WHERE from_user = $1 ORDER BY id", ann.id)
    assert [row[0] for row in kept] == acked


async def test_a_port_in_use_is_a_sentence(settings: Settings) -> None:
    async with running(settings) as chat:
        second = ChatProcess(chat.settings)
        await second.start()
        assert await second.wait() == 1
