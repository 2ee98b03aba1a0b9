"""One segment, of any track, alone."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio.synthesis import noise, sweep, wav_bytes
from tests.audio.tracks import Known, decoded, known, playlist, segment, written

from talas.audio.encoders import open_encoder, packets
from talas.audio.encoding_orders import segment_order
from talas.audio.errors import AudioError
from talas.audio.fragmented_mp4 import init_segment
from talas.audio.pcm_graph import PcmShape
from talas.audio.renditions import (
    AAC_FRAME,
    SEGMENT_SAMPLES,
    TARGET_SECONDS,
    output_samples,
    renditions_of,
    segment_count,
    segment_seconds,
)

LONG = SEGMENT_SAMPLES * 2 + 5000


@pytest.fixture(scope="module")
def track(tmp_path_factory: pytest.TempPathFactory) -> Known:
    samples = (0.5 * sweep(10, end=9000) + noise(10, dbfs=-40))[:, :LONG]
    return written(tmp_path_factory.mktemp("segments") / "sound.mp3", samples, "mp3")


def raw(path: Path, samples: int, rate: int = 48000, channels: int = 2) -> Known:
    """A WAV file of exactly that many samples of noise."""
    sound = noise(samples / rate + 0.01, sample_rate=rate, channels=channels)[:, :samples]
    data = (sound * 32767).astype("<i2").T.tobytes()
    path.write_bytes(wav_bytes(data, sample_rate=rate, channels=channels))
    return known(path, "wav")


@pytest.mark.parametrize("name", ["aac64", "flac"])
def test_its_bytes_depend_on_nothing_made_before(track: Known, name: str) -> None:
    backwards = [segment(track, name, number) for number in (2, 1, 0)]
    forwards = [segment(track, name, number) for number in (0, 1, 2)]
    assert backwards[::-1] == forwards


@pytest.mark.parametrize("name", ["aac64", "flac"])
def test_without_an_index_it_is_the_same(track: Known, name: str) -> None:
    assert segment(track, name, 1, indexed=False) == segment(track, name, 1)


@pytest.mark.parametrize("name", ["aac128", "flac"])
def test_it_plays_behind_the_init_segment_alone(track: Known, name: str) -> None:
    data = init_segment(track.rendition(name)) + segment(track, name, 1)
    with av.open(io.BytesIO(data)) as media:
        stream = media.streams.audio[0]
        packets_found = [packet for packet in media.demux(stream) if packet.size]
        assert stream.time_base == Fraction(1, 48000)
    assert packets_found[0].pts == SEGMENT_SAMPLES
    assert sum(packet.duration or 0 for packet in packets_found) == SEGMENT_SAMPLES
    # What AAC decodes to first only completes the frame before: a jump costs 21 ms of it.
    missing = AAC_FRAME if name == "aac128" else 0
    assert decoded(data).shape[1] == SEGMENT_SAMPLES - missing


@pytest.mark.parametrize("number", [-1, 3, 10**9])
def test_a_segment_that_is_not_there(track: Known, number: int) -> None:
    with pytest.raises(IndexError, match="no segment"):
        segment(track, "aac64", number)


@pytest.mark.parametrize(
    "samples",
    [1, 1023, 1024, 1025, SEGMENT_SAMPLES - 1, SEGMENT_SAMPLES, SEGMENT_SAMPLES + 1],
)
def test_any_length_ends_within_its_last_frame(tmp_path: Path, samples: int) -> None:
    file = raw(tmp_path / "sound.wav", samples)
    assert decoded(playlist(file, "flac")).shape[1] == samples
    aac = playlist(file, "aac64")
    assert decoded(aac).shape[1] == -(-samples // AAC_FRAME) * AAC_FRAME
    assert durations(aac) == samples + AAC_FRAME


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (37000, 2), (192_000, 1)])
def test_a_single_sample_at_any_rate(tmp_path: Path, rate: int, channels: int) -> None:
    file = raw(tmp_path / "sound.wav", 1, rate, channels)
    assert decoded(playlist(file, "flac")).shape == (channels, output_samples(1, rate))
    assert decoded(playlist(file, "aac64")).shape == (channels, AAC_FRAME)


def durations(data: bytes) -> int:
    """The sum of all durations that the fragments of `data` state."""
    total = at = 0
    while (at := data.find(b"trun", at)) >= 0:
        flags, count = struct.unpack_from(">II", data, at + 4)
        if flags & 0x100:
            total += sum(struct.unpack_from(f">{2 * count}I", data, at + 16)[::2])
        else:
            total += count * AAC_FRAME
        at += 4
    return total


def test_durations_of_the_playlist_are_those_of_the_segments() -> None:
    for samples, rate in ((LONG, 48000), (1, 192_000), (123_456, 37000), (10**8, 11025)):
        count = segment_count(samples, rate)
        seconds = [segment_seconds(number, samples, rate) for number in range(count)]
        assert sum(seconds) == pytest.approx(samples / rate, abs=1 / 44100)
        assert max(seconds) <= TARGET_SECONDS
    assert segment_count(0, 48000) == 0


def test_no_segment_is_larger_than_its_bandwidth(tmp_path: Path) -> None:
    samples = noise(9, dbfs=-1, sample_rate=44100)
    file = written(tmp_path / "sound.wav", samples, "wav", 44100)
    for rendition in renditions_of(file.track):
        for number in (0, 1):  # the last may be too short for the headers not to count
            bits = len(segment(file, rendition.name, number)) * 8
            seconds = segment_seconds(number, file.track.samples, 44100)
            assert bits / seconds <= rendition.bandwidth


def test_flac_frames_are_numbered_on_from_segment_to_segment(tmp_path: Path) -> None:
    """The segments' frames are, byte for byte, those of the whole track encoded in one go."""
    file = raw(tmp_path / "sound.wav", SEGMENT_SAMPLES * 3 + 777)
    shape = PcmShape(sample_rate=48000, channels=2, sample_format="s32")
    encoder = open_encoder("flac", shape, options={"frame_size": "4096"})
    with av.open(str(file.path)) as media:
        resampler = av.AudioResampler("s32", "stereo", 48000)
        frames = (same for frame in media.decode(audio=0) for same in resampler.resample(frame))
        whole = b"".join(bytes(packet) for packet in packets(encoder, frames))
    numbers = range(segment_count(file.track.samples, 48000))
    alone = [segment(file, "flac", number) for number in numbers]
    assert b"".join(data[data.index(b"mdat") + 4 :] for data in alone) == whole


def test_which_renditions_a_source_gets(track: Known) -> None:
    def names(codec: str, bitrate: int) -> list[str]:
        source = track.track.__class__(
            container="mp3",
            codec=codec,
            bitrate=bitrate,
            sample_rate=44100,
            channels=2,
            samples=10**6,
        )
        return [rendition.name for rendition in renditions_of(source)]

    assert names("mp3", 32_000) == ["aac64", "flac"]
    assert names("mp3", 127_900) == ["aac64", "aac128", "flac"]
    assert names("mp3", 192_000) == ["aac64", "aac128", "flac"]
    assert names("flac", 900_000) == ["aac64", "aac128", "aac256", "flac"]


def test_an_encoder_that_is_missing_is_named() -> None:
    shape = PcmShape(sample_rate=48000, channels=2, sample_format="fltp")
    with pytest.raises(AudioError, match="no encoder named libnothing"):
        open_encoder("libnothing", shape)


def test_a_file_that_is_gone_bad_is_an_error_in_words(tmp_path: Path, track: Known) -> None:
    path = tmp_path / "bad.mp3"
    path.write_bytes(b"\0" * 5000)
    order = segment_order(track.track, track.rendition("aac64"), 1, track.index)
    assert order.points
    bad = track._replace(path=path)
    with pytest.raises(AudioError, match="cannot be read"):
        segment(bad, "aac64", 1)


def test_a_file_shorter_than_it_was_ends_in_silence(tmp_path: Path, track: Known) -> None:
    path = tmp_path / "short.mp3"
    path.write_bytes(track.path.read_bytes()[:150_000])
    short = track._replace(path=path)
    heard = decoded(playlist(short, "aac64"))
    assert heard.shape[1] == -(-LONG // AAC_FRAME) * AAC_FRAME
    assert np.abs(heard[:, : 5 * 48000]).max() > 0.1
    assert np.abs(heard[:, -48000:]).max() < 1e-6
