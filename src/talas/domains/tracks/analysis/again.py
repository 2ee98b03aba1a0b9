"""Tracks looked at once more, after the analysers have improved or because somebody asks."""

import asyncio
import datetime as dt
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec

from talas.audio.measurements import ANALYSIS_VERSION
from talas.core import jobs
from talas.core.database import Connection, Database
from talas.core.errors import TalasError, Unavailable
from talas.core.storage import Storage
from talas.domains.tracks.analysis import service, sql
from talas.domains.tracks.analysis.analyser import Analyser
from talas.domains.tracks.queue import AnalyseTrack
from talas.domains.tracks.sql import select_now

STALE_AT_A_TIME = 20
WAITING_AT_A_TIME = 100
POLL_S = 0.3
WORKER_MAY_BE_AWAY_S = 20.0


class Outcome(msgspec.Struct, frozen=True):
    """``error`` says why a track stayed as it was, None where it was analysed. ``is_gone``: it was
    deleted meanwhile."""

    track_id: int
    title: str
    error: str | None = None
    is_gone: bool = False


class Selection(msgspec.Struct, frozen=True):
    """Tracks that are ready or have failed: those of one user, or all; ``stale``: those only that
    an older version has looked at."""

    user_id: int | None
    stale: bool


async def enqueue_stale(db: Database) -> int:
    """Has ready tracks of an older version analysed, after everything that somebody waits for. A
    few at a time, the next when this is called again; how many wait now."""
    async with db.transaction() as conn:
        stale = await sql.select_stale(conn, version=ANALYSIS_VERSION, limit=STALE_AT_A_TIME)
        for track in stale:
            await service.enqueue_again(conn, _job(track))
    return len(stale)


async def count(conn: Connection, selection: Selection) -> int:
    return await sql.count_to_repeat(
        conn, user_id=selection.user_id, before_version=_before_version(selection)
    )


async def through_worker(db: Database, selection: Selection) -> AsyncIterator[Outcome]:
    """Leaves the work to the workers, and tells of each track that they have done. Raises
    Unavailable where none has been there for a while."""
    async with db.connection() as conn:
        began_at = await select_now(conn)
    tracks = _selected(db, selection)
    waiting: dict[int, sql.RepeatRow] = {}
    seen_at = time.monotonic()
    while await _fill(db, tracks, waiting) or waiting:
        async with db.connection() as conn:
            ended = await _ended(conn, waiting, began_at)
            if await jobs.worker_listens(conn):
                seen_at = time.monotonic()
        for outcome in ended:
            del waiting[outcome.track_id]
            yield outcome
        if time.monotonic() - seen_at > WORKER_MAY_BE_AWAY_S:
            raise Unavailable(
                f"The worker has gone; {len(waiting)} tracks wait for it to come back"
            )
        if not ended:
            await asyncio.sleep(POLL_S)


async def directly(db: Database, storage: Storage, selection: Selection) -> AsyncIterator[Outcome]:
    """Does the work in this process, as many tracks at a time as there are processors."""
    async with db.connection() as conn:
        began_at = await select_now(conn)
    analyser = Analyser(db, storage)
    running: set[asyncio.Task[Outcome]] = set()
    try:
        async for track in _selected(db, selection):
            running.add(asyncio.create_task(_repeated(db, analyser, track, began_at)))
            if len(running) >= (os.cpu_count() or 1):
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        for task in running:
            yield await task
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _repeated(
    db: Database, analyser: Analyser, track: sql.RepeatRow, began_at: dt.datetime
) -> Outcome:
    try:
        await analyser.analyse(_job(track))
    except TalasError as error:
        return Outcome(track.id, track.title, error.message)
    except OSError as error:
        return Outcome(track.id, track.title, error.strerror or str(error))
    async with db.connection() as conn:
        ended = await _ended(conn, {track.id: track}, began_at)
    return ended[0] if ended else Outcome(track.id, track.title, "Somebody else analyses it now")


async def _fill(
    db: Database, tracks: AsyncGenerator[sql.RepeatRow, None], waiting: dict[int, sql.RepeatRow]
) -> bool:
    """Queues as many as may wait at a time. False when there are no more."""
    added: list[sql.RepeatRow] = []
    while len(waiting) < WAITING_AT_A_TIME:
        track = await anext(tracks, None)
        if track is None:
            break
        waiting[track.id] = track
        added.append(track)
    async with db.transaction() as conn:
        for track in added:
            await service.enqueue_again(conn, _job(track))
    return bool(added)


async def _ended(
    conn: Connection, waiting: dict[int, sql.RepeatRow], began_at: dt.datetime
) -> list[Outcome]:
    known = {row.id: row for row in await sql.select_analysed(conn, list(waiting))}
    ended = []
    for track_id, track in waiting.items():
        row = known.get(track_id)
        if row is None:
            ended.append(Outcome(track_id, track.title, is_gone=True))
        elif row.analysed_at is not None and row.analysed_at >= began_at:
            ended.append(Outcome(track_id, track.title, row.error))
    return ended


async def _selected(db: Database, selection: Selection) -> AsyncGenerator[sql.RepeatRow, None]:
    after_id = 0
    while True:
        async with db.connection() as conn:
            rows = await sql.select_to_repeat(
                conn,
                after_id,
                user_id=selection.user_id,
                before_version=_before_version(selection),
            )
        if not rows:
            return
        for row in rows:
            yield row
        after_id = rows[-1].id


def _before_version(selection: Selection) -> int | None:
    return ANALYSIS_VERSION if selection.stale else None


def _job(track: sql.RepeatRow) -> AnalyseTrack:
    return AnalyseTrack(track_id=track.id, storage_key=track.storage_key, again=True)
