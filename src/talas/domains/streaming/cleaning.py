"""The cache without what belongs to no track any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog

from talas.core.database import Database, is_unavailable
from talas.core.disk_cache import DiskCache
from talas.core.events import EventListener
from talas.core.jobs import JobRunner
from talas.core.objects import ORIGINAL
from talas.domains.streaming.access import cache_folder
from talas.domains.streaming.metrics import CACHE_BYTES
from talas.domains.streaming.service import Streaming
from talas.domains.tracks.objects import FOLDER
from talas.domains.tracks.service import DELETED, known_storage_keys

_BATCH = 500
_TELL_EVERY_S = 5.0

log = structlog.get_logger()


@contextlib.asynccontextmanager
async def cleaning(
    streaming: Streaming, db: Database, events: EventListener
) -> AsyncIterator[None]:
    """For as long as the block lasts, the cache lets go of tracks as they are deleted; what was
    missed while nobody listened for that goes when somebody does again. Then encoders end."""
    sweeps: set[asyncio.Task[None]] = set()

    def sweep() -> None:
        task = asyncio.create_task(_sweep(db, streaming.cache))
        sweeps.add(task)
        task.add_done_callback(sweeps.discard)

    events.on(DELETED, lambda event: streaming.forget(cache_folder(event["storage_key"])))
    events.on_gap(sweep)
    sweep()
    telling = asyncio.create_task(_tell_size(streaming.cache))
    try:
        yield
    finally:
        for task in (telling, *sweeps):
            task.cancel()
        await streaming.close()


def register(runner: JobRunner, db: Database, cache: DiskCache) -> None:
    """Every day, on the worker's machine; the other machines do it whenever they begin to listen
    for events."""
    runner.every("streaming.clean_cache", "23 3 * * *", lambda: delete_unknown(db, cache))


async def delete_unknown(db: Database, cache: DiskCache) -> int:
    """Removes what belongs to no track, what killed makers left behind, and counts anew; how many
    tracks' worth went."""
    folders = await asyncio.to_thread(cache.folders)
    deleted = 0
    for start in range(0, len(folders), _BATCH):
        keys = {f"{FOLDER}/{name}/{ORIGINAL}": name for name in folders[start : start + _BATCH]}
        async with db.connection() as conn:
            known = await known_storage_keys(conn, list(keys))
        for key in keys.keys() - known:
            await asyncio.to_thread(cache.forget, keys[key])
            deleted += 1
    await asyncio.to_thread(cache.clean)
    await asyncio.to_thread(cache.recount)
    if deleted:
        log.info("cache.unknown_deleted", tracks=deleted)
    return deleted


async def _sweep(db: Database, cache: DiskCache) -> None:
    try:
        await delete_unknown(db, cache)
    except Exception as error:
        # The next day, or the next gap, has another.
        if not is_unavailable(error) and not isinstance(error, OSError):
            raise
        log.warning("cache.not_cleaned", error=str(error))


async def _tell_size(cache: DiskCache) -> None:
    while True:
        # Without a folder that can be used there is nothing to tell; who serves logs it.
        with contextlib.suppress(OSError):
            CACHE_BYTES.set(await asyncio.to_thread(cache.counted_bytes))
        await asyncio.sleep(_TELL_EVERY_S)
