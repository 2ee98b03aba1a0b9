"""Storage and rows brought back together after what went wrong between them."""

import contextlib
import datetime as dt

import structlog

from talas.core import reconciling
from talas.core.database import Database
from talas.core.errors import Unavailable
from talas.core.reconciling import ORPHAN_AGE, Shelf, find_lost, is_empty
from talas.core.storage import Storage
from talas.domains.tracks import sql
from talas.domains.tracks.analysis import service as analysis
from talas.domains.tracks.analysis.sql import select_stalled
from talas.domains.tracks.objects import FOLDER
from talas.domains.tracks.queue import AnalyseTrack

STALLED_AGE = dt.timedelta(minutes=30)
FILE_LOST = "The file has been lost from storage. Please upload it again."

log = structlog.get_logger()


def shelf(storage: Storage) -> Shelf:
    return Shelf("tracks", FOLDER, storage, sql.select_known_keys, sql.select_stored)


async def delete_orphans(
    db: Database, storage: Storage, *, older_than: dt.timedelta = ORPHAN_AGE
) -> int:
    """Removes what belongs to no track and has not changed for ``older_than``; how many tracks'
    worth that was."""
    return await reconciling.delete_orphans(db, shelf(storage), older_than=older_than)


async def fail_tracks_without_file(db: Database, storage: Storage) -> int:
    """Looks at every track's file; how many had none. Raises as ``fail_lost``."""
    lost = 0
    async with contextlib.aclosing(find_lost(db, shelf(storage))) as tracks:
        async for track in tracks:
            await fail_lost(db, storage, track.id)
            lost += 1
    return lost


async def fail_lost(db: Database, storage: Storage, track_id: int) -> None:
    """Marks a track whose file is gone. Raises Unavailable where no track has a file: then it is
    the storage that is gone, and will be back."""
    if await is_empty(shelf(storage)):
        raise Unavailable("The storage holds no track at all; is its disk mounted?")
    log.error("track.file_lost", track_id=track_id)
    async with db.transaction() as conn:
        # Should it come back, it has yet to be looked at.
        await analysis.set_failed(conn, track_id, FILE_LOST, version=0)


async def requeue_stalled(db: Database, *, older_than: dt.timedelta = STALLED_AGE) -> int:
    """Gives a job to every track that has waited too long: one whose job still waits or runs
    does not get a second. How many tracks that were."""
    async with db.transaction() as conn:
        stalled = await select_stalled(conn, older_than_s=older_than.total_seconds())
        for track in stalled:
            job = AnalyseTrack(track_id=track.id, storage_key=track.storage_key)
            await analysis.enqueue(conn, job, user_id=track.user_id)
    return len(stalled)
