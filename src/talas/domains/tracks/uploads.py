"""What of a track's file is looked at while it comes in."""

from talas.audio.containers import Container
from talas.audio.sniff import HEAD_BYTES, sniff
from talas.core.errors import UnsupportedMedia

MAX_FILENAME = 255


class AudioInspector:
    """The first bytes say which container it is; the worker finds out whether it is whole."""

    head_bytes = HEAD_BYTES
    _container: Container

    def __init__(self, filename: str) -> None:
        self.filename = clean_filename(filename)

    def begin(self, head: bytes) -> None:
        container = sniff(head)
        if container is None:
            raise UnsupportedMedia(
                "The file is not audio in a format that is accepted: "
                "MP3, AAC, M4A, FLAC, WAV, AIFF, Ogg Vorbis or Opus"
            )
        self._container = container

    def take(self, chunk: bytes) -> None:
        pass

    def finish(self) -> Container:
        return self._container


def clean_filename(name: str) -> str:
    """The last part of a path of any system, on one line, at most 255 characters."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in name if c.isprintable() and not "\ud800" <= c <= "\udfff")
    return " ".join(name.split())[:MAX_FILENAME]
