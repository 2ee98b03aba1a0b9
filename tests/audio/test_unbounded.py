"""PCM that is stored as floats, which may be anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.audio.synthesis import Signal, tone
from tests.audio.test_transcoding import MUXERS, transcoded
from tests.audio.tracks import Known, decoded, playlist, written

WILD = 0.5
"""Seconds; what is wrong is within a tenth of a second of them."""


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> Known:
    signal: Signal = tone(2, dbfs=-12, channels=2)
    first = int(WILD * 48000)
    for offset, value in enumerate((np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-44)):
        signal[:, first + 300 * offset] = value
    return written(tmp_path_factory.mktemp("wild") / "sound", signal, "wavfloat")


def assert_sound_outside(sound: Signal, rate: int) -> None:
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() < 2.5
    after = sound[:, int((WILD + 0.3) * rate) : int(1.8 * rate)]
    level = 20 * np.log10(np.sqrt(np.mean(after.astype(np.float64) ** 2)))
    assert level == pytest.approx(-15, abs=0.5)


@pytest.mark.parametrize("name", ["aac128", "flac"])
def test_segments(wild: Known, name: str) -> None:
    assert_sound_outside(decoded(playlist(wild, name)), 48000)


@pytest.mark.parametrize("gain", [0.0, -6.0])
@pytest.mark.parametrize("format_name", MUXERS)
def test_transcodes(wild: Known, format_name: str, gain: float) -> None:
    sound = decoded(transcoded(wild, format_name, gain_db=gain), MUXERS[format_name])
    assert_sound_outside(sound / 10 ** (gain / 20), 48000)


def test_what_exceeds_full_scale_comes_back_with_a_gain(tmp_path: Path) -> None:
    signal: Signal = tone(1, dbfs=3, channels=2)
    loud = written(tmp_path / "sound", signal, "wavfloat")
    sound = decoded(transcoded(loud, "flac", gain_db=-6.0), "flac")
    assert np.abs(sound).max() == pytest.approx(10 ** (-3 / 20), abs=0.001)
