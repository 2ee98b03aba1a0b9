"""Transcodes that are not kept: at the pace of who listens, and ended from outside."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from talas.domains.streaming.errors import StreamCut

_Chunks = AsyncGenerator[bytes, None]


class Relay:
    """One encode for one listener. It runs in a task of its own, which can be stopped while its
    listener is busy with what they got."""

    def __init__(self, chunks: _Chunks) -> None:
        self._chunks = chunks
        self._taken: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1)
        self.task = asyncio.create_task(self._run())

    async def listen(self) -> _Chunks:
        """All its bytes. Before the first it raises what the encode raises, later StreamCut. To be
        closed by who begins, which ends the encode."""
        begun = False
        try:
            while (chunk := await self._next()) is not None:
                begun = True
                yield chunk
            self._check_whole(begun=begun)
        finally:
            self.stop()
            await asyncio.wait({self.task})

    def stop(self) -> None:
        self.task.cancel()

    async def _run(self) -> None:
        async with contextlib.aclosing(self._chunks) as chunks:
            async for chunk in chunks:
                await self._taken.put(chunk)

    async def _next(self) -> bytes | None:
        """None after the last."""
        if self._taken.empty() and not self.task.done():
            taking = asyncio.ensure_future(self._taken.get())
            try:
                await asyncio.wait({taking, self.task}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                chunk = taking.result() if taking.done() else None
                taking.cancel()
            if chunk is not None:
                return chunk
        return None if self._taken.empty() else self._taken.get_nowait()

    def _check_whole(self, *, begun: bool) -> None:
        if self.task.cancelled():
            raise StreamCut("stopped")
        error = self.task.exception()
        if error is not None and begun:
            raise StreamCut(str(error)) from error
        if error is not None:
            raise error
