"""Frames that RFC 6455 forbids, written byte by byte: the right close code, and nobody else
notices."""

import asyncio
import base64
import contextlib
import json
import os
import struct
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest
from tests.builders.chat import ChatProcess, Person, connected
from tests.domains.chat.conftest import MakePerson, serving_here

from talas.core.settings import Settings
from talas.domains.chat import connection

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class RawSocket:
    """Bytes out, frames in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, *frames: bytes) -> None:
        self.writer.write(b"".join(frames))

    async def read_frame(self) -> tuple[int, bytes]:
        async with asyncio.timeout(60):
            first, length = await self.reader.readexactly(2)
            assert first & 0x80, "the server does not fragment"
            assert not length & 0x80, "the server does not mask"
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(length)

    async def close_code(self) -> int:
        """Skips what comes before the close frame; after it the connection ends."""
        while True:
            opcode, data = await self.read_frame()
            if opcode == CLOSE:
                self.writer.close()
                return int(struct.unpack("!H", data[:2])[0])


def frame(
    opcode: int, data: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bool = True
) -> bytes:
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode,))
    masked = 0x80 if mask else 0
    if len(data) < 126:
        head += bytes((masked | len(data),))
    elif len(data) < 65536:
        head += bytes((masked | 126,)) + struct.pack("!H", len(data))
    else:
        head += bytes((masked | 127,)) + struct.pack("!Q", len(data))
    if not mask:
        return head + data
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


@contextlib.asynccontextmanager
async def opened(chat: ChatProcess, person: Person) -> AsyncIterator[RawSocket]:
    reader, writer = await chat.open_raw()
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /?token={person.token} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n".encode()
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in answer
    assert b"deflate" not in answer
    yield RawSocket(reader, writer)
    writer.close()


PING_JSON = b'{"type":"ping"}'
HOSTILE = {
    "reserved bit 1": (1002, [frame(TEXT, PING_JSON, rsv=4)]),
    "reserved bit 2": (1002, [frame(TEXT, PING_JSON, rsv=2)]),
    "reserved bit 3": (1002, [frame(TEXT, PING_JSON, rsv=1)]),
    "reserved opcode 3": (1002, [frame(3, PING_JSON)]),
    "reserved opcode 11": (1002, [frame(11)]),
    "no mask": (1002, [frame(TEXT, PING_JSON, mask=False)]),
    "orphan continuation": (1002, [frame(0, PING_JSON)]),
    "text within text": (1002, [frame(TEXT, b"{", fin=False), frame(TEXT, b"}")]),
    "fragmented ping": (1002, [frame(PING, b"", fin=False)]),
    "ping of 126 bytes": (1002, [frame(PING, b"x" * 126)]),
    "close of one byte": (1002, [frame(CLOSE, b"x")]),
    "close with a code that nobody may send": (1002, [frame(CLOSE, struct.pack("!H", 1005))]),
    "close with a reason that is not UTF-8": (1007, [frame(CLOSE, b"\x03\xe8\xff")]),
    "text that is not UTF-8": (1007, [frame(TEXT, b'{"type":"\xff"}')]),
    "text cut within a character": (1007, [frame(TEXT, '{"type":"é'.encode()[:-1])]),
    "an encoded surrogate": (1007, [frame(TEXT, b'{"type":"\xed\xa0\x80"}')]),
    "not UTF-8 over two fragments": (
        1007,
        [frame(TEXT, b'{"type":"\xc3', fin=False), frame(0, b'x"}')],
    ),
    "one byte too many": (1009, [frame(TEXT, b"x" * (16 * 1024 + 1))]),
    "fragments past the limit": (
        1009,
        [frame(TEXT, b"x" * 16_000, fin=False), frame(0, b"x" * 385)],
    ),
    "ten megabytes promised": (1009, [frame(TEXT, b"")[:1] + b"\xff" + struct.pack("!Q", 10**7)]),
    "endless empty fragments": (
        1009,
        [frame(TEXT, b"", fin=False), frame(0, b"", fin=False) * 2000],
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_frames(chat: ChatProcess, make_person: MakePerson, name: str) -> None:
    code, frames = HOSTILE[name]
    async with opened(chat, await make_person()) as raw:
        raw.write(*frames)
        assert await raw.close_code() == code


async def test_what_the_protocol_allows(chat: ChatProcess, make_person: MakePerson) -> None:
    async with opened(chat, await make_person()) as raw:
        exactly = b'{"type":"ping","x":"' + b"y" * (16 * 1024 - 22) + b'"}'
        assert len(exactly) == 16 * 1024
        for frames in (
            [frame(TEXT, PING_JSON)],
            [frame(TEXT, exactly)],
            [frame(TEXT, b'{"type"', fin=False), frame(0, b':"ping"', fin=False), frame(0, b"}")],
            [frame(TEXT, b"", fin=False), frame(0, PING_JSON, fin=False), frame(0, b"")],
            [frame(PONG, b"nobody asked"), frame(TEXT, PING_JSON)],
        ):
            raw.write(*frames)
            assert await raw.read_frame() == (TEXT, b'{"type":"pong"}')
        # A control frame may stand between fragments.
        raw.write(frame(TEXT, PING_JSON[:5], fin=False), frame(PING, b"p"), frame(0, PING_JSON[5:]))
        assert await raw.read_frame() == (PONG, b"p")
        assert await raw.read_frame() == (TEXT, b'{"type":"pong"}')
        for byte in frame(TEXT, PING_JSON):
            raw.write(bytes((byte,)))
            await asyncio.sleep(0.002)
        assert await raw.read_frame() == (TEXT, b'{"type":"pong"}')
        raw.write(frame(CLOSE, struct.pack("!H", 1000) + b"bye"))
        assert await raw.read_frame() == (CLOSE, struct.pack("!H", 1000) + b"bye")
        assert await raw.reader.read() == b""


async def test_requests_before_the_handshake_is_answered_are_refused(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    reader, writer = await chat.open_raw()
    ann = await make_person()
    writer.write(
        f"GET /?token={ann.token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        + frame(TEXT, PING_JSON)
    )
    with contextlib.suppress(ConnectionError):
        assert b"101" not in await asyncio.wait_for(reader.read(), 30)
    writer.close()


@pytest.mark.parametrize(
    "start",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
        b"GET /%zz?token=%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nOrigin: a\r\nOrigin: b\r\n\r\n",
        b"GET /" + b"x" * 20_000,
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 5000,
    ],
)
async def test_what_is_no_handshake_gets_no_socket(chat: ChatProcess, start: bytes) -> None:
    reader, writer = await chat.open_raw()
    writer.write(start)
    answer = b""
    with contextlib.suppress(ConnectionError):
        answer = await asyncio.wait_for(reader.read(), 30)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    writer.close()


async def test_a_storm_of_tiny_frames_holds_nobody_up(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    process = psutil.Process(chat.pid)
    async with (
        opened(chat, await make_person()) as raw,
        connected(chat, await make_person()) as other,
    ):
        before = process.memory_info().rss
        storm = asyncio.create_task(_storm(raw, frame(PING) * 50_000))
        waits = []
        for _ in range(20):
            started = asyncio.get_running_loop().time()
            await other.ask(type="ping")
            waits.append(asyncio.get_running_loop().time() - started)
        storm.cancel()
        # Behind the storm they would never come.
        assert sorted(waits)[10] < 5
        assert process.memory_info().rss - before < 8 * 2**20


async def _storm(raw: RawSocket, data: bytes) -> None:
    while True:
        raw.write(data)
        await raw.writer.drain()


async def test_a_handshake_and_a_frame_that_never_end(
    settings: Settings, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("HANDSHAKE_S", 5), ("PING_S", 0.3), ("PONG_S", 5)):
        monkeypatch.setattr(connection, name, seconds)
    async with serving_here(settings) as chat:
        reader, writer = await chat.open_raw()
        writer.write(b"GET / HTTP/1.1\r\n")
        async with opened(chat, await make_person()) as silent:
            silent.write(frame(TEXT, PING_JSON)[:7])
            assert await silent.close_code() == 4012
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        # Who answers stays.
        async with connected(chat, await make_person()) as alive:
            await asyncio.sleep(6)
            answer: Any = await alive.ask(type="ping")
            assert answer == json.loads(b'{"type":"pong"}')
