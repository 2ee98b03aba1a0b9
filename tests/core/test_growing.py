"""Content that is made while it is sent, through the server that carries it."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator

import httpx
import pytest
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from litestar import Litestar, Request, get
from tests.core.test_slow_readers import listening_ports, until
from tests.ports import free_port

from talas.core.http import growing
from talas.core.http.growing import GrowingResponse
from talas.core.http.ranges import Content

CHUNK = bytes(262_144)


class Source:
    """``chunks`` chunks, then an error or a wait that has no end, if asked for. ``open`` counts
    who takes from it."""

    def __init__(self, chunks: int, *, fails: bool = False, stalls: bool = False) -> None:
        self.open = 0
        self._chunks = chunks
        self._fails = fails
        self._stalls = stalls

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        self.open += 1
        try:
            for _ in range(self._chunks):
                yield CHUNK
            if self._fails:
                raise RuntimeError("broke down")
            if self._stalls:
                await asyncio.Event().wait()
        finally:
            self.open -= 1


@contextlib.asynccontextmanager
async def serving(source: Source) -> AsyncIterator[str]:
    async def unread(start: int, end: int) -> AsyncIterator[bytes]:
        raise AssertionError
        yield b""

    changed_at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    content = Content(0, "abc", changed_at, "audio/mpeg", unread)

    @get("/")
    async def show(request: Request) -> GrowingResponse:
        return GrowingResponse("GET", request.headers, content, source)

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
    yield f"http://127.0.0.1:{port}/"
    server.stop()  # type: ignore[no-untyped-call]
    await task


async def test_all_of_it_comes_without_a_length() -> None:
    async with serving(Source(3)) as url, httpx.AsyncClient() as client:
        answer = await client.get(url, headers={"Range": "bytes=5-9"})
        assert (answer.status_code, len(answer.content)) == (200, 3 * len(CHUNK))
        assert "content-length" not in answer.headers
        assert answer.headers["accept-ranges"] == "none"
        known = await client.get(url, headers={"If-None-Match": '"abc"'})
        assert (known.status_code, known.content) == (304, b"")
        refused = await client.get(url, headers={"If-Match": '"def"'})
        assert refused.status_code != 200


async def test_a_part_is_never_taken_for_the_whole() -> None:
    async with serving(Source(2, fails=True)) as url, httpx.AsyncClient() as client:
        with pytest.raises(httpx.TransportError):
            await client.get(url)


@pytest.mark.parametrize("chunks", [0, 1], ids=["before", "after"])
async def test_who_leaves_while_nothing_comes_is_noticed(chunks: int) -> None:
    """Before the first bytes, and after some."""
    source = Source(chunks, stalls=True)
    async with serving(source) as url:
        port = int(url.rpartition(":")[2].strip("/"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: source.open == 1)
        if chunks:
            await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await until(lambda: source.open == 0)


async def test_who_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "SEND_DEADLINE_S", 0.5)
    source = Source(400)
    async with serving(source) as url:
        port = int(url.rpartition(":")[2].strip("/"))
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: source.open == 1)
        await until(lambda: source.open == 0)
        writer.close()
