"""What may be sent with a message: documents and pictures as with gear, and audio."""

from functools import partial

from talas.audio.containers import AAC, AIFF, FLAC, M4A, MP3, OGG, OPUS, WAV, Container
from talas.audio.sniff import HEAD_BYTES, Sniffer, sniff
from talas.core.formats.checks import Mismatch
from talas.core.formats.documents import FORMATS, Accepted, Format


class AudioCheck:
    """The first bytes behind the tags must begin like one of these containers."""

    def __init__(self, *containers: Container) -> None:
        self._containers = containers
        self._sniffer = Sniffer()

    def begin(self, head: bytes) -> None:
        # A tag may be longer than the head: then which of them it is shows later.
        if sniff(head) is None:
            raise Mismatch

    def take(self, chunk: bytes) -> None:
        self._sniffer.take(chunk)

    def finish(self) -> None:
        if self._sniffer.finish() not in self._containers:
            raise Mismatch


_AUDIO = (
    Format("MP3", MP3.media_type, ("mp3",), partial(AudioCheck, MP3)),
    Format("AAC", AAC.media_type, ("aac",), partial(AudioCheck, AAC)),
    Format("M4A", M4A.media_type, ("m4a", "m4b"), partial(AudioCheck, M4A)),
    Format("FLAC", FLAC.media_type, ("flac",), partial(AudioCheck, FLAC)),
    Format("WAV", WAV.media_type, ("wav", "wave"), partial(AudioCheck, WAV)),
    Format("AIFF", AIFF.media_type, ("aiff", "aif", "aifc"), partial(AudioCheck, AIFF)),
    Format("Ogg", OGG.media_type, ("ogg", "oga"), partial(AudioCheck, OGG, OPUS)),
    Format("Opus", OPUS.media_type, ("opus",), partial(AudioCheck, OPUS)),
)
ATTACHMENTS = Accepted((*FORMATS, *_AUDIO), head_bytes=HEAD_BYTES)
SHOWN_KINDS = ("image", "audio")
KINDS = (*SHOWN_KINDS, "document")


def kind_of(media_type: str) -> str:
    """One of KINDS."""
    family = media_type.partition("/")[0]
    return family if family in SHOWN_KINDS else "document"
