"""When and why the server closes a socket."""

import asyncio
import contextlib
import json
import signal
import socket
import time
from types import SimpleNamespace
from typing import Any, cast

import asyncpg
import httpx
import msgspec
import pytest
from tests.builders.chat import ChatProcess, Client, connected, create_token
from tests.domains.chat.conftest import MakePerson, running, serving_here
from tests.ports import free_port
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from talas.core.events import publish
from talas.core.permissions import Role
from talas.core.sessions import (
    Actor,
    SessionGuard,
    announce_session_ended,
    announce_user_changed,
)
from talas.core.settings import Settings
from talas.core.tokens import Claims, InvalidToken, TokenType
from talas.domains.chat import inbox, server, sql
from talas.domains.chat.hub import Member
from talas.domains.chat.node import Node
from talas.domains.chat.revocation import recheck
from talas.domains.chat.writer import Writer

ANOTHER_SESSION = (
    "INSERT INTO sessions (user_id, expires_at) SELECT user_id, expires_at FROM sessions "
    "WHERE id = $1 RETURNING id"
)
END_LISTENERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'talas events' AND datname = current_database()"
)


async def test_logout_closes_the_sockets_of_that_session_at_once(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection, settings: Settings
) -> None:
    """Long before the minute after which a session would be read again."""
    ann = await make_person()
    other_session = await db.fetchval(ANOTHER_SESSION, ann.session_id)
    stays = create_token(settings, ann, session_id=other_session)
    async with (
        connected(chat, ann) as a1,
        connected(chat, ann) as a2,
        connect(f"{chat.url}?token={stays}", proxy=None) as other,
    ):
        await a1.join()
        async with db.transaction():
            await db.execute("UPDATE sessions SET ended_at = now() WHERE id = $1", ann.session_id)
            await announce_session_ended(db, ann.session_id)
        async with asyncio.timeout(30):
            assert await a1.close_code() == 4500
            assert await a2.close_code() == 4500
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


@pytest.mark.parametrize("told_by", ["events", "one event", "gap"])
async def test_a_suspension_that_ends_the_sessions_is_told_from_a_logout(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection, told_by: str
) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        await a.join()
        async with db.transaction():
            await db.execute("UPDATE users SET status = 'suspended' WHERE id = $1", ann.id)
            await db.execute("UPDATE sessions SET ended_at = now() WHERE id = $1", ann.session_id)
            if told_by == "events":
                await announce_session_ended(db, ann.session_id)
            if told_by != "gap":
                await announce_user_changed(db, ann.id)
        if told_by == "gap":
            await db.execute(END_LISTENERS)
        assert await a.close_code() == 4503


async def test_without_the_database_a_session_that_ended_closes_its_sockets(
    settings: Settings,
    make_person: MakePerson,
    db: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def never(*_: object) -> bool:
        await asyncio.sleep(60)
        return True

    monkeypatch.setattr(sql, "select_is_suspended", never)
    ann = await make_person()
    async with serving_here(settings) as chat, connected(chat, ann) as a:
        await a.join()
        await announce_session_ended(db, ann.session_id)
        assert await a.close_code() == 4500


class EndsWhileRead:
    """Lets a session end while the guard reads its row for the nth time: the guard takes it for
    alive, and the event has come before the guard is heard. No row is remembered."""

    def __init__(self, db: asyncpg.Connection, session_id: int, nth: int) -> None:
        self._db = db
        self._session_id = session_id
        self._left = nth
        self._told = asyncio.Event()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        load, forget = SessionGuard._load, SessionGuard.forget_session

        async def slow_load(guard: SessionGuard, session_id: int) -> Any:
            known = await load(guard, session_id)
            if session_id == self._session_id:
                guard.forget_all()
                self._left -= 1
                if self._left == 0:
                    await self._end()
            return known

        def told(guard: SessionGuard, session_id: int) -> None:
            forget(guard, session_id)
            # The event's other handlers are called before who waits goes on.
            self._told.set()

        monkeypatch.setattr(SessionGuard, "_load", slow_load)
        monkeypatch.setattr(SessionGuard, "forget_session", told)

    async def _end(self) -> None:
        async with self._db.transaction():
            await self._db.execute(
                "UPDATE sessions SET ended_at = now() WHERE id = $1", self._session_id
            )
            await announce_session_ended(self._db, self._session_id)
        await self._told.wait()


@pytest.mark.parametrize("nth", [1, 2])
async def test_a_session_that_ends_during_the_handshake_leaves_no_socket(
    settings: Settings,
    make_person: MakePerson,
    db: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    nth: int,
) -> None:
    ann = await make_person()
    EndsWhileRead(db, ann.session_id, nth).install(monkeypatch)
    async with serving_here(settings) as chat, connected(chat, ann) as a:
        assert await a.close_code() == 4500


@pytest.mark.parametrize("nth", [1, 2])
async def test_a_session_that_ends_during_auth_leaves_no_socket(
    settings: Settings,
    make_person: MakePerson,
    db: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
    nth: int,
) -> None:
    ann = await make_person()
    second = await db.fetchval(ANOTHER_SESSION, ann.session_id)
    EndsWhileRead(db, second, nth).install(monkeypatch)
    async with serving_here(settings) as chat, connected(chat, ann) as a:
        await a.join()
        await a.send(type="auth", token=create_token(settings, ann, session_id=second))
        assert await a.close_code() == 4500


@pytest.mark.parametrize("first_is_over", [True, False])
async def test_what_is_found_out_about_an_earlier_session_is_not_held_against_the_next(
    first_is_over: bool,
) -> None:
    def claims(session_id: int) -> Claims:
        return Claims(1, "ann", "user", session_id, TokenType.ACCESS, 0, 0)

    member = SimpleNamespace(is_open=True, claims=claims(1), actor=None)

    async def actor_of(asked: Claims) -> Actor:
        if asked.sid == 1:
            member.claims = claims(2)
            if first_is_over:
                raise InvalidToken
        return Actor(1, "ann", Role.USER, asked.sid)

    node = SimpleNamespace(guard=SimpleNamespace(actor_of=actor_of))
    await recheck(cast(Node, node), [cast(Member, member)])
    assert member.actor == Actor(1, "ann", Role.USER, 2)


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
        await db.execute(END_LISTENERS)
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
    for open_socket in sockets:
        await open_socket.close()


async def test_a_token_that_expires_ends_the_socket_after_a_grace(
    settings: Settings, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "GRACE_S", 1.0)
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    async with serving_here(settings) as chat, contextlib.AsyncExitStack() as stack:
        expires_at = int(time.time()) + 8
        for person in (ann, bob):
            person.token = create_token(settings, person, lifetime_s=8)
        a = await stack.enter_async_context(connected(chat, ann))
        b = await stack.enter_async_context(connected(chat, bob))
        for token in ("nonsense", eve.token, create_token(settings, bob, lifetime_s=-1)):
            assert (await b.ask(type="auth", token=token))["type"] == "error"
        fresh = create_token(settings, bob, lifetime_s=3600)
        answer = await b.ask(type="auth", token=fresh, id=1)
        assert answer["type"] == "authenticated"
        assert await a.close_code() == 4005
        assert expires_at + 1 <= time.time()
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
    kept = await db.fetch("SELECT id FROM messages WHERE from_user = $1 ORDER BY id", ann.id)
    assert [row[0] for row in kept] == acked


async def test_a_balancer_hears_that_it_ends_while_sockets_are_still_taken(
    settings: Settings, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await make_person()
    stop, looked = asyncio.Event(), asyncio.Event()

    async def let_look() -> None:
        await looked.wait()

    monkeypatch.setattr(server, "_let_balancers_look", let_look)
    async with (
        serving_here(settings, stop=stop) as chat,
        httpx.AsyncClient(base_url=chat.http, trust_env=False) as http,
    ):
        assert (await http.get("/ready")).status_code == 200
        stop.set()
        async with asyncio.timeout(60):
            while (answer := await http.get("/ready")).status_code != 503:
                await asyncio.sleep(0.02)
        assert answer.json()["error"] == "Shutting down"
        assert (await http.get("/health")).status_code == 200
        async with connected(chat, ann) as a:
            await a.join()
            looked.set()
            assert await a.close_code() == 4001


async def test_a_port_in_use_is_a_sentence(settings: Settings) -> None:
    """Chat processes share a port with each other, not with others."""
    port = free_port()
    chat_settings = msgspec.structs.replace(settings.chat, port=port)
    with socket.create_server((settings.chat.host, port)):
        chat = ChatProcess(msgspec.structs.replace(settings, chat=chat_settings))
        await chat.start()
        assert await chat.wait() == 1


async def test_a_chat_without_its_writer_tells_its_clients_and_ends(
    settings: Settings, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its supervisor starts it again; staying, it would take messages and keep none."""
    person = await make_person()
    joined = asyncio.Event()

    async def breaks(_writer: Writer) -> None:
        await joined.wait()
        raise ZeroDivisionError

    monkeypatch.setattr(Writer, "run", breaks)

    async def join_and_go_on(chat: ChatProcess) -> int | None:
        async with connected(chat, person) as client:
            await client.join()
            joined.set()
            return await client.close_code()

    with pytest.raises(RuntimeError, match="ended by itself"):
        async with serving_here(settings) as chat:
            assert await join_and_go_on(chat) == 4001
