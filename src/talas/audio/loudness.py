"""Loudness by EBU R 128, measured by FFmpeg while the samples pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from av.filter.context import FilterContext
from numpy.typing import NDArray

BLOCK = 131072
"""Samples per channel in every block but the last."""

Block = NDArray[np.float32]
"""PCM of shape (channels, samples), full scale being 1.0."""

_ABSOLUTE_GATE = -70.0
_INTEGRATED = "lavfi.r128.I"
# Its true peaks are not asked for: it rounds them to three decimals, 0.4 dB at -40 dBTP.
_LOUDNESS = (("ebur128", "metadata=1:framelog=quiet"),)
# Interleaved, because PyAV miscounts the planes of a frame of exactly eight.
_PCM = (("aformat", "sample_fmts=flt"), ("asetnsamples", f"n={BLOCK}:p=0"))


class LoudnessMeter:
    """Measures what passes through `blocks`; the figure holds once that has ended."""

    def __init__(self) -> None:
        self._integrated = _ABSOLUTE_GATE

    @property
    def loudness_lufs(self) -> float | None:
        """Integrated loudness; None where no 400 ms were above the absolute gate."""
        audible = math.isfinite(self._integrated) and self._integrated > _ABSOLUTE_GATE
        return round(self._integrated, 2) if audible else None

    def blocks(self, frames: Iterable[AudioFrame]) -> Iterator[Block]:
        """The samples of `frames`, which must all have one shape, as blocks of `BLOCK`."""
        graph: _MeterGraph | None = None
        waiting = 0
        for frame in frames:
            graph = graph or _MeterGraph(frame)
            graph.source.push(frame)
            waiting += frame.samples
            if waiting >= BLOCK:
                waiting = 0
                yield from self._drain(graph)
        if graph:
            graph.source.push(None)
            yield from self._drain(graph)

    def _drain(self, graph: _MeterGraph) -> Iterator[Block]:
        measured = list(_pull_all(graph.loudness))
        for frame in reversed(measured):
            # Only a whole 100 ms carries figures, so the last frame of a track has none.
            if _INTEGRATED in (metadata := frame.metadata):
                self._integrated = float(metadata[_INTEGRATED])
                break
        for frame in _pull_all(graph.pcm):
            yield np.ascontiguousarray(_interleaved(frame).T)


class _MeterGraph:
    """`source` splits into two sinks: `loudness` and `pcm`."""

    def __init__(self, first: AudioFrame) -> None:
        graph = Graph()
        graph.threads = 1
        self.source = graph.add_abuffer(
            sample_rate=first.sample_rate,
            format=first.format.name,
            layout=first.layout.name,
            time_base=first.time_base,
        )
        split = graph.add("asplit", "2")
        self.source.link_to(split)
        branches = (_LOUDNESS, _PCM)
        self.loudness, self.pcm = (
            _add_branch(graph, split, pad, chain) for pad, chain in enumerate(branches)
        )
        graph.configure()
        self._graph = graph


def _add_branch(
    graph: Graph, split: FilterContext, pad: int, chain: tuple[tuple[str, str], ...]
) -> FilterContext:
    last = split
    for name, arguments in chain:
        node = graph.add(name, arguments)
        last.link_to(node, pad if last is split else 0, 0)
        last = node
    sink = graph.add("abuffersink")
    last.link_to(sink)
    return sink


def _interleaved(frame: AudioFrame) -> Block:
    """The samples of a `flt` frame, uncopied; shape (samples, channels)."""
    shape = (frame.samples, frame.layout.nb_channels)
    samples: Block = np.frombuffer(memoryview(frame.planes[0]), np.float32, math.prod(shape))
    return samples.reshape(shape)


def _pull_all(sink: FilterContext) -> Iterator[AudioFrame]:
    while True:
        try:
            frame = sink.pull()
        except (BlockingIOError, av.EOFError):
            return
        assert isinstance(frame, AudioFrame)
        yield frame
