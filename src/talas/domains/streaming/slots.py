"""How many encoders run on one machine at a time, whichever processes started them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from talas.core.file_lock import FileLock
from talas.domains.streaming.errors import EncodersBusy
from talas.domains.streaming.metrics import WAITING

_LOOK_EVERY_S = 0.01


def cores() -> int:
    """As many as this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class EncoderSlots:
    """``count`` places of one ``kind``. A place is a locked file: however its holder ends, it is
    free again. In a process, who came first gets the next one."""

    def __init__(self, folder: Path, kind: str, count: int) -> None:
        self._paths = [folder / f"{kind}-{number}.lock" for number in range(count)]
        self._kind = kind
        self._turn = asyncio.Lock()
        self._waiting = 0

    @contextlib.asynccontextmanager
    async def slot(
        self, within_s: float, *, on_wait: Callable[[], None] | None = None
    ) -> AsyncIterator[None]:
        """``on_wait`` is called where there is none yet. Raises EncodersBusy where none gets free
        in time."""
        lock = None if self._waiting else self._try_take()
        if lock is None:
            if on_wait is not None:
                on_wait()
            lock = await self._wait(within_s)
        try:
            yield
        finally:
            lock.release()

    @contextlib.asynccontextmanager
    async def spare_slot(self) -> AsyncIterator[None]:
        """Raises EncodersBusy at once where none is free, or others wait for it."""
        lock = None if self._waiting else self._try_take()
        if lock is None:
            raise EncodersBusy
        try:
            yield
        finally:
            lock.release()

    async def _wait(self, within_s: float) -> FileLock:
        self._tell_waiting(+1)
        try:
            async with asyncio.timeout(within_s), self._turn:
                # The holder may be another process, which tells nobody.
                while (lock := self._try_take()) is None:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_EVERY_S)
                return lock
        except TimeoutError:
            raise EncodersBusy from None
        finally:
            self._tell_waiting(-1)

    def _tell_waiting(self, change: int) -> None:
        self._waiting += change
        WAITING.labels(self._kind).set(self._waiting)

    def _try_take(self) -> FileLock | None:
        for path in self._paths:
            lock = FileLock(path)
            if lock.try_exclusive():
                return lock
            lock.release()
        return None
