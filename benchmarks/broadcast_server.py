"""What the chat is held against: servers that know no accounts and keep nothing.

``library`` is the ``websockets`` library with its own ``broadcast``. ``raw`` writes one frame,
made before, to every transport for each message that it counts: what is left then is the event
loop, the kernel and the load generator. Each says ``listening`` when it does.
"""

import asyncio
import base64
import datetime as dt
import hashlib
import sys
from typing import Any, cast

import msgspec
import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosedError

from talas.core.open_files import allow_many_sockets

BACKLOG = 1024
_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_CONTENT = "x" * 64


class Message(msgspec.Struct):
    """As many bytes as a message of the chat."""

    room: str
    from_user: int = msgspec.field(name="from")
    username: str
    content: str
    timestamp: dt.datetime
    id: int
    seq: int


class Library:
    def __init__(self) -> None:
        self._members: set[ServerConnection] = set()
        self._seq = 10_000

    async def serve(self, port: int) -> None:
        options: dict[str, Any] = {"compression": None, "ping_interval": 25, "ping_timeout": 8}
        async with serve(self._handle, "127.0.0.1", port, backlog=BACKLOG, **options) as server:
            print("listening", flush=True)
            await server.serve_forever()

    async def _handle(self, socket: ServerConnection) -> None:
        self._members.add(socket)
        try:
            async for text in socket:
                await self._answer(socket, msgspec.json.decode(text))
        except ConnectionClosedError:
            pass
        finally:
            self._members.discard(socket)

    async def _answer(self, socket: ServerConnection, request: dict[str, str]) -> None:
        if request["type"] == "join":
            await socket.send('{"type":"joined","data":{}}')
        else:
            self._seq += 1
            message = make_message(request["room"], request["content"], self._seq)
            broadcast(self._members, message, text=True)


class Raw(asyncio.Protocol):
    members: set[asyncio.Transport] = set()  # noqa: RUF012 (one server for the process)
    frame = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.members.add(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self.members.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET "):
            key = data.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
            accept = base64.b64encode(hashlib.sha1(key + _ACCEPT).digest())
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
        elif b'"join"' in data:
            self._transport.write(make_frame(b'{"type":"joined","data":{}}'))
        elif count := data.count(b"{"):  # one in each request, however the bytes were cut
            frames = self.frame * count
            for member in self.members:
                member.write(frames)

    @classmethod
    async def serve(cls, port: int) -> None:
        cls.frame = make_frame(make_message("bench-fan-out", _CONTENT, 10_000))
        loop = asyncio.get_running_loop()
        server = await loop.create_server(cls, "127.0.0.1", port, backlog=BACKLOG)
        print("listening", flush=True)
        await server.serve_forever()


def make_message(room: str, content: str, seq: int) -> bytes:
    now = dt.datetime.now(dt.UTC)
    data = Message(room, 1000, "bench-1000", content, now, seq, seq)
    return b'{"type":"message","data":%b}' % msgspec.json.encode(data)


def make_frame(payload: bytes) -> bytes:
    size = len(payload)
    return bytes((0x81, size) if size < 126 else (0x81, 126, *size.to_bytes(2))) + payload


def main() -> None:
    allow_many_sockets()
    kind, port = sys.argv[1], int(sys.argv[2])
    uvloop.run(Library().serve(port) if kind == "library" else Raw.serve(port))


if __name__ == "__main__":
    main()
