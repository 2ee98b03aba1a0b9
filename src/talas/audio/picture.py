"""The waveform as a picture."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from talas.audio.waveform import Pairs, Peaks

WIDTH, HEIGHT = 1800, 280

_COLOUR = (124, 92, 255)
_PITCH = 6
_BAR = 4
_BARS = WIDTH // _PITCH
_MOST_GAIN = 4.0
_FAINTEST = 0.62


def render_png(peaks: Peaks) -> bytes:
    """A transparent PNG of 1800 x 280: bars with round ends, sharp at twice the density.

    Quiet tracks are drawn up to 12 dB larger than they are, so that their shape can be seen.
    """
    alpha = np.zeros((HEIGHT, _BARS, _PITCH), np.float32)
    alpha[:, :, :_BAR] = _bars(_columns(peaks.pairs))
    indexed = Image.fromarray(np.rint(alpha * 255).astype(np.uint8).reshape(HEIGHT, WIDTH), "P")
    # One colour in 256 strengths: a quarter of the bytes of RGBA, drawn the same by every browser.
    indexed.putpalette(bytes(_COLOUR) * 256)
    out = io.BytesIO()
    indexed.save(out, "PNG", transparency=bytes(range(256)), compress_level=6)
    return out.getvalue()


def _columns(pairs: Pairs) -> NDArray[np.float32]:
    """The extremes (minimum, maximum) for each bar, within -1 and 1; shape (bars, 2)."""
    if not len(pairs):
        return np.zeros((_BARS, 2), np.float32)
    edges = np.arange(_BARS) * len(pairs) // _BARS
    low = np.minimum.reduceat(pairs[:, 0], edges).astype(np.float32)
    high = np.maximum.reduceat(pairs[:, 1], edges).astype(np.float32)
    columns = np.stack([np.minimum(low, 0), np.maximum(high, 0)], axis=1)
    loudest = max(float(np.abs(columns).max()), 128 / _MOST_GAIN)
    return np.asarray(columns / loudest, np.float32)


def _bars(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of each pixel its bar covers; shape (HEIGHT, bars, _BAR)."""
    radius = _BAR / 2
    centre = HEIGHT / 2
    reach = centre - radius - 1
    top = (centre - columns[:, 1] * reach)[None, :, None]
    bottom = (centre - columns[:, 0] * reach)[None, :, None]
    y = (np.arange(HEIGHT, dtype=np.float32) + 0.5)[:, None, None]
    x = (np.arange(_BAR, dtype=np.float32) + 0.5 - radius)[None, None, :]
    beyond = np.maximum(np.maximum(top - y, y - bottom), 0)
    covered = np.clip(radius - np.sqrt(beyond**2 + x**2) + 0.5, 0, 1)
    fade = 1 - (1 - _FAINTEST) * np.abs(y - centre) / centre
    return np.asarray(covered * fade, np.float32)
