"""How a track sounds, as a vector: tracks that sound alike lie close together.

Sixty signed bytes. Each is one trait, brought by a fixed centre and scale to a spread near 1 over
music of many kinds, times a weight for how much listeners go by it. The distance of two tracks is
the Euclidean one, between vectors of one version only. By groups:

- timbre (0 to 27): means and spreads of the first 14 mel-frequency cepstral coefficients (Davis
  and Mermelstein, 1980), so what plays and how it is mixed;
- colour and dynamics (28 to 35): brightness, noisiness, balance of bass and treble, and how
  loudness changes;
- rhythm (36 to 44): how many and how clear the onsets, the tempo (as an angle, an octave being a
  whole turn, so that half and double time are the same) and what happens between two beats;
- tonality (45 to 59): how tuned it is, major or minor, and how often each note sounds counted from
  the tonic, so that a transposed track stays the same.

Nothing depends on how loud the file is.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.fft import rfftfreq
from numpy.typing import NDArray

from talas.audio.measurements import FEATURES
from talas.audio.spectrum import RATE, Frames, mel_weights
from talas.audio.tempo import Tempo
from talas.audio.tonality import Tonality

Vector = NDArray[np.float64]

_BANDS = 32
_COEFFICIENTS = 14
_FAINTEST = 1e-7
_LOWEST_OF_FRAME = 1e-7
_BASS_HZ, _TREBLE_HZ = 250.0, 4000.0
_QUANTUM = 1 / 24
_WEIGHTS = np.repeat([1.0, 0.6, 0.45, 0.8, 1.0, 0.45], [6, 8, 14, 8, 9, 15])
# Centre and scale of every trait, as found over orchestral and electronic music, drums and noise.
_CEPSTRUM_MEANS = np.array(
    [
        [1.6, -0.1, 0.15, *[0.0] * 11],
        [0.9, 0.4, 0.2, 0.16, 0.13, 0.09, 0.08, 0.08, 0.07, 0.06, 0.06, 0.06, 0.05, 0.05],
    ]
)
_CEPSTRUM_SPREADS = np.array(
    [
        [0.48, 0.35, 0.2, 0.16, 0.16, 0.14, 0.12, *[0.1] * 7],
        [0.31, 0.17, 0.08, 0.07, 0.06, *[0.05] * 9],
    ]
)
_COLOUR = np.array(
    [[-1.3, 0.8, -2.6, 0.9, -0.6, -2.4, 0.65, 0.3], [1.0, 0.45, 0.9, 0.3, 0.45, 0.9, 0.3, 0.12]]
)


class TimbreMeter:
    """Sums up spectra; keeps the same few numbers however long the track is."""

    def __init__(self, length: int) -> None:
        """Takes spectra of windows of `length` samples."""
        self._bands = mel_weights(length, _BANDS, 40.0, RATE / 2)
        frequencies = rfftfreq(length, 1 / RATE)
        self._octaves = np.log2(np.maximum(frequencies, 20.0) / 1000.0).astype(np.float32)
        self._regions = np.stack([frequencies < _BASS_HZ, frequencies > _TREBLE_HZ], axis=1)
        angles = np.arange(1, _COEFFICIENTS + 1)[:, np.newaxis] * (np.arange(_BANDS) + 0.5)
        self._cosines = np.cos(np.pi / _BANDS * angles).T / _BANDS
        self._count = 0
        self._sums = np.zeros(_COEFFICIENTS + 6)
        self._squares = np.zeros(_COEFFICIENTS + 6)

    def add(self, spectra: Frames) -> None:
        """Takes power spectra; silent ones do not count."""
        power = spectra.sum(axis=1)
        audible = power > _FAINTEST
        if not audible.any():
            return
        spectra, power = spectra[audible], power[audible]
        bands = spectra @ self._bands
        logs = np.log(np.maximum(bands, _LOWEST_OF_FRAME * bands.max(axis=1, keepdims=True)))
        shares = spectra @ self._regions / power[:, np.newaxis]
        traits = np.concatenate(
            [
                logs @ self._cosines,
                (spectra @ self._octaves / power)[:, np.newaxis],
                (logs.mean(axis=1) - np.log(bands.mean(axis=1)))[:, np.newaxis],
                np.log10(shares + 1e-4),
                np.log10(power)[:, np.newaxis],
                np.sqrt(np.sqrt(power))[:, np.newaxis],
            ],
            axis=1,
        )
        self._count += len(traits)
        self._sums += traits.sum(axis=0)
        self._squares += (traits**2).sum(axis=0)

    def finish(self) -> tuple[Vector, Vector] | None:
        """Means and spreads of the coefficients, of brightness in octaves above 1 kHz, flatness,
        shares of bass and of treble (powers of ten), level (powers of ten), and its fourth root.
        None where nothing was heard."""
        if not self._count:
            return None
        means = self._sums / self._count
        return means, np.sqrt(np.maximum(self._squares / self._count - means**2, 0))


def feature_vector(
    timbre: tuple[Vector, Vector] | None, tempo: Tempo, tonality: Tonality
) -> bytes | None:
    """The vector of a track, as `FEATURES` signed bytes; None for silence."""
    if timbre is None:
        return None
    means, spreads = timbre
    cepstrum = slice(0, _COEFFICIENTS)
    traits = np.concatenate(
        [
            _scaled(means[cepstrum], _CEPSTRUM_MEANS),
            _scaled(spreads[cepstrum], _CEPSTRUM_SPREADS),
            _scaled(_colour(means[_COEFFICIENTS:], spreads[_COEFFICIENTS:]), _COLOUR),
            _rhythm(tempo),
            _tonal(tonality),
        ]
    )
    assert len(traits) == FEATURES
    scaled = np.clip(np.rint(traits * _WEIGHTS / _QUANTUM), -127, 127)
    return bytes(scaled.astype(np.int8))


def _colour(means: Vector, spreads: Vector) -> Vector:
    bright, flat, bass, treble, _level, root = means
    return np.array(
        [bright, spreads[0], flat, spreads[1], bass, treble, spreads[4], spreads[5] / root]
    )


def _rhythm(tempo: Tempo) -> Vector:
    traits = np.zeros(9)
    traits[0] = (math.log(tempo.onsets + 1e-4) + 2.75) / 0.35
    traits[1] = (math.sqrt(max(tempo.salience, 0.0)) - 0.35) / 0.18
    if tempo.bpm is not None and tempo.confidence is not None:
        turn = 2 * math.pi * math.log2(tempo.bpm / 120.0)
        sure = 1.5 * tempo.confidence
        traits[2:4] = sure * math.cos(turn), sure * math.sin(turn)
        traits[4] = 0.5 * sure * math.log2(tempo.bpm / 110.0)
        traits[5:9] = 3 * np.array(tempo.subdivisions)
    return traits


def _tonal(tonality: Tonality) -> Vector:
    traits = np.zeros(15)
    traits[0] = (tonality.tuned - 0.25) / 0.12
    if tonality.key is not None and tonality.confidence is not None:
        mode = 1.0 if tonality.key.endswith("major") else -1.0
        traits[1:3] = 2 * mode * tonality.confidence, tonality.confidence
        traits[3:] = (tonality.relative - 1 / 12) / 0.025
    return traits


def _scaled(values: Vector, by: Vector) -> Vector:
    centre, scale = by
    return np.asarray((values - centre) / scale)
