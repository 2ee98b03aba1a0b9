"""PCM from any sample on is what decoding the whole file gives there."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from tests.audio.synthesis import (
    ENCODINGS,
    Signal,
    id3_tag,
    noise,
    sweep,
    tone,
    wav_bytes,
    write_samples,
)
from tests.audio.tracks import Known, known, pcm, written

from talas.audio import pcm as pcm_module
from talas.audio.encoding_orders import transcode_order
from talas.audio.pcm import PcmSpan, read_pcm
from talas.audio.pcm_graph import PcmShape
from talas.audio.renditions import output_rate

SPAN = 3000
SECONDS = 5.1
OPUS_ERROR = 1 / 2**15
"""One step of 16 bits: its predictors have all but forgotten where they began."""


def sound(rate: int = 48000, channels: int = 2, seconds: float = SECONDS) -> Signal:
    """Something everywhere, and another thing at each moment."""
    swept = sweep(seconds, end=rate * 0.4, sample_rate=rate, channels=channels)
    return 0.5 * swept + noise(seconds, dbfs=-40, sample_rate=rate, channels=channels)


def places(file: Known, rate: int | None = None) -> list[int]:
    """First samples, at `rate`: the ends, the records of the index, and anywhere."""
    track = file.track
    total = track.samples * (rate or track.sample_rate) // track.sample_rate
    records = [
        file.index[n].sample * total // track.samples for n in range(2, min(4, len(file.index)))
    ]
    near = [sample + step for sample in records for step in (-1, 0, 1)]
    return [0, 1, *near, *random.Random(1).sample(range(total), 2), total - SPAN, total - 1]


def worst(file: Known, rate: int | None = None) -> float:
    """The largest difference between what is read from some sample on and the whole."""
    whole = pcm(file, rate=rate, indexed=False)
    found = 0.0
    for first in places(file, rate):
        wanted = whole[:, first : first + SPAN]
        part = pcm(file, first, wanted.shape[1], rate=rate)
        assert part.shape == wanted.shape
        found = max(found, float(np.abs(part - wanted).max()))
    return found


@pytest.fixture
def no_falling_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding from the start would be right too, and take forever in a long file."""

    def refuse(self: object) -> None:
        raise AssertionError("the place was not found")

    monkeypatch.setattr(pcm_module._LostPlace, "__init__", refuse)


@pytest.mark.usefixtures("no_falling_back")
@pytest.mark.parametrize("encoding", sorted(ENCODINGS.keys() - {"aac", "m4a", "opus"}))
def test_every_sample_is_that_of_the_whole_decode(tmp_path: Path, encoding: str) -> None:
    file = written(tmp_path / "sound", sound(), encoding)
    assert len(file.index) >= 4
    assert worst(file) == 0


@pytest.mark.usefixtures("no_falling_back")
def test_opus_differs_by_less_than_one_step_of_16_bits(tmp_path: Path) -> None:
    file = written(tmp_path / "sound", sound(), "opus", bit_rate=32000)
    assert worst(file) < OPUS_ERROR


@pytest.mark.usefixtures("no_falling_back")
@pytest.mark.parametrize("encoding", ["aac", "m4a"])
def test_aac_differs_by_its_made_up_noise_alone(tmp_path: Path, encoding: str) -> None:
    """Noise that AAC only describes, the decoder makes up, another each time. A pure tone has
    none."""
    pure = written(tmp_path / "pure", tone(SECONDS, dbfs=-6), encoding)
    assert worst(pure) < 1e-4
    rough = written(tmp_path / "rough", sound(), encoding)
    assert worst(rough) < 4 * 10 ** (-40 / 20)


@pytest.mark.usefixtures("no_falling_back")
@pytest.mark.parametrize(
    ("rate", "bit_rate"), [(44100, 32000), (44100, 320_000), (24000, 8000), (8000, 8000)]
)
def test_mp3_takes_bits_from_far_before(tmp_path: Path, rate: int, bit_rate: int) -> None:
    seconds = SECONDS * 48000 / rate
    signal = sound(rate, 1, seconds)
    file = written(tmp_path / "sound.mp3", signal, "mp3", rate, bit_rate)
    assert len(file.index) >= 4
    assert worst(file) == 0


@pytest.mark.usefixtures("no_falling_back")
def test_mp3_of_changing_bitrate_behind_a_tag_and_without_a_header(tmp_path: Path) -> None:
    parts = [
        write_samples(tmp_path / str(rate), sound(seconds=2), "mp3", bit_rate=rate).read_bytes()
        for rate in (64_000, 320_000, 128_000)
    ]
    # Each part begins with a frame that tells of it alone: nothing tells of the whole.
    path = tmp_path / "sound.mp3"
    path.write_bytes(id3_tag(title="Long", padding=70_000) + b"".join(parts)[1000:])
    assert worst(known(path, "mp3")) == 0


@pytest.mark.parametrize("encoding", ["mp3", "aac", "flac", "ogg", "opus"])
def test_a_damaged_place_shifts_nothing_that_comes_later(tmp_path: Path, encoding: str) -> None:
    path = write_samples(tmp_path / "sound", tone(7, dbfs=-6), encoding)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = random.Random(2).randbytes(3000)
    path.write_bytes(data)
    file = known(path, ENCODINGS[encoding].container)
    assert file.track.samples > 5 * 48000
    assert worst(file) < 1e-4


@pytest.mark.usefixtures("no_falling_back")
@pytest.mark.parametrize("encoding", ["mp3", "aac", "flac"])
def test_places_behind_junk_are_found(tmp_path: Path, encoding: str) -> None:
    """FFmpeg's positions are off by what it has skipped."""
    path = write_samples(tmp_path / "sound", tone(6, dbfs=-6), encoding)
    data = path.read_bytes()
    middle = len(data) // 3
    path.write_bytes(data[:middle] + random.Random(3).randbytes(9000) + data[middle:])
    file = known(path, ENCODINGS[encoding].container)
    late = file.track.samples - 60_000
    assert np.abs(pcm(file, late, SPAN) - pcm(file, late, SPAN, indexed=False)).max() < 1e-4


@pytest.mark.usefixtures("no_falling_back")
def test_from_a_start_of_its_own_as_without_an_index(tmp_path: Path) -> None:
    """A transcode's first sample lies anywhere in the source, and its resampling begins before."""
    file = written(tmp_path / "sound.mp3", sound(22050, seconds=9), "mp3", 22050, 64_000)
    shape = PcmShape(sample_rate=44100, channels=2, sample_format="flt")
    for start in (5.0, file.index[3].sample / 22050, 7.7):
        order = transcode_order(
            file.track, format="mp3", bitrate=128, start_seconds=start, gain_db=0, index=file.index
        )
        assert order.points
        span = PcmSpan(first=0, samples=SPAN, origin=order.start)
        found = []
        for points in (order.points, ()):
            with file.path.open("rb") as stream:
                frames = list(read_pcm(stream, file.container, file.track, points, span, shape))
            found.append(np.concatenate([frame.to_ndarray() for frame in frames], axis=1))
        assert np.array_equal(*found)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 37000, 44056, 88200, 96000, 192_000])
def test_resampled_from_anywhere_as_from_the_start(tmp_path: Path, rate: int) -> None:
    file = written(tmp_path / "sound.wav", sound(rate, seconds=60_000 / rate), "wav", rate)
    assert output_rate(rate) in (44100, 48000)
    assert worst(file, output_rate(rate)) == 0


@pytest.mark.parametrize("rate", [37000, 192_000])
def test_resampling_keeps_the_tone_where_it_was(tmp_path: Path, rate: int) -> None:
    file = written(tmp_path / "tone.wav", tone(1, dbfs=-6, sample_rate=rate), "wavfloat", rate)
    heard = pcm(file, rate=48000)
    meant = tone(1, dbfs=-6, sample_rate=48000)
    assert heard.shape == meant.shape
    inner = slice(500, -500)
    assert np.abs(heard[:, inner] - meant[:, inner]).max() < 1e-3


@pytest.mark.parametrize("channels", [3, 6, 8])
def test_many_channels_become_two_the_same_way_everywhere(tmp_path: Path, channels: int) -> None:
    loud = (noise(0.5, dbfs=0, channels=channels) * 32767).astype("<i2")
    path = tmp_path / "many.wav"
    path.write_bytes(wav_bytes(loud.T.tobytes(), sample_rate=48000, channels=channels))
    file = known(path, "wav")
    assert worst(file) == 0
    assert np.abs(pcm(file)).max() <= 1.0


def test_mono_stays_mono(tmp_path: Path) -> None:
    file = written(tmp_path / "mono.flac", sound(44100, 1), "flac", 44100)
    assert pcm(file, 1000, 10).shape == (1, 10)


def test_what_the_file_lacks_is_silent(tmp_path: Path) -> None:
    file = written(tmp_path / "cut.wav", tone(2, dbfs=-6), "wav")
    data = file.path.read_bytes()
    file.path.write_bytes(data[: len(data) // 2])
    assert np.abs(pcm(file, 40_000, 2000)).max() > 0.4
    assert not pcm(file, 60_000, 2000).any()
    assert pcm(file).shape == (2, 96_000)


def test_an_index_that_misleads_costs_time_and_nothing_else(tmp_path: Path) -> None:
    right = written(tmp_path / "right.mp3", sound(), "mp3")
    other = written(tmp_path / "other.mp3", sound(), "mp3", bit_rate=128_000)
    misled = right._replace(index=other.index)
    assert np.array_equal(pcm(misled, 200_000, SPAN), pcm(right, 200_000, SPAN, indexed=False))
