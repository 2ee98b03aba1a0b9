"""A capped subprocess that has been started before it is needed.

Where one has just been used, another is likely to be, and Python and FFmpeg take longer to start
than most of what they are started for. It has seen no file and serves one alone, so nothing goes
from one file to another.
"""

from __future__ import annotations

import asyncio
import contextlib

from talas.audio import capped_process
from talas.audio.capped_process import Waiting

KEPT_S = 60.0
"""For so long after the last use: it holds 14 MiB of its own."""


class Standby:
    """At most one subprocess of `module` that waits. For one event loop; to be closed."""

    def __init__(self, module: str, *, kept_s: float = KEPT_S) -> None:
        self._module = module
        self._kept_s = kept_s
        self._ready: Waiting | None = None
        self._work: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self) -> Waiting:
        """The one that waits, which may have been killed, or a new one. Raises OSError where none
        can be started."""
        ready, self._ready = self._ready, None
        return ready or await capped_process.start_waiting(self._module)

    def renew(self) -> None:
        """Has one wait from soon on, for a while."""
        if self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._kept_s, self._let_go)
        if self._ready is None and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._start())

    async def close(self) -> None:
        """Ends the one that waits; there is none any more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self._end_after(self._work)

    async def _start(self) -> None:
        # Whoever needs one then is told.
        with contextlib.suppress(OSError):
            self._ready = await capped_process.start_waiting(self._module)

    def _let_go(self) -> None:
        self._work = asyncio.create_task(self._end_after(self._work))

    async def _end_after(self, work: asyncio.Task[None] | None) -> None:
        if work is not None:
            await asyncio.wait({work})
        ready, self._ready = self._ready, None
        if ready is not None:
            await ready.end()
