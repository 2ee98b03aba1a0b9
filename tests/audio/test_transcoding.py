"""Transcodes: any format, from any sample on, written while they are made."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from tests.audio.synthesis import Signal, noise, sweep, tone, wav_bytes
from tests.audio.tracks import Known, decoded, known, pcm, written

from talas.audio.encoding_orders import (
    BITRATES,
    FORMATS,
    TranscodeOrder,
    gain_db,
    transcode_order,
)
from talas.audio.info_frame import FRAME, frame_count
from talas.audio.stream_formats import wav_header
from talas.audio.transcoding import transcode

MUXERS = {"mp3": "mp3", "aac": "aac", "opus": "ogg", "flac": "flac", "wav": "wav"}
START = 2.345


class Pipe:
    """Takes bytes as a pipe does: in order, at times fewer than were given, and never back."""

    def __init__(self, most: int = 10_000) -> None:
        self.data = bytearray()
        self.writes = 0
        self._most = most

    def write(self, data: bytes | memoryview, /) -> int:
        taken = data[: self._most]
        self.data += taken
        self.writes += 1
        return len(taken)


def order_for(file: Known, name: str, **options: Any) -> TranscodeOrder:
    asked = {"bitrate": 192, "start_seconds": 0.0, "gain_db": 0.0, "index": file.index} | options
    return transcode_order(file.track, format=name, **asked)


def transcoded(file: Known, name: str, **options: Any) -> bytes:
    pipe = Pipe()
    with file.path.open("rb") as stream:
        transcode(stream, file.container, pipe, order_for(file, name, **options))
    return bytes(pipe.data)


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Known:
    samples = 0.5 * sweep(5, end=9000, sample_rate=44100) + noise(5, dbfs=-50, sample_rate=44100)
    path = tmp_path_factory.mktemp("transcoding") / "sound.flac"
    return written(path, samples[:, :-7], "flac", 44100)


def delay(heard: Signal, meant: Signal) -> int:
    """By how many samples `heard` comes later than `meant`."""
    size = 2**17
    spectra = np.fft.rfft(heard[0], size) * np.conj(np.fft.rfft(meant[0], size))
    found = int(np.fft.irfft(spectra, size).argmax())
    return found if found < size // 2 else found - size


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_order_gives_the_same_bytes(track: Known, name: str) -> None:
    """What one machine has begun to send, another can go on with: entity tags say so."""
    assert transcoded(track, name, start_seconds=START) == transcoded(
        track, name, start_seconds=START
    )


@pytest.mark.parametrize("start", [0.0, START])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_from_any_sample_on(track: Known, name: str, start: float) -> None:
    order = order_for(track, name, start_seconds=start)
    data = transcoded(track, name, start_seconds=start)
    heard = decoded(data, MUXERS[name])
    meant = pcm(track, order.start, rate=44100)
    assert len(data) <= order.most_bytes
    if name == "opus":
        assert heard.shape[1] == order.samples
        assert order.samples == -(-meant.shape[1] * 48000 // 44100)
    elif name == "aac":  # ADTS cannot say that one frame is the encoder's delay
        assert heard.shape[1] == -(-meant.shape[1] // 1024) * 1024 + 1024
        assert delay(heard[:, :60_000], meant[:, :60_000]) == 1024
    else:
        assert heard.shape == meant.shape
        assert delay(heard[:, :60_000], meant[:, :60_000]) == 0
    if FORMATS[name].lossless:
        assert np.array_equal(heard, meant)


def test_opus_starts_at_the_very_sample(tmp_path: Path) -> None:
    file = written(tmp_path / "sound.wav", sweep(4, end=9000), "wav")
    heard = decoded(transcoded(file, "opus", start_seconds=START), "ogg")
    assert delay(heard[:, :60_000], pcm(file, round(START * 48000))[:, :60_000]) == 0


@pytest.mark.parametrize("bitrate", BITRATES)
def test_mp3_has_the_bitrate_asked_for(track: Known, bitrate: int) -> None:
    data = transcoded(track, "mp3", bitrate=bitrate)
    seconds = (frame_count(track.track.samples) + 1) * FRAME / 44100
    assert len(data) * 8 / seconds == pytest.approx(bitrate * 1000, rel=0.001)


@pytest.mark.parametrize("samples", [1, 575, 576, 577, 1151, 1152, 1153, 2304, 3468, 44_100])
def test_mp3_states_its_length_up_front(tmp_path: Path, samples: int) -> None:
    raw = (noise(1, channels=1)[:, :samples] * 32767).astype("<i2").tobytes()
    (tmp_path / "sound.wav").write_bytes(wav_bytes(raw, sample_rate=48000))
    data = transcoded(known(tmp_path / "sound.wav", "wav"), "mp3", bitrate=64)
    with av.open(io.BytesIO(data[:2000]), format="mp3") as media:
        assert media.duration == pytest.approx(samples * 1e6 / 48000, abs=30)
    assert decoded(data, "mp3").shape == (1, samples)


def test_flac_states_its_length_up_front(track: Known) -> None:
    data = transcoded(track, "flac", start_seconds=START)
    packed = int.from_bytes(data[18:26], "big")
    assert packed & (2**36 - 1) == track.track.samples - round(START * 44100)


@pytest.mark.parametrize(("encoding", "bits"), [("wav", 16), ("wav24", 24), ("mp3", 16)])
def test_wav_has_as_many_bits_as_the_source_and_its_true_size(
    tmp_path: Path, encoding: str, bits: int
) -> None:
    file = written(tmp_path / "sound", sweep(0.5, channels=1), encoding)
    data = transcoded(file, "wav")
    assert struct.unpack_from("<H", data, 34) == (bits,)
    assert struct.unpack_from("<I", data, 4) == (len(data) - 8,)
    assert struct.unpack_from("<I", data, 40) == (len(data) - 44,)
    assert len(data) - 44 == file.track.samples * bits // 8


def test_wav_beyond_four_gibibytes_is_rf64() -> None:
    samples = 12 * 3600 * 48000
    header = wav_header(samples, 48000, 2, 24)
    with av.open(io.BytesIO(header + bytes(6000)), format="wav") as media:
        assert media.streams.audio[0].duration == samples
    assert header[:4] == b"RF64"
    assert struct.unpack_from("<QQQ", header, 20) == (
        samples * 6 + len(header) - 8,
        samples * 6,
        samples,
    )


@pytest.mark.parametrize("name", FORMATS)
def test_the_first_bytes_come_before_the_file_has_been_read(tmp_path: Path, name: str) -> None:
    file = written(tmp_path / "sound.wav", noise(20), "wav")

    class Enough(Exception):
        pass

    class Impatient(Pipe):
        def write(self, data: bytes | memoryview, /) -> int:
            super().write(data)
            raise Enough

    with file.path.open("rb") as stream:
        with pytest.raises(Enough):
            transcode(stream, file.container, Impatient(), order_for(file, name))
        # Opening reads up to a megabyte of WAV; noise of 20 s are 3.8 MB.
        assert stream.tell() < 1_400_000


@pytest.mark.parametrize("channels", [1, 6])
def test_channels(tmp_path: Path, channels: int) -> None:
    file = written(tmp_path / "sound.flac", tone(0.5, channels=channels), "flac")
    for name, muxer in MUXERS.items():
        data = transcoded(file, name, bitrate=320)
        assert len(decoded(data, muxer)) == min(channels, 2)


@pytest.mark.parametrize("rate", [8000, 37_000, 96_000, 192_000])
def test_rates(tmp_path: Path, rate: int) -> None:
    """The lossless formats keep them, the others take what every player plays."""
    file = written(tmp_path / "sound.flac", tone(0.5, sample_rate=rate), "flac", rate)
    for name, muxer in MUXERS.items():
        data = transcoded(file, name)
        with av.open(io.BytesIO(data), format=muxer) as media:
            got = media.streams.audio[0].codec_context.sample_rate
        assert got == (rate if FORMATS[name].lossless else 48000)
        seconds = decoded(data, muxer).shape[1] / got
        assert seconds == pytest.approx(0.5, abs=0.045 if name == "aac" else 1e-4)


@pytest.mark.parametrize(
    ("target", "loudness", "peak", "gain"),
    [
        (-14.0, -20.0, -12.0, 6.0),
        (-14.0, -9.0, 0.5, -5.0),
        (-14.0, -20.0, -3.0, 2.0),  # more would bring the peak above -1 dBTP
        (-14.0, -14.0, 0.5, -1.5),
        (-14.0, None, None, 0.0),
    ],
)
def test_gain_stops_where_the_peak_would_clip(
    target: float, loudness: float | None, peak: float | None, gain: float
) -> None:
    assert gain_db(target, loudness, peak) == pytest.approx(gain)


@pytest.mark.parametrize(("level", "target"), [(-30.0, -14.0), (-6.0, -23.0), (-30.0, -28.0)])
def test_the_gain_is_what_brings_it_to_the_target(
    tmp_path: Path, level: float, target: float
) -> None:
    """A stereo sine of 1 kHz is as loud, in LUFS, as its peak is high, in dBFS."""
    file = written(tmp_path / "sound.wav", tone(1, dbfs=level), "wav24")
    gain = gain_db(target, level, level)
    heard = decoded(transcoded(file, "flac", gain_db=gain), "flac")
    assert 20 * np.log10(np.abs(heard).max()) == pytest.approx(target, abs=0.01)


def test_floats_above_full_scale_are_turned_down_before_they_clip(tmp_path: Path) -> None:
    loud = 4 * tone(1, frequency=440, dbfs=0)
    file = written(tmp_path / "loud.wav", loud, "wavfloat")
    gain = gain_db(0.0, 9.0, 12.04)
    heard = decoded(transcoded(file, "wav", gain_db=gain), "wav")
    assert np.abs(heard).max() == pytest.approx(10 ** (-1 / 20), abs=0.001)
    assert np.abs(heard - loud * 10 ** (gain / 20)).max() < 1e-4


def test_a_wav_is_as_long_as_it_says(tmp_path: Path) -> None:
    """Chunks are padded to an even length: 24-bit mono may end on an odd one."""
    signal = tone(1, dbfs=-6)[:1]
    for samples in (1001, 1000):
        file = written(tmp_path / f"{samples}.wav", signal[:, :samples], "wav24")
        content = transcoded(file, "wav")
        assert len(content) == 8 + int.from_bytes(content[4:8], "little")
        assert len(content) == 44 + 3 * samples + samples % 2
        assert len(content) <= order_for(file, "wav").most_bytes


@pytest.mark.parametrize("bitrate", [0, 100, 63, 512, -64])
def test_a_bitrate_outside_the_list(track: Known, bitrate: int) -> None:
    with pytest.raises(ValueError, match="bitrate must be one of 64, 96, 128"):
        order_for(track, "mp3", bitrate=bitrate)


@pytest.mark.parametrize("start", [-0.1, 5.0, 1e300, float("nan"), float("inf")])
def test_a_start_outside_the_track(track: Known, start: float) -> None:
    with pytest.raises(ValueError, match="start must be from 0"):
        order_for(track, "mp3", start_seconds=start)


def test_the_last_sample_alone(track: Known) -> None:
    last = (track.track.samples - 1) / 44100
    heard = decoded(transcoded(track, "flac", start_seconds=last), "flac")
    assert np.array_equal(heard, pcm(track, track.track.samples - 1))
