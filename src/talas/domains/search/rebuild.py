"""The whole index anew, beside the one that answers meanwhile."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec

from talas.core.database import Database
from talas.core.errors import Conflict
from talas.core.file_lock import FileLock
from talas.domains.search import generations, sql
from talas.domains.search.changes import read_changes
from talas.domains.search.entities import Entity
from talas.domains.search.stamp import Stamp, current_schema
from talas.domains.search.writer import GenerationWriter

PAGE = 500
MOVE = 20_000
FEW = 1_000
# tantivy merges segments that are about as large as soon as there are so many.
_MERGED = 8
_LARGEST_COMMIT = 30_000

Report = Callable[[str, int], None]
AnswerT = TypeVar("AnswerT")


class Pace(msgspec.Struct, frozen=True):
    """``heap`` in bytes, for all ``threads`` that index; ``pause_s`` after every few documents."""

    heap: int
    threads: int
    pause_s: float = 0.0


ALONE = Pace(heap=200_000_000, threads=1)
BESIDE_REQUESTS = Pace(heap=30_000_000, threads=1, pause_s=0.001)


def commit_every(count: int) -> int:
    """After how many of ``count`` documents to commit so that they end up in one segment, or
    nearly: a search for words that are misspelt goes through the words of every segment."""
    commits = _MERGED
    while count > commits * _LARGEST_COMMIT:
        commits *= _MERGED
    return max(PAGE, math.ceil(count / commits))


async def rebuild(db: Database, folder: Path, pace: Pace, report: Report | None = None) -> Path:
    """The new generation, once it is the current one. ``report`` hears of each page: its kind, and
    how many rows it had.

    Raises Conflict when another process is at it, IndexFailed and OSError when the disk refuses.
    Cancelled or killed, it leaves the old generation as it was.
    """
    generations.make_folder(folder)
    lock = FileLock(folder / generations.REBUILD_LOCK)
    try:
        if not lock.try_exclusive():
            raise Conflict("The search index is being rebuilt already; wait until that has ended")
        generations.delete_others(folder)
        try:
            await _Build(db, generations.create(folder), pace, report).run()
        finally:
            generations.delete_others(folder)
    finally:
        lock.release()
    current = generations.current(folder)
    assert current is not None
    return current


def clean_up(folder: Path) -> None:
    """Deletes what no longer answers, and what was left half built by a process that was killed."""
    lock = FileLock(folder / generations.REBUILD_LOCK)
    try:
        if lock.try_exclusive():
            generations.delete_others(folder)
    finally:
        lock.release()


class _Build:
    """One generation on its way. What blocks runs in a thread of its own, one thing at a time."""

    def __init__(self, db: Database, generation: Path, pace: Pace, report: Report | None) -> None:
        self._db = db
        self._generation = generation
        self._pace = pace
        self._report = report
        self._thread = ThreadPoolExecutor(1, "search-rebuild")
        self._every = PAGE
        self._uncommitted = 0

    async def run(self) -> None:
        writer: GenerationWriter | None = None
        try:
            writer = await self._in_thread(self._open_writer)
            await self._fill(writer)
            await self._in_thread(writer.finish)
            generations.switch(self._generation.parent, self._generation)
        finally:
            # In turn, after what may still be running when this was cancelled.
            if writer is not None:
                await asyncio.shield(self._in_thread(writer.close))
            self._thread.shutdown(wait=False)

    async def _fill(self, writer: GenerationWriter) -> None:
        """Changes that commit meanwhile have a later position, and are taken in at the end."""
        source = await self._read_source()
        async with self._db.connection() as conn:
            self._every = commit_every(sum((await sql.count_rows(conn)).values()))
        for kind in sql.KINDS:
            await self._fill_kind(writer, kind)
        end = (await self._read_source()).position
        await self._catch_up(writer, source.position, end)
        stamp = Stamp(source.identity, current_schema(), end)
        await self._in_thread(writer.commit, stamp)

    async def _read_source(self) -> sql.Source:
        """When what has committed so far has its position, unless somebody else sees to that."""
        async with self._db.connection() as conn:
            position = (await sql.select_source(conn)).position
            while moved_to := await sql.move_intake(conn, limit=MOVE):
                # Under steady writing there is always a little left.
                if moved_to - position < FEW:
                    break
                position = moved_to
            return await sql.select_source(conn)

    async def _fill_kind(self, writer: GenerationWriter, kind: str) -> None:
        """The next page is read while one is indexed."""
        page = await self._read_page(kind, 0)
        while page:
            reading = asyncio.create_task(self._read_page(kind, page[-1].id))
            try:
                await self._in_thread(writer.add, page)
                self._uncommitted += len(page)
                if self._uncommitted >= self._every:
                    await self._in_thread(writer.commit_part)
                    self._uncommitted = 0
            finally:
                if not reading.done():
                    await asyncio.wait({reading})
            if self._report is not None:
                self._report(kind, len(page))
            page = reading.result()

    async def _read_page(self, kind: str, after: int) -> list[Entity]:
        async with self._db.connection() as conn:
            return await sql.select_entities_after(conn, kind, after=after, limit=PAGE)

    async def _catch_up(self, writer: GenerationWriter, position: int, end: int) -> None:
        while position < end:
            async with self._db.connection() as conn:
                changes = await read_changes(conn, after=position, limit=min(PAGE, end - position))
            if changes is None:
                return
            for kind, (ids, entities) in changes.rows.items():
                await self._in_thread(writer.replace, kind, ids, entities)
            position = changes.position

    def _open_writer(self) -> GenerationWriter:
        pace = self._pace
        return GenerationWriter(
            self._generation, heap=pace.heap, threads=pace.threads, pause_s=pace.pause_s
        )

    def _in_thread(self, act: Callable[..., AnswerT], *arguments: object) -> Awaitable[AnswerT]:
        return asyncio.get_running_loop().run_in_executor(self._thread, act, *arguments)
