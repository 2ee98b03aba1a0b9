"""A TCP proxy that cuts, stalls and drops, in the middle of a frame if it happens so."""

import asyncio
import contextlib
import random
from typing import Self

from tests.ports import free_port


class ChaosProxy:
    """``cut_after``: a connection is cut at latest after so many bytes from the server.
    ``swallow``: what the server says is thrown away. ``refuse``: new connections are closed at
    once."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._port = free_port()
        self.url = f"ws://127.0.0.1:{self._port}/"
        self._writers: set[asyncio.StreamWriter] = set()
        self._random = random.Random(1)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.cut_after: int | None = None
        self.refuse = self.swallow = False
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._flowing.set()
        self.cut()

    def cut(self) -> None:
        """All connections, without a word."""
        for writer in list(self._writers):
            writer.transport.abort()

    def stall(self) -> None:
        self._flowing.clear()

    def flow(self) -> None:
        self._flowing.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse:
            writer.transport.abort()
            return
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, far_writer}
        self._writers |= pair
        limit = self._random.randrange(200, self.cut_after) if self.cut_after else None
        try:
            await asyncio.gather(
                self._pump(reader, far_writer), self._pump(far_reader, writer, limit, back=True)
            )
        finally:
            self._writers -= pair
            for one in pair:
                one.transport.abort()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        limit: int | None = None,
        *,
        back: bool = False,
    ) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(4096):
                await self._flowing.wait()
                if back and self.swallow:
                    continue
                if limit is not None and passed + len(data) > limit:
                    writer.write(data[: max(0, limit - passed)])
                    await writer.drain()
                    break
                passed += len(data)
                writer.write(data)
                await writer.drain()
        # What is on its way is let through first, so that frames are cut in the middle.
        with contextlib.suppress(OSError):
            writer.close()
