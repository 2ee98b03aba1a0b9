"""The ways to a track that check who asks. What one may not see is not there."""

from typing import TypeVar

from talas.core.database import Connection, is_id
from talas.core.errors import Forbidden, NotFound
from talas.domains.tracks import sql
from talas.domains.tracks.sql import MediaRow, TrackRow

RowT = TypeVar("RowT", TrackRow, MediaRow)


async def load_track(conn: Connection, viewer_id: int, track_id: int) -> TrackRow:
    """One's own, and those of others that are ready and not private. Raises NotFound."""
    track = None
    if is_id(track_id):
        track = await sql.select_track(conn, viewer_id=viewer_id, track_id=track_id)
    return _if_visible(track, viewer_id)


async def load_media(conn: Connection, viewer_id: int, track_id: int) -> MediaRow:
    """As ``load_track``, with what is needed to send the track's bytes."""
    track = await sql.select_media(conn, track_id) if is_id(track_id) else None
    return _if_visible(track, viewer_id)


async def load_own_track_for_update(conn: Connection, owner_id: int, track_id: int) -> TrackRow:
    """Locked until the transaction ends. Raises NotFound, or Forbidden for a visible track of
    somebody else."""
    track = None
    if is_id(track_id):
        track = await sql.select_track_for_update(conn, viewer_id=owner_id, track_id=track_id)
    track = _if_visible(track, owner_id)
    if track.user_id != owner_id:
        raise Forbidden("Only who uploaded the track may do this")
    return track


def _if_visible(track: RowT | None, viewer_id: int) -> RowT:
    if track is None or not may_see(track, viewer_id):
        raise NotFound("Track not found")
    return track


def may_see(track: TrackRow | MediaRow, viewer_id: int) -> bool:
    if track.user_id == viewer_id:
        return True
    return track.status == "ready" and track.visibility != "private"
