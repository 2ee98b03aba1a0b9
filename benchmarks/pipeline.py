"""The upload pipeline's speed: sniff, decode, loudness, true peak, tempo, key, features, seek
index, peaks and PNG of one track.

Measured as the worker runs it, in its capped subprocess, start-up included; beside it the bare
decode of the same file in a process of its own. With the environment's `MUSIC=folder` the songs of
that folder are measured too, together.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tests.audio.synthesis import write_samples

from benchmarks.figures import Figure, alternate, rate_figure
from talas.audio.containers import CONTAINERS, Container
from talas.audio.measurements import AnalysisResult
from talas.audio.process import analyse_file
from talas.audio.sniff import sniff_file

SECONDS = 300
ROUNDS = 5
SAMPLE_RATE = 44_100
MOST_SONGS = 15
LEAST_SONG_S = 60.0
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
            songs = [(path, CONTAINERS[name])]
            yield _pipeline(f"pipeline, 5-minute {name}", songs, SECONDS)
    if songs := _real_songs():
        seconds = sum(_length(path, container) for path, container in songs)
        yield _pipeline(f"pipeline, {len(songs)} real songs", songs, seconds)


def _pipeline(what: str, songs: Sequence[tuple[Path, Container]], seconds: float) -> Figure:
    ours, bare = alternate(
        lambda: seconds / sum(_timed_analysis(*song) for song in songs),
        lambda: seconds / sum(_timed_decode(path) for path, _ in songs),
        rounds=ROUNDS,
    )
    detail = f"bare decode alone {sorted(bare)[ROUNDS // 2]:,.0f} x, its own start included"
    return rate_figure(
        what,
        sorted(ours)[ROUNDS // 2],
        least=100,
        unit="x real time",
        detail=detail,
    )


def _real_songs() -> list[tuple[Path, Container]]:
    """The first fifteen of a minute and more."""
    songs = []
    for path in sorted(Path(os.environ.get("MUSIC") or os.devnull).glob("*")):
        with path.open("rb") as file:
            container = sniff_file(file)
        if container is not None and _length(path, container) >= LEAST_SONG_S:
            songs.append((path, container))
        if len(songs) == MOST_SONGS:
            break
    return songs


def _length(path: Path, container: Container) -> float:
    return _analysed(path, container).measurements.duration_ms / 1000


def _timed_analysis(path: Path, container: Container) -> float:
    began = time.perf_counter()
    _analysed(path, container)
    return time.perf_counter() - began


def _analysed(path: Path, container: Container) -> AnalysisResult:
    limits = {"wall_limit_s": 600.0, "cpu_limit_s": 600.0}
    analysing = analyse_file(path, container, **limits, memory_limit_bytes=512 * 2**20)
    return asyncio.run(analysing)


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
