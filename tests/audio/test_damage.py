"""Cut-off and damaged files: what decodes is used, if it is a second at least."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tests.audio.synthesis import ENCODINGS, wav_bytes, write_noise

from talas.audio.analysis import Analysis, analyse
from talas.audio.containers import CONTAINERS, WAV
from talas.audio.errors import AudioError
from talas.audio.sniff import sniff_file

DAMAGEABLE = ["mp3", "aac", "m4a", "alac", "flac", "wav", "aiff", "ogg", "opus"]
STREAMED = ["mp3", "aac", "flac", "wav", "aiff", "ogg", "opus"]


def analysed(data: bytes) -> Analysis:
    file = io.BytesIO(data)
    container = sniff_file(file)
    assert container is not None
    return analyse(file, container)


def sound(tmp_path: Path, encoding: str, seconds: float) -> bytes:
    return write_noise(tmp_path / "sound", encoding, seconds=seconds).read_bytes()


@pytest.mark.parametrize("encoding", STREAMED)
def test_the_first_part_of_a_cut_file_is_used(tmp_path: Path, encoding: str) -> None:
    """Ogg is written in pages of a second, and only whole pages are readable."""
    data = sound(tmp_path, encoding, 4)
    found = analysed(data[: len(data) * 6 // 10]).measurements
    longest_loss = 1000 if encoding in ("ogg", "opus") else 100
    assert 2400 - longest_loss <= found.duration_ms <= 2500
    assert found.damaged or not CONTAINERS[ENCODINGS[encoding].container].promises_length


@pytest.mark.parametrize("encoding", ["m4a", "alac"])
def test_an_m4a_without_its_movie_box_fails_with_the_reason(tmp_path: Path, encoding: str) -> None:
    data = sound(tmp_path, encoding, 4)
    with pytest.raises(AudioError, match="looks like m4a but cannot be read"):
        analysed(data[: len(data) * 6 // 10])


@pytest.mark.parametrize("encoding", ["flac", "wav", "aiff"])
def test_less_than_a_second_of_a_cut_file_fails(tmp_path: Path, encoding: str) -> None:
    data = sound(tmp_path, encoding, 4)
    with pytest.raises(AudioError, match="less than one second of it can be decoded"):
        analysed(data[: len(data) * 2 // 10])


@pytest.mark.parametrize("encoding", DAMAGEABLE)
def test_half_a_second_that_is_whole_is_a_track(tmp_path: Path, encoding: str) -> None:
    found = analysed(sound(tmp_path, encoding, 0.5)).measurements
    assert found.duration_ms == pytest.approx(500, abs=45)
    assert not found.damaged


@pytest.mark.parametrize("encoding", DAMAGEABLE)
def test_a_broken_middle_is_passed_over(tmp_path: Path, encoding: str) -> None:
    data = bytearray(sound(tmp_path, encoding, 6))
    middle = slice(len(data) * 58 // 100, len(data) * 59 // 100)
    data[middle] = np.random.default_rng(1).bytes(middle.stop - middle.start)
    found = analysed(bytes(data)).measurements
    assert 4500 <= found.duration_ms <= 6050
    assert found.loudness_lufs is not None


@pytest.mark.parametrize("encoding", DAMAGEABLE)
@pytest.mark.parametrize("seed", range(4))
def test_random_damage_ends_in_a_track_or_a_sentence(
    tmp_path: Path, encoding: str, seed: int
) -> None:
    data = np.frombuffer(sound(tmp_path, encoding, 1.5), np.uint8).copy()
    random = np.random.default_rng(seed)
    hit = random.integers(0, len(data), 1 + len(data) // 2000)
    data[hit] = random.integers(0, 256, len(hit))
    container = CONTAINERS[ENCODINGS[encoding].container]
    with suppress(AudioError):
        found = analyse(io.BytesIO(data.tobytes()), container)
        assert found.measurements.duration_ms >= 1000 or not found.measurements.damaged
        assert len(found.peaks.pairs) > 0


@pytest.mark.parametrize("encoding", ["mp3", "aac", "oggflac"])
def test_files_of_two_shapes_joined_are_one_track(tmp_path: Path, encoding: str) -> None:
    """The second is brought to the rate and the channels of the first."""
    second = write_noise(tmp_path / "2", encoding, seconds=1, sample_rate=32000, channels=1)
    found = analysed(sound(tmp_path, encoding, 2) + second.read_bytes()).measurements
    assert (found.sample_rate, found.channels) == (48000, 2)
    assert found.duration_ms == pytest.approx(3000, abs=100)


@pytest.mark.parametrize("promised", [2**32 - 1, 2**32 - 100, 2**31])
def test_a_wav_that_promises_gigabytes_is_as_long_as_its_bytes(promised: int) -> None:
    data = wav_bytes(bytes(44100 * 2 * 2), promised=promised)
    assert analyse(io.BytesIO(data), WAV).measurements.duration_ms == 2000


@pytest.mark.parametrize("real", sorted(CONTAINERS))
def test_a_mislabelled_file_is_read_as_what_it_is(tmp_path: Path, real: str) -> None:
    data = sound(tmp_path, real, 0.5)
    for label in CONTAINERS.values():
        assert analyse(io.BytesIO(data), label).measurements.format == real
