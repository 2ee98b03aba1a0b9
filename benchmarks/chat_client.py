"""A WebSocket client (RFC 6455) that does no more than a load generator must.

Frames to the server are masked with a key of zeros, which leaves the payload as it is.
"""

import asyncio
import base64
import json
import os
import sys
from collections.abc import Callable
from typing import cast

Hear = Callable[[bytes], None]

_PING, _PONG = b"\x89\x00", b"\x8a\x80\0\0\0\0"
_SOURCES = 4


class Client(asyncio.Protocol):
    """``hear`` is called with each text frame's payload. Without it nothing is taken apart, only
    ``received`` counts the bytes; it may be set and unset while no frame is on its way.
    """

    def __init__(self, path: str, loop: asyncio.AbstractEventLoop) -> None:
        self.hear: Hear | None = None
        self.lost: Callable[[], None] | None = None
        self.received = 0
        self.opened: asyncio.Future[None] = loop.create_future()
        self._path = path
        self._buffer = b""

    def send(self, **request: object) -> None:
        payload = json.dumps(request).encode()
        size = len(payload)
        length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2)
        self._transport.write(b"\x81" + length + b"\0\0\0\0" + payload)

    def abort(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            data = self._shake_hands(data)
        self.received += len(data)
        if self.hear is not None:
            self._take_apart(self._buffer + data if self._buffer else data, self.hear)
        elif _PING in data:
            self._transport.write(_PONG)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionError("closed in the handshake"))
        elif self.lost is not None:
            self.lost()

    def _shake_hands(self, data: bytes) -> bytes:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return b""
        self._buffer = b""
        if b" 101 " in head[:16]:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(ConnectionError(head.decode(errors="replace")))
        return rest

    def _take_apart(self, data: bytes, hear: Hear) -> None:
        place, size = 0, len(data)
        while size - place >= 2:
            length, start = data[place + 1], place + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2]), start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8]), start + 8
            if size < start or size < start + length:
                break
            payload = data[start : start + length]
            if data[place] == 0x81:
                hear(payload)
            elif data[place] == 0x89:
                self._transport.write(bytes((0x8A, 0x80 | length)) + b"\0\0\0\0" + payload)
            place = start + length
        self._buffer = data[place:]


async def open_client(port: int, path: str, number: int = 0) -> Client:
    """Raises ConnectionError where the handshake is refused. An address has some 28,000 ports,
    so on Linux, where all of 127.0.0.0/8 is this machine, ``number`` chooses one of several."""
    loop = asyncio.get_running_loop()
    source = (f"127.0.0.{2 + number % _SOURCES}", 0) if sys.platform == "linux" else None
    _, client = await loop.create_connection(
        lambda: Client(path, loop), "127.0.0.1", port, local_addr=source
    )
    await client.opened
    return client


async def open_clients(port: int, paths: list[str], *, at_once: int = 100) -> list[Client]:
    clients: list[Client] = []
    for first in range(0, len(paths), at_once):
        some = enumerate(paths[first : first + at_once], first)
        clients += await asyncio.gather(*(open_client(port, path, n) for n, path in some))
    return clients


async def join(clients: list[Client], rooms: list[str]) -> None:
    """Each into one room, the rooms in turn."""
    await asyncio.gather(
        *(join_room(client, rooms[n % len(rooms)]) for n, client in enumerate(clients))
    )


async def join_room(client: Client, room: str, **more: object) -> None:
    joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hear(payload: bytes) -> None:
        if joined.done():
            return
        if payload.startswith(b'{"type":"error"'):
            joined.set_exception(RuntimeError(payload.decode()))
        elif payload.startswith(b'{"type":"joined"'):
            joined.set_result(None)

    client.hear = hear
    client.send(type="join", room=room, **more)
    await joined
    client.hear = None
