"""Long content to clients that do not take it, through the server that carries it."""

import asyncio
import contextlib
import datetime as dt
import socket
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from litestar import Litestar, get
from tests.ports import free_port

from talas.core.errors import TooManyRequests
from talas.core.http import ranges
from talas.core.http.ranges import Content, RangedResponse

SIZE = 64 * 1024 * 1024
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Reads:
    """What is read from storage; ``open`` counts the files."""

    def __init__(self) -> None:
        self.open = 0

    async def __call__(self, start: int, end: int) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            for offset in range(start, end, 262_144):
                yield bytes(min(262_144, end - offset))
        finally:
            self.open -= 1


def content(reads: Reads, size: int = SIZE) -> Content:
    changed_at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    return Content(size, "abc", changed_at, "audio/flac", reads)


@contextlib.asynccontextmanager
async def serving(reads: Reads) -> AsyncIterator[int]:
    """A server whose every answer is ``content``, and its port."""

    @get("/")
    async def show() -> RangedResponse:
        return RangedResponse("GET", {}, content(reads))

    port = free_port()
    server = Server(
        Litestar([show], openapi_config=None),
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
    )
    task = asyncio.create_task(server.serve())
    await until(lambda: port in listening_ports())
    yield port
    server.stop()  # type: ignore[no-untyped-call]
    await task


def listening_ports() -> set[int]:
    connections = psutil.Process().net_connections("tcp")
    return {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}


def accepted(port: int) -> int:
    """How many connections the server of this process holds."""
    connections = psutil.Process().net_connections("tcp")
    return sum(c.laddr.port == port and bool(c.raddr) for c in connections)


async def until(condition: Any, within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.05)


async def test_who_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "SEND_DEADLINE_S", 2)
    reads = Reads()
    async with serving(reads) as port:
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
        for connection in silent:
            connection.sendall(REQUEST)
        await until(lambda: reads.open == accepted(port) == 5)
        await until(lambda: accepted(port) == 0 and reads.open == 0)
        for connection in silent:
            connection.close()


async def test_who_reads_slowly_gets_it_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "SEND_DEADLINE_S", 1)
    async with serving(Reads()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        received = 0
        while received < SIZE:
            data = await reader.read(1 << 20)
            assert data, f"cut off after {received} bytes"
            received += len(data)
            # As long in all as several deadlines.
            await asyncio.sleep(0.004)
        writer.close()


async def test_one_user_has_so_many_streams_and_others_have_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ranges, "MAX_STREAMS", 3)
    reads, taken = Reads(), asyncio.Event()

    async def send(message: dict[str, Any]) -> None:
        if message.get("body"):
            await taken.wait()

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    def start(user_id: int | None, size: int = SIZE) -> asyncio.Task[None]:
        answer = RangedResponse("GET", {}, content(reads, size), taken_by=user_id)
        return asyncio.create_task(answer.to_asgi_response()({}, receive, send))

    streams = [start(1) for _ in range(3)]
    await until(lambda: reads.open == 3)
    with pytest.raises(TooManyRequests) as refused:
        await start(1)
    assert int(refused.value.headers["Retry-After"]) > 0
    others = [start(2), start(None), start(1, size=1000)]
    await until(lambda: reads.open == 6)
    taken.set()
    await asyncio.gather(*streams, *others)
    await start(1)
