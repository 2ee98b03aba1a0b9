"""Transcodes that are being made: into the cache at full speed, and read from there by as many as
like, each at their own. A listener who takes nothing holds no encoder.

Processes of one machine share them too. Who finds a draft locked follows it, and says that it is
heard by a lock on a file beside it.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import structlog

from talas.core.disk_cache import DiskCache, Draft, take_draft
from talas.core.file_lock import FileLock, open_private
from talas.core.storage import READ_CHUNK, in_thread, read_at
from talas.domains.streaming.errors import StreamCut

LEAVE_S = 0.3
"""A player that looked at the beginning and comes again finds its transcode still there."""

_LOOK_EVERY_S = 0.02
_HEARD = ".heard"

log = structlog.get_logger()

Encode = Callable[[], AsyncGenerator[bytes, None]]


class Spool:
    """One transcode, for all listeners of this process. ``encode`` gives its bytes; it is used
    unless another process makes the same. ``forgotten`` ones are not kept. ``before`` is one of the
    same key that has been stopped."""

    def __init__(
        self, cache: DiskCache, key: str, encode: Encode, *, before: "Spool | None" = None
    ) -> None:
        self.key = key
        self.forgotten = False
        self._cache = cache
        self._encode = encode
        self._listeners = 0
        self._size = 0
        self._whole = False
        self._descriptor: int | None = None
        self._news = asyncio.Event()
        self._leaving: asyncio.Task[None] | None = None
        self._stopped = False
        self._follows = False
        self.task = asyncio.create_task(self._run(before))
        self.task.add_done_callback(self._ended)

    @property
    def is_open(self) -> bool:
        """Whether one may begin to listen, at once: nothing may be awaited in between."""
        return not self._stopped and not self.task.done()

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """All its bytes. Before the first one it raises what the making raises, later StreamCut.
        Whoever begins must close the generator."""
        self._listeners += 1
        offset = 0
        try:
            while True:
                if offset < self._size:
                    assert self._descriptor is not None
                    size = min(READ_CHUNK, self._size - offset)
                    chunk = await read_at(self._descriptor, size, offset)
                    offset += len(chunk)
                    yield chunk
                elif self._whole or self.task.done():
                    self._check_whole(begun=offset > 0)
                    return
                else:
                    await self._news.wait()
        finally:
            self._listeners -= 1
            self._left()

    def stop(self) -> None:
        self._stopped = True
        self.task.cancel()

    async def kept(self) -> None:
        """Until what is whole is in the cache, or could not be kept; at once where it is still
        being made."""
        if self._whole:
            await asyncio.wait({self.task})

    def _check_whole(self, *, begun: bool) -> None:
        if self._whole:
            return
        if self.task.cancelled():
            raise StreamCut("stopped")
        error = self.task.exception()
        if error is not None and begun:
            raise StreamCut(str(error)) from error
        if error is not None:
            raise error

    def _left(self) -> None:
        if self._listeners:
            return
        if self.task.done():
            self._close()
        elif self._leaving is None and not self._whole:
            self._leaving = asyncio.create_task(self._stop_unheard())

    async def _stop_unheard(self) -> None:
        await asyncio.sleep(LEAVE_S)
        while not self._listeners and not self._whole and not self.task.done():
            # Who follows another process is itself one whom that one hears of.
            if self._follows or not _is_heard(self._heard_path):
                self.stop()
                return
            await asyncio.sleep(LEAVE_S)
        self._leaving = None

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tell()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.info("stream.not_made", key=self.key, error=str(error))
        if not self._listeners:
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    async def _run(self, before: "Spool | None") -> None:
        if before is not None:
            await asyncio.wait({before.task})
        while True:
            draft = await take_draft(self._cache, self.key)
            if draft is not None:
                with draft:
                    await self._make(draft)
                return
            if await self._follow():
                return

    async def _make(self, draft: Draft) -> None:
        entry = self._cache.find(self.key)
        if entry is not None:
            self._open(entry.path)
            self._grow(entry.size)
            return
        self._open(draft.path)
        try:
            async with contextlib.aclosing(self._encode()) as chunks:
                async for chunk in chunks:
                    await in_thread(draft.append, chunk)
                    self._grow(draft.size)
        finally:
            self._heard_path.unlink(missing_ok=True)
        # Nobody who listens waits for the disk, which takes its time over what power cuts leave.
        self._whole = True
        self._tell()
        if not self.forgotten:
            await self._keep(draft)

    async def _keep(self, draft: Draft) -> None:
        """Who listens has the open file, whatever became of the folder."""
        try:
            await in_thread(draft.publish)
        except OSError as error:
            log.warning("cache.unusable", error=str(error))

    async def _follow(self) -> bool:
        """Grows with another process's draft; False where that one was given up before its first
        byte."""
        try:
            descriptor = self._open(self._cache.draft_path(self.key))
        except FileNotFoundError:
            return False
        heard = FileLock(self._heard_path)
        heard.shared()
        self._follows = True
        try:
            while _is_locked(descriptor):
                self._grow(os.fstat(descriptor).st_size)
                await asyncio.sleep(_LOOK_EVERY_S)
        finally:
            self._follows = False
            heard.release()
        entry, found = self._cache.find(self.key), os.fstat(descriptor)
        if entry is not None and os.path.samestat(found, entry.path.stat()):
            self._grow(entry.size)
            return True
        if self._size:
            raise StreamCut("another process gave it up")
        self._close()
        return False

    @property
    def _heard_path(self) -> Path:
        return self._cache.draft_path(self.key).with_suffix(_HEARD)

    def _open(self, path: Path) -> int:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptor

    def _grow(self, size: int) -> None:
        if size > self._size:
            self._size = size
            self._tell()

    def _tell(self) -> None:
        """Wakes who waits now; who comes to wait later waits for the next time."""
        news, self._news = self._news, asyncio.Event()
        news.set()


def _is_locked(draft: int) -> bool:
    """Until its maker has published it, given it up or died."""
    try:
        fcntl.flock(draft, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(draft, fcntl.LOCK_UN)
    return False


def _is_heard(path: Path) -> bool:
    if not path.exists():
        return False
    file = open_private(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        file.close()
    return False
