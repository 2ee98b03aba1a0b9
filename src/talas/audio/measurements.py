"""What is learnt of a track from decoding it."""

from __future__ import annotations

from typing import Annotated

import msgspec

ANALYSIS_VERSION = 2
"""Of all that is learnt of a track together. Grows with every change to what would be found, and
tracks that an older one has looked at are then analysed again."""

FEATURES_VERSION = 2
"""Of the vectors of `audio.features`: those of one version can be compared."""

FEATURES = 60
"""How many signed bytes such a vector has."""

TAG_LENGTH = 255
"""The longest text, in characters, that is taken over from a file's tags."""

TagText = Annotated[str, msgspec.Meta(min_length=1, max_length=TAG_LENGTH)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=12 * 3600 * 1000)]
BitsPerSecond = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Hertz = Annotated[int, msgspec.Meta(ge=1, le=768_000)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Decibels = Annotated[float, msgspec.Meta(ge=-1000, le=1000)]


class Tags(msgspec.Struct, frozen=True, kw_only=True):
    """Text from the container's tags: trimmed, one line, no control characters."""

    title: TagText | None = None
    artist: TagText | None = None
    album: TagText | None = None
    genre: TagText | None = None
    date: TagText | None = None
    track_number: Annotated[int, msgspec.Meta(ge=1, le=9999)] | None = None


class Measurements(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one decode pass.

    `format` is the name of a `Container`, `codec` FFmpeg's name. `samples` counts what one decode
    from beginning to end gives out, per channel at `sample_rate`. `bitrate` is bits/s of the audio
    packets alone. `loudness_lufs` is integrated (EBU R 128) and None for silence and for less
    than 0.4 s; `peak_dbtp` is the true peak, None for digital silence. Silence is what stays
    below -60 dBFS in every channel; a track of nothing else is all leading silence. `bpm` (beats a
    minute) and `key` (like `C# minor`, sharps only) are None where none stands out; their
    confidence is from 0 to 1. `damaged`: reading noticed that some of the file is spoilt or
    missing.
    """

    format: Word
    codec: Word
    samples: Annotated[int, msgspec.Meta(ge=1, le=2**40)]
    duration_ms: Milliseconds
    sample_rate: Hertz
    channels: Annotated[int, msgspec.Meta(ge=1, le=8)]
    bitrate: BitsPerSecond
    loudness_lufs: Decibels | None
    peak_dbtp: Decibels | None
    leading_silence_ms: Milliseconds
    trailing_silence_ms: Milliseconds
    bpm: Annotated[float, msgspec.Meta(ge=1, le=1000)] | None
    bpm_confidence: Share | None
    key: Annotated[str, msgspec.Meta(pattern="^[A-G]#? (major|minor)$")] | None
    key_confidence: Share | None
    damaged: bool
    tags: Tags


class AnalysisResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the capped subprocess hands back: the figures, and the files to store.

    `features` is the vector of `audio.features`, None for silence. `seek_index` is what
    `SeekIndexBuilder` made, `waveform_dat` is audiowaveform's binary version 2, `waveform_png` is
    1800 x 280 and transparent, `cover_jpeg` is None where the file embeds no readable picture.
    """

    measurements: Measurements
    features: Annotated[bytes, msgspec.Meta(min_length=FEATURES, max_length=FEATURES)] | None
    seek_index: bytes
    waveform_dat: bytes
    waveform_png: bytes
    cover_jpeg: bytes | None
