"""Handshakes written byte by byte, and exchanges of frames: what is sent, and what must come back.

A request echoes its ``id``, so that a ping in JSON does what Autobahn's echo server does.
"""

import asyncio
import json
import struct
from collections.abc import Mapping

import msgspec
from tests.builders.chat import ChatProcess
from tests.domains.chat.test_hostile import CLOSE, PING, PONG, TEXT, RawSocket, frame

MOST = 16 * 1024
ASK = b'{"type":"ping"}'
ASKED = frame(TEXT, ASK)

Frame = tuple[int, bytes]
# What the server says: a frame, an error frame whatever its words, or a close with this code.
Said = Frame | str | int
Case = tuple[list[bytes], list[Said]]

ANSWERED: Frame = (TEXT, b'{"type":"pong"}')
ERROR = "error"

# RFC 6455 section 1.3 has both.
SAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
SAMPLE_ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class Answer(msgspec.Struct):
    """``status`` is None where the connection ended without an answer. Names are in lower case."""

    status: int | None
    headers: dict[str, str]


def handshake(
    token: str,
    changed: Mapping[str, str | None] | None = None,
    *,
    method: str = "GET",
    protocol: str = "HTTP/1.1",
    more: tuple[str, ...] = (),
) -> bytes:
    """A good request, but for headers that are changed, left out (None) or added as lines."""
    headers = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": SAMPLE_KEY,
        "Sec-WebSocket-Version": "13",
        **(changed or {}),
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"{method} /?token={token} {protocol}", *lines, *more, "", ""]).encode(
        "latin-1"
    )


async def shake_hands(chat: ChatProcess, request: bytes, *, chop: int = 0) -> Answer:
    reader, writer = await chat.open_raw()
    answer = Answer(None, {})
    try:
        async with asyncio.timeout(60):
            await write_chopped(writer, request, chop)
            answer = read_head(await reader.readuntil(b"\r\n\r\n"))
            if answer.status != 101:
                await reader.read()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
    return answer


def read_head(head: bytes) -> Answer:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines)
    return Answer(int(first.split(" ")[1]), {name.lower(): value for name, value in pairs})


async def write_chopped(writer: asyncio.StreamWriter, data: bytes, size: int) -> None:
    """``size`` bytes at a time; 0 is all at once."""
    for start in range(0, len(data), size or len(data) or 1):
        writer.write(data[start : start + size] if size else data)
        await writer.drain()
        await asyncio.sleep(0)


def in_fragments(opcode: int, parts: list[bytes]) -> list[bytes]:
    return [
        frame(0 if place else opcode, part, fin=place == len(parts) - 1)
        for place, part in enumerate(parts)
    ]


async def has_ended(raw: RawSocket) -> bool:
    """The server has closed its side, and had nothing more to say."""
    async with asyncio.timeout(60):
        return await raw.reader.read() == b""


async def check(raw: RawSocket, case: Case, *, chop: int = 0) -> None:
    """After a close the connection ends; without one it still answers."""
    sent, expected = case
    await write_chopped(raw.writer, b"".join(sent), chop)
    closes = False
    for said in expected:
        opcode, data = await next_frame(raw)
        closes = opcode == CLOSE
        if said == ERROR:
            assert opcode == TEXT
            assert data.startswith(b'{"type":"error"')
        elif isinstance(said, int):
            assert (opcode, data[:2]) == (CLOSE, code(said))
            data[2:].decode()
        else:
            assert (opcode, data) == said
    if closes:
        assert await has_ended(raw)
    else:
        raw.write(frame(PING, b"still there?"))
        assert await next_frame(raw) == (PONG, b"still there?")


async def next_frame(raw: RawSocket) -> Frame:
    """Skips the server's own pings."""
    while True:
        opcode, data = await raw.read_frame()
        if opcode != PING:
            return opcode, data


def code(number: int) -> bytes:
    return struct.pack("!H", number)


def echo(text: str) -> tuple[bytes, Frame]:
    """The payload that asks for it, and the frame that answers."""
    asked = {"type": "ping", "id": text}
    answer = {"type": "pong", "data": {"id": text}}
    return _json(asked), (TEXT, _json(answer))


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
