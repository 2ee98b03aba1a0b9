"""What the capped encoder is asked for: orders that travel to it as JSON.

Whoever writes an order has the seek index; whoever carries it out has nothing but the file.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import msgspec

from talas.audio.renditions import (
    SEGMENT_SAMPLES,
    Rendition,
    TrackAudio,
    output_rate,
    resampling_start,
    segment_samples,
)
from talas.audio.seeking import SeekIndex, SeekPoint

ENCODER_VERSION = 1
"""Another one where the same order gives other bytes: see `encoder_name`."""

BITRATES = (64, 96, 128, 192, 256, 320)
"""In kbit/s, for the formats that take one."""

MOST_PEAK_DBTP = -1.0
"""EBU R 128: the highest true peak of a programme."""

FormatName = Literal["mp3", "aac", "opus", "flac", "wav"]

_RUN_UP_FRAMES = 8
_LOOKAHEAD_FRAMES = 2
_TRANSCODE_POINTS_SECONDS = 5
# Of five seconds at the highest rate there are forty; an order is one argument of a command.
_MOST_POINTS = 64
_OGG_OVERHEAD = 1.02
_HEADERS = 4096


@cache
def encoder_name() -> str:
    """What the bytes of an encode depend on besides its order, short, for names of files: our
    version and PyAV's, whose wheels bring FFmpeg along."""
    # Not at the top: the encoding subprocess has no need of it, and little time.
    from importlib.metadata import version

    return f"{ENCODER_VERSION}av{version('av')}"


class Format(msgspec.Struct, frozen=True):
    """A format that tracks are transcoded to. `lossless` ones take no bitrate."""

    media_type: str
    extension: str
    lossless: bool


FORMATS: dict[str, Format] = {
    "mp3": Format("audio/mpeg", "mp3", False),
    "aac": Format("audio/aac", "aac", False),
    "opus": Format("audio/ogg", "opus", False),
    "flac": Format("audio/flac", "flac", True),
    "wav": Format("audio/wav", "wav", True),
}


class SegmentOrder(msgspec.Struct, frozen=True, kw_only=True, tag="segment"):
    """Segment `number` of `rendition`. `points`: see `SeekIndex.approach`."""

    track: TrackAudio
    rendition: Rendition
    number: int
    points: tuple[SeekPoint, ...]


class TranscodeOrder(msgspec.Struct, frozen=True, kw_only=True, tag="transcode"):
    """The track from sample `start` (at the source's rate) on, as `format`.

    `bitrate` in kbit/s, 0 for the lossless; `gain_db` is applied to every sample; `points`: see
    `SeekIndex.approach`.
    """

    track: TrackAudio
    format: FormatName
    bitrate: int
    start: int
    gain_db: float
    points: tuple[SeekPoint, ...]

    @property
    def sample_rate(self) -> int:
        """Of what comes out, in Hz: lossless formats keep the source's."""
        source = self.track.sample_rate
        if self.format == "opus":
            return 48_000
        # FLAC's frame headers spell higher rates in tens of Hz.
        odd = self.format == "flac" and source > 65_535 and source % 10 != 0
        return source if FORMATS[self.format].lossless and not odd else output_rate(source)

    @property
    def channels(self) -> Literal[1, 2]:
        return 1 if self.track.channels == 1 else 2

    @property
    def bits(self) -> Literal[16, 24]:
        """Per sample, of the lossless formats: as many as the source may use."""
        return 16 if not self.track.lossless or self.track.codec.endswith(_SIXTEEN) else 24

    @property
    def samples(self) -> int:
        """Samples per channel that come out, at `sample_rate`."""
        left = self.track.samples - self.start
        return -(-left * self.sample_rate // self.track.sample_rate)

    @property
    def most_bytes(self) -> int:
        """How large the result is at most; of WAV, to within a few KiB."""
        if FORMATS[self.format].lossless:
            return self.samples * self.channels * self.bits // 8 + _HEADERS
        return int(self.samples / self.sample_rate * self.bitrate * 125 * _OGG_OVERHEAD) + _HEADERS


def gain_db(target_lufs: float, loudness_lufs: float | None, peak_dbtp: float | None) -> float:
    """The gain that brings a track to `target_lufs`, as far as its true peak stays below -1 dBTP.

    Nothing is gained for a track without a loudness (silence, or less than 0.4 s).
    """
    if loudness_lufs is None or peak_dbtp is None:
        return 0.0
    return min(target_lufs - loudness_lufs, MOST_PEAK_DBTP - peak_dbtp)


_SIXTEEN = ("_s16le", "_s16be", "_u8", "_s8", "_alaw", "_mulaw")

Order = SegmentOrder | TranscodeOrder


def segment_order(
    track: TrackAudio, rendition: Rendition, number: int, index: SeekIndex | None
) -> SegmentOrder:
    """The order for one segment; without an index the file is decoded from its beginning.

    Raises IndexError for a segment that the track does not have.
    """
    segment_samples(number, track.samples, track.sample_rate)
    first, end = segment_span(rendition, number)
    source_first, _ = resampling_start(first, track.sample_rate, rendition.sample_rate)
    source_end = end * track.sample_rate // rendition.sample_rate
    points = _points(index, source_first, source_end)
    return SegmentOrder(track=track, rendition=rendition, number=number, points=points)


def segment_span(rendition: Rendition, number: int) -> tuple[int, int]:
    """The samples, at the output rate, that the encoder hears for a segment: first, and end.

    AAC frames overlap and the encoder adapts, so that it begins eight frames early and looks two
    frames ahead. FLAC frames have nothing to do with one another.
    """
    first, end = number * SEGMENT_SAMPLES, (number + 1) * SEGMENT_SAMPLES
    if rendition.codec == "flac":
        return first, end
    run_up = _RUN_UP_FRAMES * rendition.frame if number else 0
    return first - run_up, end + _LOOKAHEAD_FRAMES * rendition.frame


def transcode_order(
    track: TrackAudio,
    *,
    format: FormatName,  # noqa: A002 - the word of the API
    bitrate: int,
    start_seconds: float,
    gain_db: float,
    index: SeekIndex | None,
) -> TranscodeOrder:
    """The order for a transcode; without an index the file is decoded from its beginning.

    Raises ValueError for a bitrate outside `BITRATES`, and for a start past the end.
    """
    if FORMATS[format].lossless:
        bitrate = 0
    elif bitrate not in BITRATES:
        raise ValueError(f"bitrate must be one of {', '.join(map(str, BITRATES))}")
    seconds = track.samples / track.sample_rate
    if not 0 <= start_seconds < seconds:
        raise ValueError(f"start must be from 0 to before {seconds:.3f}")
    start = min(round(start_seconds * track.sample_rate), track.samples - 1)
    order = TranscodeOrder(
        track=track,
        format=format,
        bitrate=bitrate,
        start=start,
        gain_db=gain_db,
        points=(),
    )
    first, _ = resampling_start(0, track.sample_rate, order.sample_rate, start)
    end = start + _TRANSCODE_POINTS_SECONDS * track.sample_rate
    return msgspec.structs.replace(order, points=_points(index, first, end))


def _points(index: SeekIndex | None, first: int, end: int) -> tuple[SeekPoint, ...]:
    """None of an index that is damaged: decoding from the beginning is slow, but right."""
    if index is None:
        return ()
    try:
        points = index.approach(first, end)
    except ValueError:
        return ()
    return points if len(points) <= _MOST_POINTS else ()
