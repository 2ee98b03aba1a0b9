"""Key: which of the 24 major and minor keys the notes of a track belong to.

The peaks of the spectra are notes and their overtones (harmonic pitch class profile; Gómez, "Tonal
Description of Music Audio Signals", 2006). How often each of the twelve notes sounds is compared
with how often it does in the pieces of each key (Albrecht and Shanahan, "The Use of Large Corpora
to Train a New Type of Key-Finding Algorithm", 2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from talas.audio.spectrum import RATE, Frames

NOTES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

Profile = NDArray[np.float64]
"""Twelve shares, of C first, that add up to 1."""

_MAJOR = (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081)
_MINOR = (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052)
_MODES = (("major", np.array(_MAJOR)), ("minor", np.array(_MINOR)))

_EVEN = np.full(12, 1 / 12)
_LOWEST, _HIGHEST = 80.0, 3500.0
_LOWEST_NOTE = 60.0
_MIDDLE_C = 440.0 * 2 ** (-9 / 12)
_STEPS = 10
_OVERTONES = np.arange(1, 6)
_OVERTONE_WEIGHTS = 0.6 ** np.arange(5)
_FAINTEST = 1e-4
_LEAST_TUNED = 0.05
_CONTRASTS = (0.09, 1.5)
_LEAST_CONFIDENCE = 0.25
_CLEAR_MARGIN = 0.12


@dataclass(frozen=True)
class Tonality:
    """`key` like `A minor`, sharps throughout, and `confidence` from 0 to 1; both None where no
    key stands out.

    `relative` are the shares of the twelve notes from the tonic on, or evenly spread. `tuned`, from
    0 to 1, is how far all that sounds keeps to the steps of one scale: 0 for noise and drums.
    """

    key: str | None
    confidence: float | None
    relative: Profile
    tuned: float


class KeyFinder:
    """Counts what sounds in each tenth of a semitone, since not everybody tunes to 440 Hz."""

    def __init__(self, length: int) -> None:
        """Takes spectra of windows of `length` samples."""
        width = RATE / length
        self._bins = slice(int(_LOWEST / width), int(_HIGHEST / width) + 1)
        self._width = width
        self._steps = np.zeros(12 * _STEPS)

    def add(self, spectra: Frames) -> None:
        """Takes power spectra. Each counts as much as any other, however loud."""
        amplitudes = np.sqrt(spectra[:, self._bins.start - 1 : self._bins.stop + 1])
        before, here, after = amplitudes[:, :-2], amplitudes[:, 1:-1], amplitudes[:, 2:]
        loudest = amplitudes.max(axis=1, keepdims=True)
        heard = (here > before) & (here >= after) & (here > 0.01 * loudest) & (loudest > _FAINTEST)
        frame, at = np.nonzero(heard)
        if not len(frame):
            return
        left, middle, right = (np.log(part[heard] + 1e-12) for part in (before, here, after))
        # A parabola through the logarithms finds the peak between the bins.
        offset = 0.5 * (left - right) / np.minimum(left - 2 * middle + right, -1e-6)
        frequency = (self._bins.start + at + np.clip(offset, -0.5, 0.5)) * self._width
        strength = np.sqrt(here[heard])
        strength /= np.bincount(frame, strength, len(spectra))[frame]
        # What sounds may be the overtone of a note further down.
        notes = frequency[:, np.newaxis] / _OVERTONES
        weights = strength[:, np.newaxis] * _OVERTONE_WEIGHTS * (notes >= _LOWEST_NOTE)
        octaves = np.log2(notes / _MIDDLE_C)
        step = np.floor((octaves % 1) * 12 * _STEPS + 0.5).astype(int) % (12 * _STEPS)
        self._steps += np.bincount(step.ravel(), weights.ravel(), 12 * _STEPS)

    def finish(self) -> Tonality:
        total = float(self._steps.sum())
        if total <= 0:
            return Tonality(None, None, _EVEN, 0.0)
        turns = np.exp(2j * np.pi * np.arange(len(self._steps)) / _STEPS)
        gathered = complex(np.sum(self._steps * turns)) / total
        tuning = round(float(np.angle(gathered)) / (2 * np.pi) * _STEPS)
        around = np.roll(self._steps, _STEPS // 2 - tuning).reshape(12, _STEPS)
        return _tonality(around.sum(axis=1) / total, abs(gathered))


def _tonality(notes: Profile, tuned: float) -> Tonality:
    # Of a single note nobody can say which key it is in; noise has all of them.
    contrast = float(notes.std()) * 12
    if tuned < _LEAST_TUNED or not _CONTRASTS[0] < contrast < _CONTRASTS[1]:
        return Tonality(None, None, _EVEN, tuned)
    alike = sorted(
        (float(np.corrcoef(np.roll(profile, tonic), notes)[0, 1]), tonic, mode)
        for mode, profile in _MODES
        for tonic in range(12)
    )
    (second, *_), (best, tonic, mode) = alike[-2:]
    clear = 1 - math.exp(-(best - second) / _CLEAR_MARGIN)
    confidence = best * (0.3 + 0.7 * clear)
    if confidence < _LEAST_CONFIDENCE:
        return Tonality(None, None, _EVEN, tuned)
    return Tonality(
        key=f"{NOTES[tonic]} {mode}",
        confidence=round(confidence, 2),
        relative=np.roll(notes, -tonic),
        tuned=tuned,
    )
