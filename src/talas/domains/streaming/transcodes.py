"""What a listener may ask a transcode to be."""

import math
from collections.abc import Mapping
from typing import get_args

import msgspec

from talas.audio.encoding_orders import (
    BITRATES,
    FORMATS,
    Format,
    FormatName,
    TranscodeOrder,
    gain_db,
    transcode_order,
)
from talas.audio.seeking import SeekIndex
from talas.core.errors import FieldError, InvalidData
from talas.domains.streaming.access import Recording

FORMAT_NAMES: tuple[FormatName, ...] = get_args(FormatName)
DEFAULT_BITRATE = 128
QUIETEST_LUFS = -40.0
LOUDEST_LUFS = -5.0
MOST_SECONDS = 12 * 3600.0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """``bitrate`` in kbit/s, 0 for the lossless formats; ``loudness`` in LUFS, None as it is;
    ``start`` in seconds into the track."""

    format: FormatName
    bitrate: int
    loudness: float | None = None
    start: float = 0.0

    @property
    def kind(self) -> Format:
        return FORMATS[self.format]


def read_wanted(query: Mapping[str, str]) -> Wanted | None:
    """None where the original is asked for. Raises InvalidData, which says what would be right."""
    name, bitrate = query.get("format"), query.get("bitrate")
    if bitrate is not None and bitrate not in map(str, BITRATES):
        allowed = ", ".join(map(str, BITRATES))
        raise _invalid("bitrate", f"bitrate must be one of {allowed}, in kbit/s")
    if name is None:
        for field in ("bitrate", "loudness", "start"):
            if field in query:
                raise _invalid(field, f"{field} needs a format: one of {', '.join(FORMAT_NAMES)}")
        return None
    if name not in FORMAT_NAMES:
        raise _invalid("format", f"format must be one of {', '.join(FORMAT_NAMES)}")
    return Wanted(
        format=name,
        bitrate=_bitrate(bitrate, name),
        loudness=_number(query, "loudness", QUIETEST_LUFS, LOUDEST_LUFS),
        start=_number(query, "start", 0.0, MOST_SECONDS) or 0.0,
    )


def order_of(recording: Recording, wanted: Wanted, index: SeekIndex | None) -> TranscodeOrder:
    """Raises InvalidData for a start past the end, NotFound for a track that is not ready."""
    audio = recording.analysed()
    seconds = audio.samples / audio.sample_rate
    if round(wanted.start * audio.sample_rate) >= audio.samples:
        raise _invalid("start", f"start must be before the track's end at {seconds:.3f} s")
    return transcode_order(
        audio,
        format=wanted.format,
        bitrate=wanted.bitrate,
        start_seconds=wanted.start,
        gain_db=_gain_db(recording, wanted.loudness),
        index=index,
    )


def _gain_db(recording: Recording, loudness: float | None) -> float:
    """To a hundredth, as keys of the cache name it; downwards, so that the peak stays below."""
    if loudness is None:
        return 0.0
    return math.floor(gain_db(loudness, recording.loudness_lufs, recording.peak_dbtp) * 100) / 100


def _bitrate(text: str | None, name: str) -> int:
    if FORMATS[name].lossless:
        if text is not None:
            raise _invalid("bitrate", f"{name} is lossless and takes no bitrate")
        return 0
    return DEFAULT_BITRATE if text is None else int(text)


def _number(query: Mapping[str, str], field: str, least: float, most: float) -> float | None:
    text = query.get(field)
    if text is None:
        return None
    try:
        # What float() takes besides: 1_0, infinities, digits of other scripts.
        value = float(text) if text.isascii() and "_" not in text else least - 1
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise _invalid(field, f"{field} must be a number from {least:g} to {most:g}")
    return value


def _invalid(field: str, sentence: str) -> InvalidData:
    return InvalidData.of(FieldError(field, sentence))
