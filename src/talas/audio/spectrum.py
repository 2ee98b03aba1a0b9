"""What the analysers of tempo, key and timbre hear: a mono mix at one rate, in windows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.fft import rfft, rfftfreq
from numpy.typing import NDArray

RATE = 22_050
"""Samples per second of the mix, whatever the file has."""

Mono = NDArray[np.float32]
Frames = NDArray[np.float32]
"""Shape (frames, values of one frame)."""


class Downsampler:
    """Brings a mono mix of any rate to `RATE`."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._resampler = AudioResampler("flt", "mono", RATE)

    def add(self, mix: Mono) -> Mono:
        """What is ready of the mix so far."""
        # Floating-point files may hold values that are no numbers, or absurd ones.
        sane = np.clip(np.nan_to_num(mix, posinf=0.0, neginf=0.0), -8.0, 8.0)
        frame = AudioFrame.from_ndarray(sane[np.newaxis], "flt", "mono")
        frame.sample_rate = self._sample_rate
        return self._taken(frame)

    def finish(self) -> Mono:
        """The rest, after which nothing can be added."""
        return self._taken(None)

    def _taken(self, frame: AudioFrame | None) -> Mono:
        parts = [out.to_ndarray()[0] for out in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)


class SpectrumStream:
    """Power spectra of windows that follow each other, 1.0 being a sine at full scale.

    Each spectrum has `length // 2 + 1` values; the last window is filled up with zeros, and what is
    shorter than a window lies in the middle of one.
    """

    def __init__(self, *, length: int, hop: int, batch: int) -> None:
        self._length, self._hop, self._batch = length, hop, batch
        window = np.hanning(length + 1)[:length]
        self._window = (window * 2 / window.sum()).astype(np.float32)
        self._waiting: Mono = np.empty(0, np.float32)
        self._begun = False

    def add(self, samples: Mono) -> Iterator[Frames]:
        """At most `batch` spectra at a time."""
        self._waiting = np.concatenate([self._waiting, samples])
        count = (len(self._waiting) - self._length) // self._hop + 1
        if count > 0:
            self._begun = True
            yield from self._spectra(self._waiting, count)
            self._waiting = self._waiting[count * self._hop :]

    def finish(self) -> Iterator[Frames]:
        """The spectrum of what is left, where that is more than the windows before have seen."""
        left = len(self._waiting)
        if left > (self._length - self._hop if self._begun else 0):
            start = 0 if self._begun else (self._length - left) // 2
            padded = np.zeros(self._length, np.float32)
            padded[start : start + left] = self._waiting
            yield from self._spectra(padded, 1)

    def _spectra(self, samples: Mono, count: int) -> Iterator[Frames]:
        windows = np.lib.stride_tricks.sliding_window_view(samples, self._length)[:: self._hop]
        for start in range(0, count, self._batch):
            found = rfft(windows[start : min(count, start + self._batch)] * self._window)
            yield np.asarray(found.real**2 + found.imag**2, np.float32)


def mel_weights(length: int, bands: int, low: float, high: float) -> Frames:
    """Triangular filters on the mel scale (O'Shaughnessy, 1987), from `low` to `high` Hz.

    Shape (length // 2 + 1, bands), for spectra of windows of `length` samples.
    """
    mel_low, mel_high = 2595 * np.log10(1 + np.array([low, high]) / 700)
    edges = 700 * (10 ** (np.linspace(mel_low, mel_high, bands + 2) / 2595) - 1)
    frequencies = rfftfreq(length, 1 / RATE)[:, np.newaxis]
    rising = (frequencies - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequencies) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)
