"""What musicians ask of a track: its tempo, its key, and what else sounds like it."""

from __future__ import annotations

from dataclasses import dataclass

from talas.audio.features import TimbreMeter, feature_vector
from talas.audio.spectrum import Downsampler, Mono, SpectrumStream
from talas.audio.tempo import Tempo, TempoFinder
from talas.audio.tonality import KeyFinder, Tonality

# 2.7 Hz and 0.19 s: fine enough to tell the notes of a bass, short enough for those of a melody.
_LENGTH, _HOP, _BATCH = 8192, 4096, 16


@dataclass(frozen=True)
class Music:
    """`features` is the vector of `audio.features`, None for silence."""

    tempo: Tempo
    tonality: Tonality
    features: bytes | None


class Listener:
    """Hears a mono mix block by block; keeps 340 bytes for each second of it."""

    def __init__(self, sample_rate: int) -> None:
        self._downsampler = Downsampler(sample_rate)
        self._spectra = SpectrumStream(length=_LENGTH, hop=_HOP, batch=_BATCH)
        self._tempo = TempoFinder()
        self._key = KeyFinder(_LENGTH)
        self._timbre = TimbreMeter(_LENGTH)

    def add(self, mix: Mono) -> None:
        self._hear(self._downsampler.add(mix))

    def finish(self) -> Music:
        """What was heard. Nothing can be added afterwards."""
        self._hear(self._downsampler.finish())
        for spectra in self._spectra.finish():
            self._key.add(spectra)
            self._timbre.add(spectra)
        tempo, tonality = self._tempo.finish(), self._key.finish()
        return Music(tempo, tonality, feature_vector(self._timbre.finish(), tempo, tonality))

    def _hear(self, samples: Mono) -> None:
        self._tempo.add(samples)
        for spectra in self._spectra.add(samples):
            self._key.add(spectra)
            self._timbre.add(spectra)
