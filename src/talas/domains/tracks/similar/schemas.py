"""What the endpoint of similar tracks gives."""

import msgspec

from talas.domains.tracks.schemas import Track


class SimilarTrack(msgspec.Struct):
    """``similarity``: 1 sounds the same, towards 0 ever less."""

    similarity: float
    track: Track
