"""Peaks in audiowaveform's formats, merged, and drawn."""

from __future__ import annotations

import io
import json
import struct
import time

import numpy as np
import pytest
from PIL import Image

from talas.audio.decode import MOST_SECONDS, SAMPLE_RATES
from talas.audio.loudness import BLOCK
from talas.audio.picture import HEIGHT, WIDTH, render_png
from talas.audio.waveform import (
    MOST_POINTS,
    PeakBuilder,
    Peaks,
    from_dat,
    to_dat,
    to_json,
)


def peaks(points: int, *, seed: int = 3, loudest: int = 127) -> Peaks:
    random = np.random.default_rng(seed)
    high = random.integers(0, loudest, points, endpoint=True)
    return Peaks(44100, 256, np.stack([-high, high], axis=1).astype(np.int8))


def test_dat_is_audiowaveforms_version_2() -> None:
    data = to_dat(Peaks(44100, 512, np.array([[-128, 127], [-1, 0]], np.int8)))
    assert struct.unpack_from("<iIiiIi", data) == (2, 1, 44100, 512, 2, 1)
    assert data[24:] == b"\x80\x7f\xff\x00"


def test_dat_comes_back_as_it_went() -> None:
    before = peaks(1000)
    after = from_dat(to_dat(before))
    assert (after.sample_rate, after.samples_per_pixel) == (44100, 256)
    assert np.array_equal(after.pairs, before.pairs)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(23),
        bytes(24),
        to_dat(peaks(10))[:-1],
        to_dat(peaks(10)) + b"\0",
        struct.pack("<iIiiI", 1, 1, 44100, 256, 0),
        struct.pack("<iIiiIi", 2, 0, 44100, 256, 0, 1),
        struct.pack("<iIiiIi", 2, 1, 44100, 256, 0, 2),
        struct.pack("<iIiiIi", 2, 1, 44100, 0, 0, 1),
        struct.pack("<iIiiIi", 2, 1, 44100, 256, 2**32 - 1, 1),
    ],
)
def test_other_data_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="waveform data must"):
        from_dat(data)


def test_json_is_audiowaveforms_version_2() -> None:
    found = json.loads(to_json(Peaks(48000, 256, np.array([[-128, 127], [-1, 0]], np.int8))))
    assert found == {
        "version": 2,
        "channels": 1,
        "sample_rate": 48000,
        "samples_per_pixel": 256,
        "bits": 8,
        "length": 2,
        "data": [-128, 127, -1, 0],
    }


@pytest.mark.parametrize("points", [1, 7, 100, 333, 999])
def test_merging_keeps_every_extreme(points: int) -> None:
    before = peaks(1000)
    after = before.merge(points)
    group = after.samples_per_pixel // before.samples_per_pixel
    assert len(after.pairs) <= points
    for index, (low, high) in enumerate(after.pairs):
        merged = before.pairs[index * group : (index + 1) * group]
        assert (low, high) == (merged[:, 0].min(), merged[:, 1].max())


def test_merging_never_makes_more_points() -> None:
    before = peaks(10)
    assert before.merge(10) is before
    assert before.merge(11) is before
    assert len(peaks(0).merge(5).pairs) == 0


@pytest.mark.parametrize("points", [0, -1])
def test_merging_to_no_points_is_an_error(points: int) -> None:
    with pytest.raises(ValueError, match="points must be at least 1"):
        peaks(10).merge(points)


def test_twelve_hours_stay_within_the_bound() -> None:
    """Every click must be in its place after all merging."""
    builder = PeakBuilder(48_000)
    block = np.zeros((1, BLOCK), np.float32)
    click = block.copy()
    click[0, 0] = 1.0
    blocks = 12 * 3600 * 48_000 // BLOCK
    for index in range(blocks):
        builder.add(click if index % 1000 == 0 else block)
    found = builder.peaks()
    assert len(found.pairs) <= MOST_POINTS
    clicked = np.flatnonzero(found.pairs[:, 1]) * found.samples_per_pixel // BLOCK
    assert clicked.tolist() == list(range(0, blocks, 1000))


def test_the_coarsest_step_of_all_fits_in_a_block() -> None:
    assert MOST_SECONDS * SAMPLE_RATES.stop / MOST_POINTS <= BLOCK


def test_growing_past_the_bound_equals_merging_afterwards() -> None:
    random = np.random.default_rng(5)
    samples = random.uniform(-1, 1, 20 * BLOCK).astype(np.float32)
    whole, grown = PeakBuilder(44100), PeakBuilder(44100)
    # Silence first, so that the bound is reached in the middle of the samples.
    silence = np.zeros((1, BLOCK), np.float32)
    for _ in range(MOST_POINTS // (BLOCK // 256) - 8):
        grown.add(silence)
    for start in range(0, len(samples), BLOCK):
        whole.add(samples[None, start : start + BLOCK])
        grown.add(samples[None, start : start + BLOCK])
    rest = samples[None, :1000]
    whole.add(rest)
    grown.add(rest)
    expected = whole.peaks().merge(-(-len(whole.peaks().pairs) // 2)).pairs
    assert grown.peaks().samples_per_pixel == 512
    assert np.array_equal(grown.peaks().pairs[-len(expected) :], expected)


@pytest.mark.parametrize("points", [0, 1, 299, 300, 301, 100_000])
def test_the_picture_has_its_size_and_is_transparent(points: int) -> None:
    with Image.open(io.BytesIO(render_png(peaks(points)))) as image:
        assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT))
        alpha = np.asarray(image.convert("RGBA"))[:, :, 3]
    assert (alpha[0] == 0).all()
    assert (alpha[HEIGHT // 2] > 0).any(), "silence is a line, not nothing"


def test_the_picture_follows_the_sound() -> None:
    pairs = np.zeros((3000, 2), np.int8)
    pairs[1500:] = (-64, 127)
    with Image.open(io.BytesIO(render_png(Peaks(44100, 256, pairs)))) as image:
        drawn = np.asarray(image.convert("RGBA"))[:, :, 3] > 0
    silent, loud = drawn[:, : WIDTH // 2], drawn[:, WIDTH // 2 :]
    assert silent.sum(axis=0).max() <= 8
    above, below = loud[: HEIGHT // 2].any(axis=1).sum(), loud[HEIGHT // 2 :].any(axis=1).sum()
    assert above > 1.8 * below


def test_drawing_is_quick_and_small() -> None:
    loud = peaks(MOST_POINTS)
    began = time.process_time()
    png = render_png(loud)
    assert time.process_time() - began < 1
    assert len(png) < 100_000
