"""The index as an api process reads it: always the newest complete state on this machine."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
import tantivy

from talas.core.database import Database, is_unavailable
from talas.core.errors import Unavailable
from talas.domains.search import documents, generations, sql
from talas.domains.search.damage import IndexFailed, naming_failures
from talas.domains.search.stamp import Stamp, current_schema, read_stamp

FOLLOW_S = 0.25
_THREADS = 2
_NOT_READY = "Search is not ready yet: its index is being built; try again soon"
_FAILED = "Search could not be answered now; try again soon"

log = structlog.get_logger()

AnswerT = TypeVar("AnswerT")
_Version = tuple[int, int, int]


class _Opened(msgspec.Struct, frozen=True):
    generation: Path
    version: _Version
    index: tantivy.Index
    searcher: tantivy.Searcher
    stamp: Stamp


class FollowedIndex:
    """``core.search_index.SearchIndex``, of the generation that the folder names as current.
    ``trouble`` says why that one cannot be used, while it cannot; what was open before goes on
    answering."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trouble: str | None = "nothing has been opened yet"
        self._opened: _Opened | None = None
        self._seen: tuple[Path | None, _Version | None, str] | None = None
        self._refreshing = asyncio.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, "search")

    @property
    def index(self) -> tantivy.Index:
        return self._usable().index

    @property
    def stamp(self) -> Stamp | None:
        """Of what answers now."""
        return self._opened.stamp if self._opened is not None else None

    @property
    def generation(self) -> Path | None:
        """What answers now."""
        return self._opened.generation if self._opened is not None else None

    def searcher(self) -> tantivy.Searcher:
        return self._usable().searcher

    async def ask(self, question: Callable[[tantivy.Searcher], AnswerT]) -> AnswerT:
        searcher = self.searcher()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._asked, question, searcher)

    async def refresh(self, identity: str) -> None:
        """Goes to the newest state of the database that ``identity`` names."""
        async with self._refreshing:
            seen = (*self._look(), identity)
            if seen == self._seen and self.trouble is None:
                return
            loop = asyncio.get_running_loop()
            self.trouble = await loop.run_in_executor(self._threads, self._take, *seen)
            self._seen = seen

    async def follow(self, db: Database) -> None:
        """Keeps what is read up to date until it is cancelled."""
        complaint = ""
        while True:
            if self.trouble is not None or self._seen is None or self._look() != self._seen[:2]:
                try:
                    async with db.connection() as conn:
                        source = await sql.select_source(conn)
                    await self.refresh(source.identity)
                    complaint = ""
                except Exception as error:
                    if not is_unavailable(error) and str(error) != complaint:
                        log.exception("search.follow_failed")
                        complaint = str(error)
            await asyncio.sleep(FOLLOW_S)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _usable(self) -> _Opened:
        if self._opened is None:
            raise Unavailable(_NOT_READY)
        return self._opened

    def _asked(
        self, question: Callable[[tantivy.Searcher], AnswerT], searcher: tantivy.Searcher
    ) -> AnswerT:
        try:
            with naming_failures():
                return question(searcher)
        except IndexFailed:
            log.exception("search.question_failed")
            with contextlib.suppress(OSError):
                generations.suspect(self.folder)
            raise Unavailable(_FAILED) from None

    def _look(self) -> tuple[Path | None, _Version | None]:
        """Two system calls; another answer means that there is something new."""
        generation = generations.current(self.folder)
        if generation is None:
            return None, None
        try:
            meta = (generation / "meta.json").stat()
        except OSError:
            return generation, None
        return generation, (meta.st_ino, meta.st_mtime_ns, meta.st_size)

    def _take(self, generation: Path | None, version: _Version | None, identity: str) -> str | None:
        """The trouble with it, if any."""
        if generation is None:
            return "there is no index"
        if version is None:
            return "its files are gone"
        try:
            with naming_failures():
                opened = self._open(generation, version)
        except IndexFailed as error:
            return f"it cannot be opened: {error}"
        if opened is None:
            return "it has never been complete"
        if opened.stamp.schema != current_schema():
            return f"its schema is {opened.stamp.schema}, not {current_schema()}"
        if opened.stamp.identity != identity:
            return "it is of another database"
        self._opened = opened
        return None

    def _open(self, generation: Path, version: _Version) -> _Opened | None:
        if self._opened is not None and self._opened.generation == generation:
            index = self._opened.index
        else:
            index = tantivy.Index.open(str(generation))
            # No thread of its own that looks for changes: ``follow`` does.
            index.config_reader("manual")
            documents.register(index)
        index.reload()
        searcher = index.searcher()
        stamp = read_stamp(index, searcher)
        return None if stamp is None else _Opened(generation, version, index, searcher, stamp)
