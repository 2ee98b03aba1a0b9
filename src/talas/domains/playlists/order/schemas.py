"""What the endpoints of a playlist's tracks take and give."""

import datetime as dt

import msgspec

from talas.domains.tracks.schemas import Track


class NewOrder(msgspec.Struct):
    """``track_ids`` is the whole order; a track may stand in it several times. With ``version``,
    the one that the order was made from, it is refused where the playlist has changed since."""

    track_ids: list[int]
    version: int | None = None


class Addition(msgspec.Struct):
    """Tracks that come behind what is there, in this order."""

    track_ids: list[int]


class PlaylistTrack(msgspec.Struct):
    """``position`` counts from 1 what the caller may hear. ``entry_id`` stays with it wherever it
    moves. ``added_by`` is null when that account is gone."""

    entry_id: int
    position: int
    added_by: int | None
    added_at: dt.datetime
    track: Track
