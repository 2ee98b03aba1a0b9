"""The names of a track's objects in storage: all of one track lie in a folder of their own."""

FOLDER = "tracks"
WAVEFORM_DAT = "waveform.dat"
WAVEFORM_PNG = "waveform.png"
COVER = "cover.jpg"


def folder_of(storage_key: str) -> str:
    return storage_key.rpartition("/")[0]


def sibling(storage_key: str, name: str) -> str:
    """The key of another object of the same track."""
    return f"{folder_of(storage_key)}/{name}"
