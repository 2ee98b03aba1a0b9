"""What the endpoints of plays take and give."""

import datetime as dt
from typing import Annotated

import msgspec

from talas.domains.tracks.schemas import Track


class Listening(msgspec.Struct):
    """``seconds``: for how long a listener has heard the track, from when it began to play until
    now, without pauses."""

    seconds: Annotated[float, msgspec.Meta(ge=0)]


class PlayState(msgspec.Struct):
    """``counted`` says whether this report made a play; ``plays`` is how many the track has."""

    track_id: int
    counted: bool
    plays: int


class HistoryEntry(msgspec.Struct):
    id: int
    played_at: dt.datetime
    track: Track
