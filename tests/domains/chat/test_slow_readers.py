"""Who does not read is dropped, the memory stays flat, and the others notice nothing."""

import asyncio
import contextlib
import json

import asyncpg
import httpx
import psutil
import pytest
from tests.builders.chat import ChatProcess, connected, create_room, unique_name
from tests.domains.chat.conftest import MakePerson, serving_here
from tests.domains.chat.test_hostile import CLOSE, frame, opened

from talas.core.settings import Settings
from talas.domains.chat import connection


async def test_a_slow_reader_is_dropped_and_the_others_are_served(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob, slow = await make_person(), await make_person(), await make_person()
    room = unique_name("busy")
    await create_room(db, room)
    process = psutil.Process(chat.pid)
    async with (
        connected(chat, ann) as a,
        connected(chat, bob) as b,
        opened(chat, slow) as frozen,
    ):
        await a.join(room)
        await b.join(room)
        frozen.write(frame(1, json.dumps({"type": "join", "room": room}).encode()))
        await frozen.read_frame()
        frozen.writer.transport.pause_reading()
        before = process.memory_info().rss
        content = "x" * 3900
        for _ in range(60):
            for _ in range(50):
                await a.send(type="message", room=room, content=content)
            for _ in range(50):
                await a.receive_kind("message")
                await b.receive_kind("message")
        assert process.memory_info().rss - before < 16 * 2**20
        frozen.writer.transport.resume_reading()
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while (await frozen.read_frame())[0] != CLOSE:
                pass
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(frozen.reader.read(), 30) == b""


async def test_who_reads_nothing_for_ten_seconds_is_dropped(
    settings: Settings, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with less than the limit unsent."""
    monkeypatch.setattr(connection, "STALL_S", 0.5)
    monkeypatch.setattr(connection, "MAX_UNSENT", 2**40)
    ann = await make_person()
    async with (
        serving_here(settings) as chat,
        connected(chat, ann) as a,
        opened(chat, ann) as frozen,
    ):
        frozen.writer.transport.pause_reading()
        async with asyncio.timeout(60):
            while await _open_sockets(chat) == 2:
                for _ in range(50):
                    await a.send(type="dm", to=ann.id, content="x" * 3900)
                for _ in range(50):
                    await a.receive_kind("dm")
        assert await _open_sockets(chat) == 1
        assert (await a.ask(type="ping"))["type"] == "pong"


async def test_a_large_answer_to_a_reader_is_no_reason_to_drop_it(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann = await make_person()
    async with connected(chat, ann, max_size=None) as a:
        for _ in range(200):
            await a.send(type="dm", to=ann.id, content="\U0001d11e" * 3800)
        for _ in range(200):
            await a.receive_kind("dm")
        await a.send(**{"type": "dm_history", "with": ann.id, "limit": 200})
        await asyncio.sleep(0.5)
        await a.send(type="dm", to=ann.id, content="meanwhile")
        history = await a.receive_kind("dm_history")
        assert len(history["messages"]) == 200
        assert len(json.dumps(history, ensure_ascii=False).encode()) > 2 * 2**20
        assert (await a.receive_kind("dm"))["content"] == "meanwhile"


async def _open_sockets(chat: ChatProcess) -> int:
    async with httpx.AsyncClient(base_url=chat.http, trust_env=False) as http:
        for line in (await http.get("/metrics")).text.splitlines():
            if line.startswith("talas_chat_open_sockets "):
                return int(float(line.split()[1]))
    raise AssertionError("no such metric")
