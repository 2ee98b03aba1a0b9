"""What becomes of a track once its file has been measured."""

from talas.audio.containers import CONTAINERS
from talas.audio.measurements import ANALYSIS_VERSION, FEATURES_VERSION, AnalysisResult
from talas.core import jobs
from talas.core.database import Connection
from talas.core.events import publish
from talas.core.storage import Storage
from talas.domains.tracks.analysis import sql
from talas.domains.tracks.objects import (
    COVER,
    SEEK_INDEX,
    WAVEFORM_DAT,
    WAVEFORM_PNG,
    sibling,
)
from talas.domains.tracks.queue import ANALYSE, AnalyseTrack

MAX_TEXT = 200
LAST_PLACE = 10_000
USER_NOTIFY = "user.notify"


async def enqueue(conn: Connection, job: AnalyseTrack, *, user_id: int) -> None:
    """The more tracks of its uploader wait, the later: nobody waits behind all of another's. A
    track whose job waits or runs gets no second."""
    waiting = await sql.count_unanalysed(conn, user_id, most=LAST_PLACE)
    unique = f"{ANALYSE}:{job.track_id}"
    await jobs.enqueue(conn, ANALYSE, job, priority=-waiting, unique=unique)


async def enqueue_again(conn: Connection, job: AnalyseTrack) -> None:
    """After all that people wait for."""
    unique = f"{ANALYSE}:{job.track_id}"
    await jobs.enqueue(conn, ANALYSE, job, priority=-LAST_PLACE - 1, unique=unique)


async def store_objects(storage: Storage, storage_key: str, result: AnalysisResult) -> None:
    """The seek index, the waveform and the cover, under names that a second run overwrites."""
    await storage.put(sibling(storage_key, SEEK_INDEX), result.seek_index)
    await storage.put(sibling(storage_key, WAVEFORM_DAT), result.waveform_dat)
    await storage.put(sibling(storage_key, WAVEFORM_PNG), result.waveform_png)
    if result.cover_jpeg is not None:
        await storage.put(sibling(storage_key, COVER), result.cover_jpeg)


async def set_ready(
    conn: Connection, track: sql.WaitingRow, job: AnalyseTrack, result: AnalysisResult
) -> bool:
    """False when the track is not waiting any more. Its uploader hears of it, unless it was ready
    before."""
    row = _ready_row(track.id, job, result)
    title = await sql.update_track_ready(conn, row, again=job.again)
    if title is None:
        return False
    if result.features is None:
        await sql.delete_features(conn, track.id)
    else:
        await sql.upsert_features(conn, track.id, version=FEATURES_VERSION, vector=result.features)
    if track.status == "ready":
        return True
    data = {"id": track.id, "status": "ready", "title": title}
    await publish(conn, USER_NOTIFY, user_id=track.user_id, type="track", data=data)
    return True


def _ready_row(track_id: int, job: AnalyseTrack, result: AnalysisResult) -> sql.ReadyRow:
    facts, tags = result.measurements, result.measurements.tags
    return sql.ReadyRow(
        id=track_id,
        container=facts.format,
        media_type=CONTAINERS[facts.format].media_type,
        codec=facts.codec,
        samples=facts.samples,
        duration_ms=facts.duration_ms,
        sample_rate=facts.sample_rate,
        channels=facts.channels,
        bitrate=facts.bitrate,
        loudness_lufs=facts.loudness_lufs,
        peak_dbtp=facts.peak_dbtp,
        bpm=facts.bpm,
        bpm_confidence=facts.bpm_confidence,
        key=facts.key,
        key_confidence=facts.key_confidence,
        silence_lead_ms=facts.leading_silence_ms,
        silence_tail_ms=facts.trailing_silence_ms,
        has_cover=result.cover_jpeg is not None,
        album=tags.album,
        genre=tags.genre,
        recorded_on=tags.date,
        track_number=tags.track_number,
        placeholder_title=job.placeholder_title,
        title=tags.title and tags.title[:MAX_TEXT],
        placeholder_artist=job.placeholder_artist,
        artist=tags.artist and tags.artist[:MAX_TEXT],
        analysis_version=ANALYSIS_VERSION,
    )


async def keep(conn: Connection, track_id: int, reason: str, *, looked_at: bool = True) -> None:
    """A track that was analysed in vain stays ready, or failed, which it then is for ``reason``.
    It is not stale any more, unless its file was not even looked at."""
    version = ANALYSIS_VERSION if looked_at else None
    await sql.update_track_kept(conn, track_id, error=reason, version=version)


async def set_failed(
    conn: Connection, track_id: int, reason: str, *, version: int = ANALYSIS_VERSION
) -> None:
    """Nothing happens to a track that is gone or has failed already. Its uploader hears of it."""
    failed = await sql.update_track_failed(conn, track_id, error=reason, version=version)
    if failed is None:
        return
    user_id, title = failed
    data = {"id": track_id, "status": "failed", "title": title, "error": reason}
    await publish(conn, USER_NOTIFY, user_id=user_id, type="track", data=data)
