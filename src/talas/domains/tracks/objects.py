"""The names of a track's objects in storage: all of one track lie in a folder of their own."""

from talas.core.objects import folder_of

FOLDER = "tracks"
WAVEFORM_DAT = "waveform.dat"
WAVEFORM_PNG = "waveform.png"
COVER = "cover.jpg"
SEEK_INDEX = "seek.idx"


def sibling(storage_key: str, name: str) -> str:
    """The key of another object of the same track."""
    return f"{folder_of(storage_key)}/{name}"
