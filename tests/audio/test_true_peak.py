"""True peaks, beside those of the whole signal interpolated."""

from __future__ import annotations

import math

import av
import numpy as np
import pytest
from tests.audio.synthesis import noise, tone

from talas.audio.true_peak import RATE, TruePeakMeter

BLOCK = 4096


def measured(signal: np.ndarray, rate: int) -> float | None:
    meter = TruePeakMeter()
    for start in range(0, signal.shape[1], BLOCK):
        meter.add(signal[:, start : start + BLOCK], rate)
    return meter.finish()


def whole(signal: np.ndarray, rate: int) -> float:
    """What FFmpeg makes of every sample."""
    highest = 0.0
    for channel in signal:
        resampler = av.AudioResampler("flt", "mono", RATE)
        frame = av.AudioFrame.from_ndarray(channel[np.newaxis], "flt", "mono")
        frame.sample_rate = rate
        for out in (*resampler.resample(frame), *resampler.resample(None)):
            highest = max(highest, float(np.abs(out.to_ndarray()).max()))
    return 20 * math.log10(highest)


@pytest.mark.parametrize(
    ("rate", "close"), [(8000, 0.01), (44_100, 0.35), (48_000, 0.01), (96_000, 0.01)]
)
@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_matters_is_left_out(rate: int, close: float, seed: int) -> None:
    """Quiet noise, with loud moments anywhere, also across two blocks. At 44.1 kHz the moments that
    are looked at lie elsewhere between the samples, and noise leaves room for that."""
    signal = noise(0.8, dbfs=-20, sample_rate=48_000, seed=seed)
    random = np.random.default_rng(seed)
    loud = noise(0.8, dbfs=-3, sample_rate=48_000, seed=seed + 9)
    for at in (*random.integers(50, signal.shape[1] - 50, 6), BLOCK - 3, 3 * BLOCK + 2):
        signal[:, at - 8 : at + 8] = loud[:, at - 8 : at + 8]
    at_samples = 20 * math.log10(float(np.abs(signal).max()))
    expected = max(at_samples, whole(signal, rate))
    assert measured(signal, rate) == pytest.approx(expected, abs=close)


def test_the_louder_channel_counts() -> None:
    signal = np.concatenate([tone(0.5, dbfs=-30, channels=1), tone(0.5, dbfs=-6, channels=1)])
    assert measured(signal, 48_000) == pytest.approx(-6.0, abs=0.02)


def test_digital_silence_has_none() -> None:
    assert measured(np.zeros((2, 10_000), np.float32), 48_000) is None


def test_what_is_beyond_all_measure_has_a_figure() -> None:
    """Floating-point files can hold anything; a peak of infinity would be no number to keep."""
    signal = np.full((1, 10_000), np.inf, np.float32)
    signal[:, ::3], signal[:, ::7] = -np.inf, np.nan
    peak = measured(signal, 44_100)
    assert peak is not None
    assert 700 < peak < 1000
