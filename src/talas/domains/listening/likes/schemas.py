"""What the endpoints of likes give."""

import datetime as dt

import msgspec

from talas.domains.tracks.schemas import Track


class LikeState(msgspec.Struct):
    """``likes`` is how many like the track; null for one that the caller may no longer see."""

    track_id: int
    liked: bool
    likes: int | None


class LikedTrack(msgspec.Struct):
    liked_at: dt.datetime
    track: Track
