"""The upload pipeline's speed: sniff, decode, loudness, true peak, peaks and PNG of one track.

Measured as the worker runs it, in its capped subprocess, start-up included; beside it the bare
decode of the same file in a process of its own.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tests.audio.synthesis import write_samples

from benchmarks.figures import Figure, alternate, rate_figure
from talas.audio.containers import CONTAINERS, Container
from talas.audio.process import analyse_file

SECONDS = 300
ROUNDS = 5
SAMPLE_RATE = 44_100
DECODE = """
import sys, av
with av.open(sys.argv[1]) as media:
    for frame in media.decode(audio=0):
        pass
"""


def measure() -> Iterator[Figure]:
    music = pink_noise_music()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("mp3", "flac", "m4a", "ogg"):
            path = write_samples(Path(folder) / f"track.{name}", music, name, SAMPLE_RATE)
            yield _pipeline(path, CONTAINERS[name])


def _pipeline(path: Path, container: Container) -> Figure:
    ours, bare = alternate(
        lambda: SECONDS / _timed_analysis(path, container),
        lambda: SECONDS / _timed_decode(path),
        rounds=ROUNDS,
    )
    detail = f"bare decode alone {sorted(bare)[ROUNDS // 2]:,.0f} x, its own start included"
    return rate_figure(
        f"pipeline, 5-minute {container.name}",
        sorted(ours)[ROUNDS // 2],
        least=100,
        unit="x real time",
        detail=detail,
    )


def _timed_analysis(path: Path, container: Container) -> float:
    began = time.perf_counter()
    asyncio.run(
        analyse_file(
            path, container, wall_limit_s=300, cpu_limit_s=300, memory_limit_bytes=512 * 2**20
        )
    )
    return time.perf_counter() - began


def _timed_decode(path: Path) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", DECODE, str(path)], check=True)
    return time.perf_counter() - began


def pink_noise_music() -> np.ndarray:
    """Stereo with music's falling spectrum and a beat, so that codecs have music's work."""
    random = np.random.default_rng(7)
    count = SECONDS * SAMPLE_RATE
    spectrum = np.fft.rfft(random.standard_normal((2, count)).astype(np.float32))
    spectrum /= np.sqrt(np.maximum(np.arange(spectrum.shape[1]), 1))
    wave = np.fft.irfft(spectrum, count)
    beat = 0.6 + 0.4 * np.cos(2 * np.pi * 2 * np.arange(count) / SAMPLE_RATE)
    wave *= beat / np.abs(wave).max()
    return (0.7 * wave).astype(np.float32)
