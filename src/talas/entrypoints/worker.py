"""The worker process: runs jobs until SIGTERM, then ends what it has begun."""

import asyncio
import os
import signal

import structlog
import uvloop

from talas.core import counts, jobs
from talas.core.database import Database, is_unavailable
from talas.core.disk_cache import DiskCache
from talas.core.jobs import JobRunner
from talas.core.logging import configure_logging
from talas.core.memory import bound_arenas
from talas.core.metrics import sample_process
from talas.core.settings import Settings
from talas.core.storage import Storage
from talas.domains.auth.cleaning import delete_expired_sessions, delete_old_login_failures
from talas.domains.chat.attachments import jobs as attachments
from talas.domains.chat.invites.service import delete_expired_invites
from talas.domains.chat.rooms.deletion import delete_ended_mutes, purge_deleted_rooms
from talas.domains.docs import jobs as docs
from talas.domains.files import jobs as files
from talas.domains.listening.plays.service import fold_plays
from talas.domains.notifications import jobs as notifications
from talas.domains.streaming import cleaning as streaming
from talas.domains.tags.cleaning import delete_unused_tags
from talas.domains.tracks.jobs import TrackJobs

MAX_CONNECTIONS = 4
DRAIN_S = 10.0
HURRY_S = 3.0
CONNECT_EVERY_S = 1.0
IDLE_S = 1.0

log = structlog.get_logger()


def run(settings: Settings) -> None:
    """Blocks until SIGTERM or SIGINT. What has not ended 10 s later goes to another worker."""
    bound_arenas()
    configure_logging(settings.log_format, "worker")
    uvloop.run(_work(settings))


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    db = await _connect(settings, stop)
    if db is None:
        return
    assert settings.database.url is not None
    sampling = asyncio.create_task(sample_process("worker"))
    runner = JobRunner(settings.database.url, concurrency=os.cpu_count() or 1)
    storage = Storage.open(settings.files)
    TrackJobs(db, storage).register(runner)
    files.register(runner, db, storage)
    attachments.register(runner, db, storage)
    docs.register(runner, db, Storage.open_docs(settings.files))
    notifications.register(runner, db, settings)
    streaming.register(runner, db, DiskCache.open(settings.stream))
    runner.every("house.forget", "29 * * * *", lambda: _forget(db))
    runner.every("house.delete_unused_tags", "*/10 * * * *", lambda: _delete_unused_tags(db))
    runner.every("chat.clean_rooms", "*/10 * * * *", lambda: _clean_rooms(db))
    runner.every("house.fold_counts", "* * * * *", lambda: _fold_counts(db))
    runner.every("listening.fold_plays", "* * * * *", lambda: fold_plays(db))
    try:
        await _run_until(stop, runner)
    finally:
        sampling.cancel()
        await db.close()


async def _connect(settings: Settings, stop: asyncio.Event) -> Database | None:
    """The pool, as soon as the database answers; None when told to stop before."""
    while not stop.is_set():
        try:
            return await Database.connect(
                settings.database,
                application="talas worker",
                max_connections=MAX_CONNECTIONS,
                idle_s=IDLE_S,
            )
        except Exception as error:
            if not is_unavailable(error) and not isinstance(error, OSError):
                raise
            log.warning("worker.waits_for_database", error=str(error))
        await asyncio.sleep(CONNECT_EVERY_S)
    return None


async def _run_until(stop: asyncio.Event, runner: JobRunner) -> None:
    running = asyncio.create_task(runner.run())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    runner.stop()
    await asyncio.wait({running}, timeout=DRAIN_S)
    if not running.done():
        runner.hurry()
        await asyncio.wait({running}, timeout=HURRY_S)
    if running.done():
        running.result()
    else:
        log.warning("worker.left_jobs_behind")


async def _forget(db: Database) -> None:
    async with db.connection() as conn:
        await delete_expired_sessions(conn)
        await delete_old_login_failures(conn)
        await jobs.delete_old_log(conn)


async def _delete_unused_tags(db: Database) -> None:
    async with db.connection() as conn:
        await delete_unused_tags(conn)


async def _clean_rooms(db: Database) -> None:
    async with db.connection() as conn:
        await purge_deleted_rooms(conn)
        await delete_ended_mutes(conn)
        await delete_expired_invites(conn)


async def _fold_counts(db: Database) -> None:
    async with db.connection() as conn:
        await counts.fold(conn)
