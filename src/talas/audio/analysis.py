"""Everything that is learnt of a track, in one decode pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from talas.audio.answer import LONGEST_TEXT, Analysed, Answer, Refused
from talas.audio.containers import CONTAINERS, Container
from talas.audio.cover import make_cover
from talas.audio.decode import Source, open_source
from talas.audio.errors import AudioError
from talas.audio.loudness import Block, LoudnessMeter
from talas.audio.measurements import AnalysisResult, Measurements
from talas.audio.music import Listener, Music
from talas.audio.picture import render_png
from talas.audio.silence import SilenceFinder
from talas.audio.sniff import sniff_file
from talas.audio.tags import read_tags
from talas.audio.true_peak import TruePeakMeter
from talas.audio.waveform import PeakBuilder, Peaks, to_dat

_LEAST_DAMAGED_SECONDS = 1.0
_MOST_BITS_PER_SECOND = 2**31 - 1


@dataclass(frozen=True)
class Analysis:
    """The figures, the vector of features (None for silence), the seek index, the waveform, and
    the embedded picture as a JPEG of at most 600 x 600."""

    measurements: Measurements
    features: bytes | None
    seek_index: bytes
    peaks: Peaks
    cover_jpeg: bytes | None


class _Heard:
    """All that looks at the samples, each block once."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self.peaks = PeakBuilder(sample_rate)
        self.true_peak = TruePeakMeter()
        self.silence = SilenceFinder()
        self.listener = Listener(sample_rate)

    def add(self, block: Block) -> None:
        mix = block[0] if len(block) == 1 else block.mean(axis=0)
        self.peaks.add(mix[np.newaxis])
        self.true_peak.add(block, self._sample_rate)
        self.silence.add(block)
        self.listener.add(mix)


def analyse(
    file: BinaryIO, container: Container, *, opened: Callable[[], None] = lambda: None
) -> Analysis:
    """Decodes `file` (seekable) once and measures it; calls `opened` when decoding begins.

    `container` is what its first bytes looked like. Where a long ID3 tag hid the truth, the file
    is read as what it is. Raises AudioError, and MemoryError where memory runs out.
    """
    container = _true_container(file)
    with open_source(file, container) as source:
        opened()
        meter = LoudnessMeter()
        heard: _Heard | None = None
        for block in meter.blocks(source.frames()):
            heard = heard or _Heard(source.sample_rate)
            heard.add(block)
        if heard is None:
            raise AudioError("The file holds no audio that can be decoded.")
        _refuse_scrap(source)
        music = heard.listener.finish()
        return Analysis(
            measurements=_measurements(source, container, meter, heard, music),
            features=music.features,
            seek_index=source.seek_index.to_bytes(),
            peaks=heard.peaks.peaks(),
            cover_jpeg=make_cover(source.picture) if source.picture else None,
        )


def answer(file: BinaryIO, name: str, *, opened: Callable[[], None] = lambda: None) -> Answer:
    """As `analyse` for the container called `name`, the way the subprocess reports it.

    Raises MemoryError only.
    """
    try:
        analysis = analyse(file, CONTAINERS[name], opened=opened)
    except AudioError as error:
        return Refused(error.reason, error.detail and error.detail[:LONGEST_TEXT])
    except MemoryError:
        raise
    except Exception as error:
        return Refused("The file could not be decoded.", repr(error)[:LONGEST_TEXT])
    return Analysed(
        AnalysisResult(
            measurements=analysis.measurements,
            seek_index=analysis.seek_index,
            features=analysis.features,
            waveform_dat=to_dat(analysis.peaks),
            waveform_png=render_png(analysis.peaks),
            cover_jpeg=analysis.cover_jpeg,
        )
    )


def _true_container(file: BinaryIO) -> Container:
    found = sniff_file(file)
    if found is None:
        raise AudioError("The file is not audio in a format that is accepted.")
    return found


def _refuse_scrap(source: Source) -> None:
    if source.seconds < _LEAST_DAMAGED_SECONDS and (source.damaged or source.cut_off):
        raise AudioError("The file is damaged, and less than one second of it can be decoded.")


def _measurements(
    source: Source, container: Container, meter: LoudnessMeter, heard: _Heard, music: Music
) -> Measurements:
    rate, silence = source.sample_rate, heard.silence
    return Measurements(
        format=container.name,
        codec=source.codec,
        samples=source.samples,
        duration_ms=round(source.samples * 1000 / rate),
        sample_rate=rate,
        channels=source.channels,
        bitrate=min(round(source.packet_bytes * 8 * rate / source.samples), _MOST_BITS_PER_SECOND),
        loudness_lufs=meter.loudness_lufs,
        peak_dbtp=heard.true_peak.finish(),
        leading_silence_ms=silence.leading * 1000 // rate,
        trailing_silence_ms=silence.trailing * 1000 // rate,
        bpm=music.tempo.bpm,
        bpm_confidence=music.tempo.confidence,
        key=music.tonality.key,
        key_confidence=music.tonality.confidence,
        damaged=source.damaged or source.cut_off,
        tags=read_tags(*source.metadata),
    )
