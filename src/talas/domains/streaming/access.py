"""The way to what of a track can be heard, for who may hear it."""

import datetime as dt

import msgspec

from talas.audio.renditions import TrackAudio
from talas.core.database import Connection
from talas.core.errors import NotFound
from talas.core.objects import folder_of
from talas.domains.tracks import access


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A track's sound. ``audio`` is None until it has been analysed; ``loudness_lufs`` and
    ``peak_dbtp`` also for silence. ``size`` in bytes, of the original, which never changes after
    ``created_at``; what is made of it may change with each analysis."""

    track_id: int
    title: str
    visibility: str
    status: str
    container: str
    media_type: str
    content_hash: bytes
    size: int
    storage_key: str
    created_at: dt.datetime
    analysed_at: dt.datetime
    audio: TrackAudio | None
    loudness_lufs: float | None
    peak_dbtp: float | None

    @property
    def folder(self) -> str:
        """Where the cache keeps what was made of it: named like its objects in storage."""
        return cache_folder(self.storage_key)

    def analysed(self) -> TrackAudio:
        """Raises NotFound while there is nothing that could be encoded."""
        if self.audio is not None:
            return self.audio
        if self.status == "failed":
            raise NotFound("The track failed, so it can only be had as it is", code="not_ready")
        raise NotFound("The track is not ready yet", code="not_ready")


def cache_folder(storage_key: str) -> str:
    return folder_of(storage_key).rpartition("/")[2]


async def load_recording(conn: Connection, viewer_id: int, track_id: int) -> Recording:
    """One's own, and those of others that are ready and not private. Raises NotFound."""
    row = await access.load_media(conn, viewer_id, track_id)
    audio = None
    if row.status == "ready" and row.codec and row.sample_rate and row.channels:
        # Of what an earlier version has analysed the length is known to a millisecond.
        samples = row.samples or (row.duration_ms or 0) * row.sample_rate // 1000
        audio = TrackAudio(
            container=row.container,
            codec=row.codec,
            bitrate=row.bitrate or 0,
            sample_rate=row.sample_rate,
            channels=row.channels,
            samples=max(1, samples),
        )
    return Recording(
        track_id=row.id,
        title=row.title,
        visibility=row.visibility,
        status=row.status,
        container=row.container,
        media_type=row.media_type,
        content_hash=row.content_hash,
        size=row.size,
        storage_key=row.storage_key,
        created_at=row.created_at,
        analysed_at=row.analysed_at,
        audio=audio,
        loudness_lufs=row.loudness_lufs,
        peak_dbtp=row.peak_dbtp,
    )
