"""Silence before and after the sound."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_AUDIBLE = 10 ** (-60 / 20)


class SilenceFinder:
    """Finds the first and the last sample at or above -60 dBFS in any channel."""

    def __init__(self) -> None:
        self._samples = 0
        self._first: int | None = None
        self._last = 0

    def add(self, block: NDArray[np.float32]) -> None:
        """Takes the next (channels, samples)."""
        audible = np.flatnonzero(np.abs(block).max(axis=0) >= _AUDIBLE)
        if audible.size:
            if self._first is None:
                self._first = self._samples + int(audible[0])
            self._last = self._samples + int(audible[-1])
        self._samples += block.shape[1]

    @property
    def leading(self) -> int:
        """Silent samples at the start: all of them where nothing is audible."""
        return self._samples if self._first is None else self._first

    @property
    def trailing(self) -> int:
        """Silent samples at the end, 0 where nothing is audible."""
        return 0 if self._first is None else self._samples - 1 - self._last
