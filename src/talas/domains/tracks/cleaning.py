"""Storage and rows brought back together after what went wrong between them."""

import datetime as dt
import time

import structlog

from talas.core.database import Database
from talas.core.storage import ObjectMissing, Storage
from talas.core.uploads import ORIGINAL
from talas.domains.tracks import sql
from talas.domains.tracks.analysis import service as analysis
from talas.domains.tracks.analysis.sql import select_stalled
from talas.domains.tracks.objects import FOLDER, folder_of
from talas.domains.tracks.queue import AnalyseTrack

# A row comes within moments of its object; an hour leaves room for a slow commit.
ORPHAN_AGE = dt.timedelta(hours=1)
STALLED_AGE = dt.timedelta(minutes=30)
FILE_LOST = "The file has been lost from storage. Please upload it again."
_BATCH = 500

log = structlog.get_logger()


async def delete_orphans(
    db: Database, storage: Storage, *, older_than: dt.timedelta = ORPHAN_AGE
) -> int:
    """Removes what belongs to no track and has not changed for ``older_than``; how many tracks'
    worth that was."""
    deleted = await storage.clean_incoming(older_than)
    newest: dict[str, float] = {}
    async for item in storage.list_under(FOLDER):
        folder = folder_of(item.key)
        newest[folder] = max(newest.get(folder, 0.0), item.changed_at)
        if len(newest) > _BATCH:
            # The last folder may have more objects to come.
            last = {folder: newest.pop(folder)}
            deleted += await _delete_unknown(db, storage, newest, older_than)
            newest = last
    deleted += await _delete_unknown(db, storage, newest, older_than)
    if deleted:
        log.info("tracks.orphans_deleted", count=deleted)
    return deleted


async def _delete_unknown(
    db: Database, storage: Storage, newest: dict[str, float], older_than: dt.timedelta
) -> int:
    floor = time.time() - older_than.total_seconds()
    old = [f"{folder}/{ORIGINAL}" for folder, changed_at in newest.items() if changed_at < floor]
    if not old:
        return 0
    async with db.connection() as conn:
        known = await sql.select_known_keys(conn, old)
    orphans = [key for key in old if key not in known]
    for key in orphans:
        await storage.delete_under(folder_of(key))
    return len(orphans)


async def fail_tracks_without_file(db: Database, storage: Storage) -> int:
    """Looks at every track's file; how many had none."""
    lost, after_id = 0, 0
    while True:
        async with db.connection() as conn:
            tracks = await sql.select_stored(conn, after_id=after_id)
        if not tracks:
            return lost
        after_id = tracks[-1].id
        for track in tracks:
            try:
                await storage.size(track.storage_key)
            except ObjectMissing:
                lost += 1
                await _fail_lost(db, track.id)


async def _fail_lost(db: Database, track_id: int) -> None:
    log.error("track.file_lost", track_id=track_id)
    async with db.transaction() as conn:
        await analysis.set_failed(conn, track_id, FILE_LOST)


async def requeue_stalled(db: Database, *, older_than: dt.timedelta = STALLED_AGE) -> int:
    """Gives a job to every track that has waited too long: one whose job still waits or runs
    does not get a second. How many tracks that were."""
    async with db.transaction() as conn:
        stalled = await select_stalled(conn, older_than_s=older_than.total_seconds())
        for track in stalled:
            job = AnalyseTrack(track_id=track.id, storage_key=track.storage_key)
            await analysis.enqueue(conn, job, user_id=track.user_id)
    return len(stalled)
