"""True peak (ITU-R BS.1770, annex 2): the highest value between the samples as well as at them."""

from __future__ import annotations

import math

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

RATE = 192_000

_CELL = 64
# FFmpeg's interpolation reaches 32 samples to each side at most, less than a cell. With its 32
# weights of both signs no value in between can be more than 2.4 times as high as those around it.
_MOST_OVERSHOOT = 2.5
_HIGHEST = float(np.finfo(np.float32).max)


class TruePeakMeter:
    """Finds what FFmpeg's resampler makes highest at 192 kHz, which is what its `ebur128` shows.

    Only what can be higher than all that is known already is interpolated. Where pieces are then
    joined, both ends of the joint are so low that nothing new can arise there.
    """

    def __init__(self) -> None:
        self._resamplers: list[AudioResampler] = []
        self._highest: list[float] = []

    def add(self, block: NDArray[np.float32], sample_rate: int) -> None:
        """Takes the next (channels, samples) at `sample_rate` Hz, the same in every block."""
        if not self._resamplers:
            self._resamplers = [AudioResampler("flt", "mono", RATE) for _ in block]
            self._highest = [0.0 for _ in block]
        for number, channel in enumerate(block):
            self._add_channel(number, channel, sample_rate)

    def finish(self) -> float | None:
        """The peak in dBTP, None for digital silence. Nothing can be added afterwards."""
        for number in range(len(self._resamplers)):
            self._interpolate(number, None)
        highest = max(self._highest, default=0.0)
        return round(20 * math.log10(highest), 2) if highest > 0.0 else None

    def _add_channel(self, number: int, channel: NDArray[np.float32], sample_rate: int) -> None:
        cells = _cell_peaks(channel)
        self._raise(number, float(cells.max()))
        possible = cells * _MOST_OVERSHOOT > max(self._highest)
        # The ends belong to what comes before and after as well.
        possible[0] = possible[-1] = True
        near = possible.copy()
        near[1:] |= possible[:-1]
        near[:-1] |= possible[1:]
        samples = channel if near.all() else channel[np.repeat(near, _CELL)[: len(channel)]]
        frame = AudioFrame.from_ndarray(
            np.nan_to_num(samples[np.newaxis], copy=False), "flt", "mono"
        )
        frame.sample_rate = sample_rate
        self._interpolate(number, frame)

    def _interpolate(self, number: int, frame: AudioFrame | None) -> None:
        for out in self._resamplers[number].resample(frame):
            values = np.frombuffer(memoryview(out.planes[0]), np.float32, out.samples)
            self._raise(number, max(float(values.max()), -float(values.min())))

    def _raise(self, number: int, value: float) -> None:
        # Between the highest samples there are, interpolation finds infinity.
        self._highest[number] = max(self._highest[number], min(value, _HIGHEST))


def _cell_peaks(channel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The highest magnitude in every `_CELL` samples, 0 for what is no number."""
    magnitudes = np.abs(channel)
    whole = len(channel) // _CELL * _CELL
    peaks = magnitudes[:whole].reshape(-1, _CELL).max(axis=1)
    if whole < len(channel):
        peaks = np.append(peaks, magnitudes[whole:].max())
    return np.asarray(np.nan_to_num(peaks, nan=0.0, posinf=0.0))
