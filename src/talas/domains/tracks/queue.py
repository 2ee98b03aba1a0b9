"""The names and payloads of the jobs about tracks."""

import msgspec

ANALYSE = "tracks.analyse"
DELETE_OBJECTS = "tracks.delete_objects"


class AnalyseTrack(msgspec.Struct, frozen=True, kw_only=True):
    """A placeholder gives way to the file's own tag, unless somebody has changed it since; None
    means that the uploader has said how it is. ``again``: a track that is ready or has failed."""

    track_id: int
    storage_key: str
    placeholder_title: str | None = None
    placeholder_artist: str | None = None
    again: bool = False
