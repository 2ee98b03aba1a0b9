"""Tempo: how fast the beat goes that a listener would tap.

Onsets are rises of the spectrum (spectral flux; Bello et al., "A Tutorial on Onset Detection in
Music Signals", 2005). Their autocorrelation is searched for a beat that comes back after one beat
and after whole bars, with a preference for what people tap (Parncutt, 1994): near 118 beats a
minute, less with every octave away from it. Where what was found is the snare alone, which most
dance music has on every second beat, the beat is twice as fast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.fft import irfft, rfft
from numpy.typing import NDArray

from talas.audio.spectrum import RATE, Mono, SpectrumStream, mel_weights

Curve = NDArray[np.float64]

LEAST_BPM, MOST_BPM = 40.0, 250.0

_LENGTH, _HOP, _BATCH = 512, 256, 512
_FRAMES_PER_SECOND = RATE / _HOP
_RISE_FRAMES = 2
_LOCAL_FRAMES = 129
# Twenty-four seconds: twelve beats of the slowest tempo fit in three quarters of it.
_WINDOW = 2048
_LONGEST_LAG = _WINDOW * 3 // 4
_CANDIDATES = np.exp(np.linspace(np.log(LEAST_BPM), np.log(MOST_BPM), 800))
_USUAL_BPM, _USUAL_OCTAVES = 118.0, 0.9
_LEAST_ONSETS = 0.025
_LEAST_SALIENCE = 0.06
_LEAST_SALIENCE_OF_ONE_SECOND = 0.3
_CLEAR_SALIENCE = 0.15
_SNARE_BPM = (62.0, 95.0)
_SAME_ACCENTS = (0.8, 1.25)
_LEAST_EIGHTHS = 0.15


@dataclass(frozen=True)
class Tempo:
    """`bpm` in beats a minute and `confidence` from 0 to 1; both None where no beat is found.

    `onsets` is how much the spectrum rises in 20 ms, as a part of its level; `salience` how alike
    the onsets a beat apart are, whether that is enough for a beat or not. `subdivisions` is the
    same for lags of a quarter, a third, a half and two thirds of a beat, zeros where there is none.
    """

    bpm: float | None
    confidence: float | None
    onsets: float
    salience: float
    subdivisions: tuple[float, float, float, float]


class TempoFinder:
    """Hears a track piece by piece; keeps 340 bytes for each second."""

    def __init__(self) -> None:
        self._spectra = SpectrumStream(length=_LENGTH, hop=_HOP, batch=_BATCH)
        self._bands = mel_weights(_LENGTH, 24, 30.0, 9000.0)
        self._latest: NDArray[np.float32] | None = None
        self._rises: list[NDArray[np.float32]] = []
        self._level = 0.0

    def add(self, samples: Mono) -> None:
        for spectra in self._spectra.add(samples):
            # The fourth root of power: near how loudness grows, and free of any fixed level.
            bands = np.sqrt(np.sqrt(spectra @ self._bands))
            if self._latest is None:
                self._latest = np.repeat(bands[:1], _RISE_FRAMES, axis=0)
            self._level += float(bands.mean(axis=1).sum())
            known = np.concatenate([self._latest, bands])
            self._latest = known[-_RISE_FRAMES:]
            rises = known[_RISE_FRAMES:] - known[:-_RISE_FRAMES]
            self._rises.append(np.maximum(rises, 0).mean(axis=1))

    def finish(self) -> Tempo:
        if not self._level:
            return Tempo(None, None, 0.0, 0.0, (0.0, 0.0, 0.0, 0.0))
        curve = np.concatenate(self._rises).astype(np.float64)
        onsets = float(curve.sum()) / self._level
        above = _above_surroundings(curve)
        alike = _autocorrelation(above)
        rough, salience = _best(alike)
        seconds = len(curve) / _FRAMES_PER_SECOND
        # The shorter a noise, the more alike any two of its moments may be by chance.
        least = max(_LEAST_SALIENCE, _LEAST_SALIENCE_OF_ONE_SECOND / np.sqrt(seconds))
        if onsets < _LEAST_ONSETS or salience < least:
            return Tempo(None, None, onsets, salience, (0.0, 0.0, 0.0, 0.0))
        if _is_snare(rough, alike, _autocorrelation(above**2)):
            rough *= 2
        bpm = _refined(alike, rough)
        beat = 60 * _FRAMES_PER_SECOND / bpm
        quarter, third, half, two_thirds = _at(alike, beat * np.array([1 / 4, 1 / 3, 1 / 2, 2 / 3]))
        return Tempo(
            bpm=round(bpm, 1),
            confidence=round(float(1 - np.exp(-salience / _CLEAR_SALIENCE)), 2),
            onsets=onsets,
            salience=salience,
            subdivisions=(float(quarter), float(third), float(half), float(two_thirds)),
        )


def _above_surroundings(curve: Curve) -> Curve:
    """What of each rise stands out from those of the second and a half around it."""
    padded = np.pad(curve, _LOCAL_FRAMES // 2, "edge")
    local = np.convolve(padded, np.full(_LOCAL_FRAMES, 1 / _LOCAL_FRAMES), "valid")
    return np.maximum(curve - local, 0)


def _autocorrelation(onsets: Curve) -> Curve:
    """How alike the onsets are that are 0 to `_WINDOW - 1` frames apart, from -1 to 1.

    The mean over windows of 24 s, so that a tempo may change; what is much quieter than the rest
    counts less.
    """
    least_power = 0.09 * float(np.mean((onsets - onsets.mean()) ** 2)) + 1e-12
    hop = _WINDOW // 2
    count = max(1, (len(onsets) - _WINDOW) // hop + 1)
    total = np.zeros(_WINDOW)
    for start in range(0, count * hop, hop):
        window = onsets[start : start + _WINDOW]
        window = window - window.mean()
        spectrum = rfft(window, 2 * _WINDOW)
        products = irfft(spectrum.real**2 + spectrum.imag**2)[:_WINDOW]
        overlap = np.maximum(len(window) - np.arange(_WINDOW), 1)
        products[np.arange(_WINDOW) > len(window) * 3 // 4] = 0
        total += products / overlap / max(float(np.mean(window**2)), least_power)
    return np.convolve(total / count, [0.25, 0.5, 0.25], "same")


def _best(alike: Curve) -> tuple[float, float]:
    """The likeliest tempo of `_CANDIDATES`, and how much its beat stands out."""
    beat = 60 * _FRAMES_PER_SECOND / _CANDIDATES
    after = {beats: _at(alike, beats * beat) for beats in (0.5, 1, 2, 3, 4, 6, 8, 12)}
    bars = np.maximum(after[2] + after[4] + after[8], after[3] + after[6] + after[12]) / 3
    salience = (after[1] + bars) / 2
    # As strong half-way, it is only every second beat.
    halved = 1.5 * np.maximum(after[0.5] - 0.8 * np.maximum(after[1], bars), 0)
    octaves = np.log2(_CANDIDATES / _USUAL_BPM)
    likely = (salience - halved) * np.exp(-0.5 * (octaves / _USUAL_OCTAVES) ** 2)
    best = int(likely.argmax())
    return float(_CANDIDATES[best]), float(salience[best])


def _is_snare(bpm: float, alike: Curve, accents: Curve) -> bool:
    """Whether `bpm` is how often the snare is struck, on every second beat.

    A beat has strong and weak ones by turns: its `accents` (onsets that are weighted by their own
    strength) are less alike one beat apart than two. Where they are equally so, and there are
    onsets in between at four to the `bpm`, which are eighths then, each is a strong one.
    """
    if not _SNARE_BPM[0] <= bpm <= _SNARE_BPM[1]:
        return False
    lag = 60 * _FRAMES_PER_SECOND / bpm
    one, two = _at(accents, lag * np.array([1, 2]))
    eighth, beat = _at(alike, lag * np.array([1 / 4, 1]))
    same = _SAME_ACCENTS[0] * two <= one <= _SAME_ACCENTS[1] * two
    return bool(two > 0 and same and eighth >= _LEAST_EIGHTHS * beat)


def _refined(alike: Curve, bpm: float) -> float:
    """The tempo within 1 % of `bpm` that holds best for the longest: the further apart two beats
    are, the more exactly they tell it."""
    near = bpm * np.linspace(0.99, 1.01, 201)
    beats = np.arange(1, int(_LONGEST_LAG * bpm * 0.99 / 60 / _FRAMES_PER_SECOND) + 1)
    lags = 60 * _FRAMES_PER_SECOND / near[:, np.newaxis] * beats
    return float(near[_at(alike, lags).sum(axis=1).argmax()])


def _at(alike: Curve, lags: Curve) -> Curve:
    """Between the whole frames, on straight lines."""
    return np.asarray(np.interp(lags, np.arange(len(alike)), alike, right=0.0))
