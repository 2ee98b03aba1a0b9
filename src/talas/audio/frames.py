"""Decoded frames made alike, silent or shorter."""

from __future__ import annotations

from collections.abc import Sequence

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph

USUAL_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""FFmpeg's names for 1 to 8 channels."""


class Uniform:
    """Gives all frames one sample format, layout and rate: those of the first, where it has the
    rate and channels that are expected."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._expected = (sample_rate, channels)
        self._target: tuple[str, str, int] | None = None
        self._latest: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None

    def convert(self, frame: AudioFrame) -> Sequence[AudioFrame]:
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._latest:
            self._latest = shape
            self._target = self._target or self._target_for(frame)
            self._resampler = None if shape == self._target else AudioResampler(*self._target)
        return self._resampler.resample(frame) if self._resampler else (frame,)

    def _target_for(self, frame: AudioFrame) -> tuple[str, str, int]:
        rate, channels = self._expected
        same = channels == frame.layout.nb_channels
        layout = frame.layout.name if same else USUAL_LAYOUTS[channels - 1]
        return (frame.format.name, layout, rate)


def silent_frame(samples: int, sample_rate: int, channels: int) -> AudioFrame:
    frame = AudioFrame("flt", USUAL_LAYOUTS[channels - 1], samples)
    frame.sample_rate = sample_rate
    frame.planes[0].update(bytes(samples * channels * 4))
    return frame


def without_first(frame: AudioFrame, samples: int) -> AudioFrame:
    """`frame` without its first `samples`, of which it must have more."""
    graph = Graph()
    graph.threads = 1
    source = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=frame.time_base,
    )
    trim = graph.add("atrim", f"start_sample={samples}")
    sink = graph.add("abuffersink")
    graph.link_nodes(source, trim, sink).configure()
    source.push(frame)
    source.push(None)
    rest = sink.pull()
    assert isinstance(rest, AudioFrame)
    return rest
