"""One track, from its file in storage to what is known of it in the database."""

import tempfile
from pathlib import Path

import structlog

from talas.audio.containers import CONTAINERS
from talas.audio.errors import AudioError
from talas.audio.measurements import AnalysisResult
from talas.audio.process import analyse_file
from talas.core.database import Database
from talas.core.errors import Unavailable
from talas.core.objects import folder_of
from talas.core.storage import ObjectMissing, Storage
from talas.domains.tracks import cleaning
from talas.domains.tracks.analysis import service, sql
from talas.domains.tracks.queue import AnalyseTrack

# Twelve hours of stereo take 150 to 300 s, whatever their size; a large file may be dearer to read.
CPU_LIMIT_S = 480.0
CPU_LIMIT_PER_MEBIBYTE_S = 1.0
MAX_CPU_LIMIT_S = 600.0
# By the clock as well, on a machine that has other things to do.
WALL_PER_CPU = 2.0
WALL_GRACE_S = 30.0
MEMORY_LIMIT_BYTES = 768 * 1024 * 1024
BROKE_DOWN = "The file could not be analysed. Please upload it again."
FILE_MISSING = "The file is missing from storage. Please upload it again."

log = structlog.get_logger()


class Analyser:
    """Does one job at a time, or several at once."""

    def __init__(self, db: Database, storage: Storage) -> None:
        self._db = db
        self._storage = storage

    async def analyse(self, job: AnalyseTrack) -> None:
        """Ends with the track ready or failed, or with nothing left of one deleted meanwhile. A
        track that was ready before stays so, and plays on, whatever comes of it."""
        async with self._db.connection() as conn:
            track = await sql.select_to_analyse(conn, job.track_id, again=job.again)
            exists = track is not None or await sql.select_track_exists(conn, job.track_id)
        if not exists:
            await self._storage.delete_under(folder_of(job.storage_key))
        if track is None:
            return
        try:
            result = await self._measured(track)
        except AudioError as error:
            log.info("track.failed", track_id=track.id, reason=error.reason, detail=error.detail)
            await self.fail(job, error.reason)
        except ObjectMissing:
            await self._miss(job, track)
        else:
            await service.store_objects(self._storage, job.storage_key, result)
            async with self._db.transaction() as conn:
                alive = await service.set_ready(conn, track, job, result)
            if not alive:
                await self._clean_up_after_deletion(job)

    async def fail(self, job: AnalyseTrack, reason: str) -> None:
        async with self._db.transaction() as conn:
            if job.again:
                await service.keep(conn, job.track_id, reason)
            else:
                await service.set_failed(conn, job.track_id, reason)

    async def _miss(self, job: AnalyseTrack, track: sql.WaitingRow) -> None:
        """The file is not there: a track that was ready is none any more, unless it is the whole
        storage that is away."""
        if track.status != "ready":
            await self.fail(job, FILE_MISSING)
            return
        try:
            await cleaning.fail_lost(self._db, self._storage, track.id)
        except Unavailable as error:
            log.error("track.kept", track_id=track.id, reason=error.message)
            async with self._db.transaction() as conn:
                await service.keep(conn, track.id, error.message, looked_at=False)

    async def _measured(self, track: sql.WaitingRow) -> AnalysisResult:
        local = self._storage.local_path(track.storage_key)
        if local is not None:
            return await self._analysed(local, track)
        with tempfile.TemporaryDirectory(prefix="talas-") as folder:
            copy = Path(folder) / "original"
            await self._storage.download(track.storage_key, copy)
            return await self._analysed(copy, track)

    async def _analysed(self, path: Path, track: sql.WaitingRow) -> AnalysisResult:
        cpu_limit_s = cpu_limit_of(await self._storage.size(track.storage_key))
        try:
            return await analyse_file(
                path,
                CONTAINERS[track.container],
                wall_limit_s=WALL_PER_CPU * cpu_limit_s + WALL_GRACE_S,
                cpu_limit_s=cpu_limit_s,
                memory_limit_bytes=MEMORY_LIMIT_BYTES,
            )
        except FileNotFoundError as error:
            raise ObjectMissing(track.storage_key) from error

    async def _clean_up_after_deletion(self, job: AnalyseTrack) -> None:
        async with self._db.connection() as conn:
            if await sql.select_track_exists(conn, job.track_id):
                return
        await self._storage.delete_under(folder_of(job.storage_key))


def cpu_limit_of(size: int) -> float:
    """Seconds of processor time for a file of ``size`` bytes."""
    return min(MAX_CPU_LIMIT_S, CPU_LIMIT_S + CPU_LIMIT_PER_MEBIBYTE_S * size / 2**20)
