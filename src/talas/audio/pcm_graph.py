"""Trimming, gain, downmix and resampling, left to FFmpeg's filters as one chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

import av
from av.audio.frame import AudioFrame
from av.filter import Graph

_MOST_BATCH = 32
_BLOCK = 16_384


@dataclass(frozen=True, kw_only=True)
class PcmShape:
    """Rate in Hz, 1 or 2 channels, and FFmpeg's name of the sample format."""

    sample_rate: int
    channels: int
    sample_format: str


@dataclass(frozen=True, kw_only=True)
class Trim:
    """What is kept, in samples per channel: of the source those from `source_first` to before
    `source_end`; of what they become, `samples` after the first `skip`."""

    source_first: int
    source_end: int
    skip: int
    samples: int


def layout_of(channels: int) -> str:
    """FFmpeg's name of the layout of 1 or 2 channels."""
    return "mono" if channels == 1 else "stereo"


class PcmGraph:
    """One use only: `convert` a track's frames."""

    def __init__(self, first: AudioFrame, shape: PcmShape, trim: Trim, gain_db: float) -> None:
        """`first` is the first frame that will come; its `pts` counts the track's samples."""
        graph = Graph()
        graph.threads = 1
        self._source = graph.add_abuffer(
            sample_rate=first.sample_rate,
            format=first.format.name,
            layout=first.layout.name,
            time_base=Fraction(1, first.sample_rate),
        )
        last = self._source
        for name, arguments in _filters(first, shape, trim, gain_db):
            node = graph.add(name, arguments)
            last.link_to(node)
            last = node
        self._sink = graph.add("abuffersink")
        last.link_to(self._sink)
        graph.configure()
        self._graph = graph
        self._time_base = Fraction(1, shape.sample_rate)
        self._given = 0
        self._ended = False

    def convert(self, first: AudioFrame, rest: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
        """Frames of up to `_BLOCK` samples, whose `pts` counts from 0. Takes no more of `rest`
        than is needed."""
        batch = 1  # the first comes at once, then fewer calls are made for each
        waiting = 0
        for frame in chain((first,), rest):
            self._source.push(frame)
            waiting += 1
            if waiting < batch:
                continue
            waiting, batch = 0, min(2 * batch, _MOST_BATCH)
            yield from self._pull()
            if self._ended:
                return
        self._source.push(None)
        yield from self._pull()

    def _pull(self) -> Iterator[AudioFrame]:
        while True:
            try:
                frame = self._sink.pull()
            except BlockingIOError:
                return
            except av.EOFError:
                self._ended = True
                return
            assert isinstance(frame, AudioFrame)
            frame.pts = self._given
            frame.time_base = self._time_base
            self._given += frame.samples
            yield frame


def _filters(
    first: AudioFrame, shape: PcmShape, trim: Trim, gain_db: float
) -> Iterator[tuple[str, str]]:
    assert first.pts is not None
    precision = _precision(first.format.name, shape.sample_format)
    skipped = max(0, trim.source_first - first.pts)
    end = max(0, trim.source_end - first.pts)
    if skipped or first.pts + skipped < trim.source_end:
        yield "atrim", f"start_sample={skipped}:end_sample={end}"
    if gain_db:
        yield "volume", f"volume={gain_db:.6f}dB:precision={_PRECISION_NAMES[precision]}"
    if first.format.name in _UNBOUNDED_FORMATS:
        yield "aformat", "sample_fmts=s32p"
    yield "aresample", _resampling(first, shape, precision)
    layout = layout_of(shape.channels)
    yield "aformat", f"sample_fmts={shape.sample_format}:channel_layouts={layout}"
    yield "atrim", f"start_sample={trim.skip}:end_sample={trim.skip + trim.samples}"
    yield "apad", f"whole_len={trim.samples}"
    yield "asetnsamples", f"n={_BLOCK}:p=0"


# As PCM that is stored as floats comes, which may be anything, infinite and not a number too, and
# what comes out is not: encoders refuse it, and filters spread it.
_UNBOUNDED_FORMATS = ("flt", "dbl")
_PRECISION_NAMES = {"fltp": "float", "dblp": "double"}


def _precision(source_format: str, target_format: str) -> str:
    """Of what is computed in between: more bits than the result can hold."""
    return "dblp" if target_format.startswith("s32") or source_format.startswith("dbl") else "fltp"


def _resampling(first: AudioFrame, shape: PcmShape, precision: str) -> str:
    """Options of `aresample`. Integers stay such where only their layout in memory changes."""
    mixed = first.layout.nb_channels != shape.channels
    if first.sample_rate == shape.sample_rate and not mixed:
        return str(shape.sample_rate)
    # Without the cap on the matrix, channels mixed as floats could exceed full scale.
    return f"{shape.sample_rate}:internal_sample_fmt={precision}:rematrix_maxval=1.0"
