"""Where one HLS segment ends and the next begins, nothing is to be heard of it.

Every segment is made alone, they are appended as a player does, and what that decodes to is held
against the source and against the same track encoded in one go.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.audio.synthesis import ENCODINGS, Signal, noise, silence, sweep, tone, write_samples
from tests.audio.tracks import Known, continuous, decoded, known, pcm, playlist, written

from talas.audio.renditions import (
    AAC_FRAME,
    SEGMENT_SAMPLES,
    output_rate,
    output_samples,
    renditions_of,
)

WINDOW = 2 * AAC_FRAME
"""What a joint can spoil: the frames on either side of it, which overlap there."""

MARGIN = 1.0
"""Decibels by which one window may be worse than the worst one inside, by chance."""


def levels(error: Signal) -> NDArray[np.float64]:
    """The mean square, in dB, of every window that ends where a frame does, half overlapping."""
    squares = (error.astype(np.float64) ** 2).mean(axis=0)
    frames = squares[: len(squares) // AAC_FRAME * AAC_FRAME].reshape(-1, AAC_FRAME).mean(axis=1)
    return 10 * np.log10((frames[:-1] + frames[1:]) / 2 + 1e-15)


def assert_no_joint_is_heard(error: Signal) -> None:
    """Around every joint the error is no higher than it gets inside the segments."""
    found = levels(error)
    joints = np.arange(1, error.shape[1] // SEGMENT_SAMPLES + 1) * SEGMENT_SAMPLES // AAC_FRAME - 1
    joints = joints[joints < len(found) - 2]
    assert len(joints)
    inside = np.ones(len(found), bool)
    for joint in joints:
        inside[joint - 1 : joint + 2] = False
    # The encoder has to find its quality first, wherever it begins.
    inside[:8] = False
    for joint in joints:
        near = found[max(0, joint - 90) : joint + 90][inside[max(0, joint - 90) : joint + 90]]
        assert found[joint] <= near.max() + MARGIN


def check(file: Known, name: str | None = None) -> Signal:
    """What the segments decode to, checked against the source and the continuous encode.

    Without a name that of the second rendition, or of the only one in AAC.
    """
    name = name or [rendition.name for rendition in renditions_of(file.track)[:-1]][:2][-1]
    heard = decoded(playlist(file, name))
    total = output_samples(file.track.samples, file.track.sample_rate)
    assert heard.shape[1] == -(-total // AAC_FRAME) * AAC_FRAME
    heard = heard[:, :total]
    assert_no_joint_is_heard(heard - pcm(file, rate=output_rate(file.track.sample_rate)))
    whole = decoded(continuous(file, name))[:, :total]
    assert_no_joint_is_heard(heard - whole)
    return heard


@pytest.mark.parametrize(
    ("signal", "name"),
    [
        ("sweep", "aac64"),
        ("sweep", "aac128"),
        ("sweep", "aac256"),
        ("noise", "aac64"),
        ("tone", "aac128"),
    ],
)
def test_at_every_bitrate(tmp_path: Path, signal: str, name: str) -> None:
    make = {"sweep": sweep, "noise": noise, "tone": tone}[signal]
    options = {"end": 9000.0} if signal == "sweep" else {}
    samples = make(9.7, sample_rate=44100, **options)
    check(written(tmp_path / "sound.wav", samples, "wav", 44100), name)


@pytest.mark.parametrize("encoding", sorted(ENCODINGS.keys() - {"wav"}))
def test_from_every_codec(tmp_path: Path, encoding: str) -> None:
    check(written(tmp_path / "sound", sweep(6, end=9000), encoding))


@pytest.mark.parametrize(
    ("rate", "channels"), [(22050, 1), (8000, 2), (37000, 2), (96000, 1), (192_000, 2)]
)
def test_from_odd_rates_and_mono(tmp_path: Path, rate: int, channels: int) -> None:
    samples = sweep(6.123, end=rate / 6, sample_rate=rate, channels=channels)
    heard = check(written(tmp_path / "sound.flac", samples, "flac", rate))
    assert len(heard) == channels


def test_clicks_around_a_joint_come_where_they_were(tmp_path: Path) -> None:
    """Sharp attacks make the encoder change its windows, which both sides must agree on."""
    quiet = noise(13, dbfs=-70)
    places = [joint * SEGMENT_SAMPLES + step for joint, step in enumerate((-600, 0, 600), start=1)]
    quiet[:, places] = 0.8
    heard = decoded(playlist(written(tmp_path / "clicks.wav", quiet, "wav"), "aac128"))
    for place in places:
        near = np.abs(heard[:, place - 2000 : place + 2000])
        assert near[0].argmax() == pytest.approx(2000, abs=1)
        assert near.max() > 0.15
        near[:, 2000 - 600 : 2000 + 600] = 0
        assert near.max() < 0.02


def test_silence_stays_silent(tmp_path: Path) -> None:
    file = written(tmp_path / "silence.flac", silence(9), "flac")
    heard = decoded(playlist(file, "aac64"))
    assert not heard.any()


@pytest.mark.parametrize("encoding", ["flac", "alac", "wav", "wav24", "mp3"])
def test_flac_segments_are_the_source_bit_for_bit(tmp_path: Path, encoding: str) -> None:
    samples = sweep(8.7, end=9000) * 0.5 + noise(8.7, dbfs=-50)
    file = written(tmp_path / "sound", samples, encoding)
    heard = decoded(playlist(file, "flac"))
    source = pcm(file)
    assert heard.shape == source.shape
    # 16 bits of what MP3 decodes to, all of the others'.
    assert np.abs(heard - source).max() <= (2**-16 + 1e-7 if encoding == "mp3" else 0)


def test_flac_of_a_source_without_end_marks(tmp_path: Path) -> None:
    """Lengths that are no whole number of frames end with a frame as short as is left."""
    path = write_samples(tmp_path / "sound.wav", noise(1)[:, :40_961], "wav")
    assert decoded(playlist(known(path, "wav"), "flac")).shape == (2, 40_961)
