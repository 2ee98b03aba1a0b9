"""The audio containers that Talas accepts, and what follows from each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Container:
    """An accepted container.

    `demuxer` is the FFmpeg demuxer to force, `extension` has no dot, `codecs` are FFmpeg codec
    names (`pcm_*` stands for any PCM). `promises_length` says that the header states how much
    audio follows, so that a file that ends early can be told from a whole one.
    """

    name: str
    demuxer: str
    extension: str
    media_type: str
    codecs: tuple[str, ...]
    promises_length: bool = False

    def takes(self, codec: str) -> bool:
        """Whether audio coded as `codec` is accepted in this container."""
        return codec in self.codecs or ("pcm_*" in self.codecs and codec.startswith("pcm_"))


MP3 = Container(
    name="mp3", demuxer="mp3", extension="mp3", media_type="audio/mpeg", codecs=("mp3",)
)
AAC = Container(name="aac", demuxer="aac", extension="aac", media_type="audio/aac", codecs=("aac",))
M4A = Container(
    name="m4a",
    demuxer="mov",
    extension="m4a",
    media_type="audio/mp4",
    codecs=("aac", "alac"),
    promises_length=True,
)
FLAC = Container(
    name="flac",
    demuxer="flac",
    extension="flac",
    media_type="audio/flac",
    codecs=("flac",),
    promises_length=True,
)
WAV = Container(
    name="wav",
    demuxer="wav",
    extension="wav",
    media_type="audio/wav",
    codecs=("pcm_*",),
    promises_length=True,
)
AIFF = Container(
    name="aiff",
    demuxer="aiff",
    extension="aiff",
    media_type="audio/aiff",
    codecs=("pcm_*",),
    promises_length=True,
)
OGG = Container(
    name="ogg",
    demuxer="ogg",
    extension="ogg",
    media_type="audio/ogg",
    codecs=("vorbis", "flac"),
)
OPUS = Container(
    name="opus", demuxer="ogg", extension="opus", media_type="audio/ogg", codecs=("opus",)
)

CONTAINERS = {
    container.name: container for container in (MP3, AAC, M4A, FLAC, WAV, AIFF, OGG, OPUS)
}
"""Every accepted container by its name."""
