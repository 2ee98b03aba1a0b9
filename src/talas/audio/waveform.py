"""Waveform peaks, as BBC audiowaveform keeps them (8 bits, one channel)."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from talas.audio.dat import (
    HEADER_BYTES,
    MOST_POINTS,
    VERSION,
    DatHeader,
    pack_header,
    read_header,
)

FINEST_SAMPLES_PER_PIXEL = 256
Pairs = NDArray[np.int8]
"""Shape (points, 2): the minimum and the maximum of each."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """The extremes of a mono mix over every `samples_per_pixel` samples; the last may hold fewer.

    As in audiowaveform, 16-bit values are divided by 256 and rounded towards zero.
    """

    sample_rate: int
    samples_per_pixel: int
    pairs: Pairs

    def merge(self, points: int) -> Peaks:
        """At most `points` points, each the extremes of the same whole number of these.

        Raises ValueError where `points` is below 1.
        """
        if points < 1:
            raise ValueError("points must be at least 1")
        group = -(-len(self.pairs) // points)
        if group <= 1:
            return self
        return Peaks(
            self.sample_rate, self.samples_per_pixel * group, merge_pairs(self.pairs, group)
        )


class PeakBuilder:
    """Makes peaks of a track of any length within bounded memory.

    Starts at `FINEST_SAMPLES_PER_PIXEL` and doubles the step whenever `MOST_POINTS` are reached.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._step = FINEST_SAMPLES_PER_PIXEL
        self._pairs: Pairs = np.empty((MOST_POINTS, 2), np.int8)
        self._count = 0

    def add(self, block: NDArray[np.float32]) -> None:
        """Takes (channels, samples). All blocks but the last must have one length, a power of
        two and at least the step that the longest track ends with.
        """
        mix = block[0] if len(block) == 1 else block.mean(axis=0)
        pairs = _extremes(mix, self._step)
        while self._count + len(pairs) > MOST_POINTS:
            self._coarsen()
            pairs = merge_pairs(pairs, 2)
        self._pairs[self._count : self._count + len(pairs)] = pairs
        self._count += len(pairs)

    def peaks(self) -> Peaks:
        return Peaks(self._sample_rate, self._step, self._pairs[: self._count].copy())

    def _coarsen(self) -> None:
        merged = merge_pairs(self._pairs[: self._count], 2)
        self._count = len(merged)
        self._pairs[: self._count] = merged
        self._step *= 2


def merge_pairs(pairs: Pairs, group: int) -> Pairs:
    """The extremes of every `group` pairs; the last group may hold fewer."""
    starts = np.arange(0, len(pairs), group)
    merged = np.empty((len(starts), 2), np.int8)
    if len(starts):
        np.minimum.reduceat(pairs[:, 0], starts, out=merged[:, 0])
        np.maximum.reduceat(pairs[:, 1], starts, out=merged[:, 1])
    return merged


def to_dat(peaks: Peaks) -> bytes:
    """audiowaveform's binary format, version 2: a little-endian header of 24 bytes, then pairs."""
    header = DatHeader(peaks.sample_rate, peaks.samples_per_pixel, len(peaks.pairs))
    return pack_header(header) + np.ascontiguousarray(peaks.pairs).tobytes()


def from_dat(data: bytes) -> Peaks:
    """Reads what `to_dat` wrote. Raises ValueError for anything else."""
    header = read_header(data)
    pairs = np.frombuffer(data, np.int8, offset=HEADER_BYTES).reshape(-1, 2)
    return Peaks(header.sample_rate, header.samples_per_pixel, pairs)


def to_json(peaks: Peaks) -> bytes:
    """audiowaveform's JSON format, version 2."""
    return msgspec.json.encode(
        {
            "version": VERSION,
            "channels": 1,
            "sample_rate": peaks.sample_rate,
            "samples_per_pixel": peaks.samples_per_pixel,
            "bits": 8,
            "length": len(peaks.pairs),
            "data": peaks.pairs.ravel().tolist(),
        }
    )


def _extremes(mix: NDArray[np.float32], step: int) -> Pairs:
    starts = np.arange(0, len(mix), step)
    whole = len(mix) // step
    extremes = np.empty((len(starts), 2), np.float32)
    steps = mix[: whole * step].reshape(whole, step)
    steps.min(axis=1, out=extremes[:whole, 0])
    steps.max(axis=1, out=extremes[:whole, 1])
    if whole < len(starts):
        rest = mix[whole * step :]
        extremes[whole] = rest.min(), rest.max()
    # Floating-point files may hold infinities and values that are no numbers.
    scaled = np.nan_to_num(np.rint(extremes * 32768.0), posinf=32767.0, neginf=-32768.0)
    rounded: Pairs = np.trunc(np.clip(scaled, -32768.0, 32767.0) / 256.0).astype(np.int8)
    return rounded
