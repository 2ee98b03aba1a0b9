"""Keeps the index of this machine like the database: takes changes in, and builds the index anew
when it is lost, damaged or of no use.

Of the api processes that share the folder, one does this: whoever holds ``feeder.lock``.
"""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from talas.core.database import Database, is_unavailable
from talas.core.errors import Conflict
from talas.core.file_lock import FileLock
from talas.domains.search import generations, metrics, sql
from talas.domains.search.changes import read_changes
from talas.domains.search.damage import Damaged, IndexFailed, check_files
from talas.domains.search.index import FollowedIndex
from talas.domains.search.rebuild import BESIDE_REQUESTS, clean_up, rebuild
from talas.domains.search.stamp import Stamp
from talas.domains.search.writer import GenerationWriter

POLL_S = 0.3
LOCK_POLL_S = 0.5
BATCH = 500
MOVE = 5_000
COMMIT_EVERY = 5_000
WRITER_IDLE_S = 30.0
CHECK_EVERY_S = 10.0
HEAP = 15_000_000
FORGET_EVERY_S = 60.0
KEEP_S = 24 * 3600.0
KEEP = 1_000_000
FORGET_STEP = 20_000
MAX_PAUSE_S = 10.0

_FIRST = "there is no index"
log = structlog.get_logger()

AnswerT = TypeVar("AnswerT")


class Feeder:
    """``run`` until it is cancelled. Nothing that goes wrong ends it."""

    def __init__(self, db: Database, search: FollowedIndex) -> None:
        self._db = db
        self._search = search
        self._folder = search.folder
        self._thread = ThreadPoolExecutor(1, "search-feed")
        self._writer: GenerationWriter | None = None
        self._wrote_at = 0.0
        self._checked: Path | None = None
        self._checked_at = 0.0
        self._forget_at = time.monotonic() + FORGET_EVERY_S
        self._complaint = ""
        self._pause_s = 0.0

    async def run(self) -> None:
        try:
            while True:
                lock = await self._try_lock()
                if lock is None:
                    await asyncio.sleep(max(LOCK_POLL_S, self._pause_s))
                    continue
                try:
                    await self._feed_while_held()
                finally:
                    await asyncio.shield(self._close_writer())
                    lock.release()
        finally:
            self._thread.shutdown(wait=False)

    async def _try_lock(self) -> FileLock | None:
        try:
            generations.make_folder(self._folder)
            lock = FileLock(self._folder / generations.FEEDER_LOCK)
            if lock.try_exclusive():
                return lock
            lock.release()
        except OSError as error:
            self._complain("search.folder_unusable", error)
        return None

    async def _feed_while_held(self) -> None:
        """Until the lock's file is no more: who comes next would lock another."""
        path = self._folder / generations.FEEDER_LOCK
        held = _inode(path)
        while held is not None and _inode(path) == held:
            busy = await self._try_round()
            if not busy:
                await asyncio.sleep(max(POLL_S, self._pause_s))

    async def _try_round(self) -> bool:
        """Whether there is more to do at once."""
        try:
            busy = await self._round()
        except (IndexFailed, OSError) as error:
            await self._close_writer()
            if is_unavailable(error):
                self._complain("search.database_away", error)
            else:
                self._checked = None
                self._complain("search.feeding_failed", error)
            return False
        except Exception as error:
            await self._close_writer()
            self._complain("search.feeding_failed", error, unexpected=not is_unavailable(error))
            return False
        if self._complaint:
            log.info("search.recovered")
        self._complaint, self._pause_s = "", 0.0
        return busy

    async def _round(self) -> bool:
        source = await self._read_source()
        await self._search.refresh(source.identity)
        stamp = self._search.stamp
        if stamp is not None and stamp.position > source.position:
            # Somebody has switched to a generation that knows of more than was read above.
            source = await self._read_source()
        reason = await self._reason_to_rebuild(source)
        if reason is not None or stamp is None:
            return await self._rebuild(reason or _FIRST)
        if time.monotonic() >= self._forget_at:
            await self._forget()
        return await self._take_in(source)

    async def _read_source(self) -> sql.Source:
        async with self._db.connection() as conn:
            return await sql.select_source(conn)

    async def _reason_to_rebuild(self, source: sql.Source) -> str | None:
        if self._search.trouble is not None:
            return self._search.trouble
        stamp, generation = self._search.stamp, self._search.generation
        assert stamp is not None
        assert generation is not None
        if stamp.position < source.forgotten:
            return "the changes that it lacks have been forgotten"
        if stamp.position > source.position:
            return "it knows changes that the database does not"
        if self._checked != generation:
            await self._in_thread(clean_up, self._folder)
        elif not self._is_suspected():
            return None
        await self._close_writer()
        try:
            await self._in_thread(check_files, generation)
        except Damaged as damage:
            return f"it is damaged: {damage}"
        self._checked, self._checked_at = generation, time.monotonic()
        return None

    def _is_suspected(self) -> bool:
        """Not all the time, whatever somebody asks that the index cannot answer."""
        if time.monotonic() - self._checked_at < CHECK_EVERY_S:
            return False
        return generations.take_suspicion(self._folder)

    async def _rebuild(self, reason: str) -> bool:
        """Queries are answered by what is open, if anything is, until the new one is complete."""
        await self._close_writer()
        tell = log.info if reason == _FIRST else log.warning
        tell("search.rebuilding", reason=reason)
        began_at = time.monotonic()
        try:
            self._checked = await rebuild(self._db, self._folder, BESIDE_REQUESTS)
        except Conflict:
            log.info("search.rebuilt_elsewhere")
            return False
        metrics.REBUILDS.inc()
        await self._search.refresh((await self._read_source()).identity)
        log.info("search.rebuilt", seconds=round(time.monotonic() - began_at, 1))
        return True

    async def _take_in(self, source: sql.Source) -> bool:
        end = source.position
        if source.has_intake:
            async with self._db.connection() as conn:
                end = await sql.move_intake(conn, limit=MOVE) or end
        stamp = self._search.stamp
        assert stamp is not None
        if stamp.position < end:
            stamp = await self._write(stamp, end)
        elif time.monotonic() - self._wrote_at > WRITER_IDLE_S:
            await self._close_writer()
        metrics.CHANGES_BEHIND.set(end - stamp.position)
        metrics.DOCUMENTS.set(self._search.searcher().num_docs - 1)
        if stamp.position >= end:
            metrics.SECONDS_BEHIND.set(0)
        return stamp.position < end or end - source.position >= MOVE

    async def _write(self, stamp: Stamp, end: int) -> Stamp:
        """One commit of changes up to ``end``, or of as many as go into one commit."""
        writer = await self._open_writer()
        began = stamp.position
        while stamp.position < end and stamp.position - began < COMMIT_EVERY:
            async with self._db.connection() as conn:
                changes = await read_changes(conn, after=stamp.position, limit=BATCH)
            if changes is None:
                break
            age = dt.datetime.now(dt.UTC) - changes.oldest
            metrics.SECONDS_BEHIND.set(max(0.0, age.total_seconds()))
            for kind, (ids, entities) in changes.rows.items():
                await self._in_thread(writer.replace, kind, ids, entities)
            stamp = msgspec.structs.replace(stamp, position=changes.position)
        await self._in_thread(writer.commit, stamp)
        self._wrote_at = time.monotonic()
        await self._search.refresh(stamp.identity)
        return stamp

    async def _open_writer(self) -> GenerationWriter:
        """Only while there is something to write: it takes memory."""
        generation = self._search.generation
        assert generation is not None
        if self._writer is not None and self._writer.generation != generation:
            await self._close_writer()
        if self._writer is None:
            self._writer = await self._in_thread(self._new_writer, generation)
        return self._writer

    def _new_writer(self, generation: Path) -> GenerationWriter:
        return GenerationWriter(generation, heap=HEAP, pause_s=BESIDE_REQUESTS.pause_s)

    async def _close_writer(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await self._in_thread(writer.close)

    async def _forget(self) -> None:
        async with self._db.connection() as conn:
            forgotten = await sql.forget_log(
                conn, older_than_s=KEEP_S, beyond=KEEP, step=FORGET_STEP
            )
        if forgotten is None:
            self._forget_at = time.monotonic() + FORGET_EVERY_S

    def _complain(self, event: str, error: Exception, *, unexpected: bool = False) -> None:
        """Once for as long as it lasts; the tries become rarer."""
        complaint = f"{event}: {error}"
        if complaint != self._complaint:
            if unexpected:
                log.exception(event)
            else:
                log.error(event, error=str(error))
        self._complaint = complaint
        self._pause_s = min(MAX_PAUSE_S, max(POLL_S, 2 * self._pause_s))

    def _in_thread(self, act: Callable[..., AnswerT], *arguments: object) -> Awaitable[AnswerT]:
        return asyncio.get_running_loop().run_in_executor(self._thread, act, *arguments)


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


@contextlib.asynccontextmanager
async def feeding(search: FollowedIndex, db: Database) -> AsyncIterator[FollowedIndex]:
    """``search``, followed and in its turn fed for as long as the block lasts."""
    tasks = [asyncio.create_task(search.follow(db)), asyncio.create_task(Feeder(db, search).run())]
    try:
        yield search
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        search.close()
