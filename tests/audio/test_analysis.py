"""What one decode pass measures, in every container."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio.synthesis import (
    ENCODINGS,
    Signal,
    clicks,
    id3_tag,
    noise,
    silence,
    tone,
    wav_bytes,
    write_clicks,
    write_noise,
    write_samples,
    write_silence,
    write_sweep,
    write_tone,
)

from talas.audio import decode
from talas.audio.analysis import Analysis, analyse
from talas.audio.containers import AIFF, FLAC, MP3, WAV
from talas.audio.decode import open_source
from talas.audio.errors import AudioError
from talas.audio.measurements import Measurements
from talas.audio.sniff import sniff_file

CODECS = {"m4a": "aac", "ogg": "vorbis", "oggflac": "flac", "wav": "pcm_s16le"}


def analysed(path: Path) -> Analysis:
    with path.open("rb") as file:
        container = sniff_file(file)
        assert container is not None
        return analyse(file, container)


def measured(path: Path) -> Measurements:
    return analysed(path).measurements


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_duration_and_format_of_every_container(tmp_path: Path, encoding: str) -> None:
    found = measured(write_sweep(tmp_path / "sound", encoding, seconds=2.5))
    assert found.format == ENCODINGS[encoding].container
    assert found.codec == CODECS.get(encoding, found.codec)
    assert abs(found.duration_ms - 2500) <= ENCODINGS[encoding].frame / 48 + 0.5
    assert (found.sample_rate, found.channels) == (48000, 2)
    assert not found.damaged


@pytest.mark.parametrize("encoding", sorted(ENCODINGS.keys() - {"mp3"}))
def test_loudness_of_the_reference_tone(tmp_path: Path, encoding: str) -> None:
    """EBU Tech 3341: a stereo sine of 1 kHz at -23 dBFS measures -23.0 LUFS, within 0.1 LU."""
    found = measured(write_tone(tmp_path / "sound", encoding, seconds=4, dbfs=-23))
    assert found.loudness_lufs == pytest.approx(-23.0, abs=0.1)


def test_loudness_of_mp3_is_that_of_its_decoded_samples(tmp_path: Path) -> None:
    """LAME itself lowers what it encodes, so the file is compared with its own decode."""
    file = write_tone(tmp_path / "sound.mp3", "mp3", seconds=4, dbfs=-23)
    with av.open(str(file)) as media:
        samples = np.concatenate([f.to_ndarray() for f in media.decode(audio=0)], axis=1)
    decoded = write_samples(tmp_path / "sound.wav", samples, "wavfloat")
    assert measured(file).loudness_lufs == pytest.approx(measured(decoded).loudness_lufs, abs=0.02)
    assert measured(file).loudness_lufs == pytest.approx(-23.0, abs=0.5)


@pytest.mark.parametrize(
    ("levels", "expected"),
    [((-36, -23, -36), -23.0), ((-72, -36, -23, -36, -72), -23.0), ((-33, -33), -33.0)],
)
def test_loudness_is_gated(tmp_path: Path, levels: tuple[int, ...], expected: float) -> None:
    """As EBU Tech 3341, cases 2 to 4, shortened: what is much quieter does not count."""
    seconds = {-23: 30.0}
    parts = [tone(seconds.get(level, 5.0), dbfs=level) for level in levels]
    file = write_samples(tmp_path / "sound", np.concatenate(parts, axis=1))
    assert measured(file).loudness_lufs == pytest.approx(expected, abs=0.1)


def test_mono_is_three_lu_quieter_than_the_same_in_stereo(tmp_path: Path) -> None:
    mono = measured(write_tone(tmp_path / "mono", seconds=2, channels=1))
    assert mono.loudness_lufs == pytest.approx(-26.0, abs=0.1)
    assert mono.channels == 1


def test_true_peak_between_the_samples(tmp_path: Path) -> None:
    """EBU Tech 3341, case 16: a quarter of the sample rate, sampled 45 degrees off its crest."""
    crest = 0.5 * np.sin(np.pi / 2 * np.arange(48000) + np.pi / 4)
    fade = np.minimum(1, np.minimum(np.arange(48000), np.arange(48000)[::-1]) / 4800)
    file = write_samples(tmp_path / "x", np.tile(crest * fade, (2, 1)).astype("f4"), "wavfloat")
    found = measured(file)
    assert found.peak_dbtp is not None
    assert -6.02 - 0.4 <= found.peak_dbtp <= -6.02 + 0.2


@pytest.mark.parametrize("seconds", [0.25, 3.05])
@pytest.mark.parametrize("dbfs", [-1.0, -20.0])
def test_figures_are_those_of_ffmpegs_ebur128(tmp_path: Path, seconds: float, dbfs: float) -> None:
    signal = noise(seconds, dbfs=dbfs)
    found = measured(write_samples(tmp_path / "sound", signal, "wavfloat"))
    loudness, peak = ebur128(signal)
    if seconds >= 0.4:
        assert found.loudness_lufs == pytest.approx(loudness, abs=0.01)
        assert found.peak_dbtp == pytest.approx(peak, abs=0.05)
    else:
        assert found.loudness_lufs is None


def test_true_peak_of_a_quiet_track_is_not_rounded_away(tmp_path: Path) -> None:
    found = measured(write_tone(tmp_path / "x", "wavfloat", seconds=1, dbfs=-66.4))
    assert found.peak_dbtp == pytest.approx(-66.4, abs=0.05)


def test_silence_has_no_loudness(tmp_path: Path) -> None:
    found = measured(write_silence(tmp_path / "sound", seconds=2))
    assert (found.loudness_lufs, found.peak_dbtp) == (None, None)
    assert (found.leading_silence_ms, found.trailing_silence_ms) == (2000, 0)
    assert found.duration_ms == 2000


def test_silence_around_the_sound(tmp_path: Path) -> None:
    parts = [silence(0.5), tone(1.0, dbfs=-6), silence(0.25)]
    found = measured(write_samples(tmp_path / "sound", np.concatenate(parts, axis=1)))
    assert found.leading_silence_ms == pytest.approx(500, abs=1)
    assert found.trailing_silence_ms == pytest.approx(250, abs=1)


def test_silence_in_one_channel_is_not_silence(tmp_path: Path) -> None:
    signal = clicks(1.0, at=[])
    signal[1, 4800] = signal[1, 43200] = 0.5
    found = measured(write_samples(tmp_path / "sound", signal))
    assert (found.leading_silence_ms, found.trailing_silence_ms) == (100, 99)


def test_peaks_of_clicks_are_exact(tmp_path: Path) -> None:
    at = [0, 255, 256, 70_000, 95_999]
    peaks = analysed(write_clicks(tmp_path / "sound", seconds=2, at=at, level=0.5)).peaks
    expected = np.zeros((375, 2), np.int8)
    expected[[position // 256 for position in at], 1] = 64
    assert (peaks.sample_rate, peaks.samples_per_pixel) == (48000, 256)
    assert np.array_equal(peaks.pairs, expected)


def test_peaks_take_every_value_of_a_16_bit_file() -> None:
    values = np.array([-32768, -257, -256, -255, -1, 0, 1, 255, 256, 257, 32767], np.int16)
    data = np.repeat(values, 256).astype("<i2").tobytes()
    pairs = analyse(io.BytesIO(wav_bytes(data)), WAV).peaks.pairs
    expected = [-128, -1, -1, 0, 0, 0, 0, 0, 1, 1, 127]
    assert pairs.tolist() == [[value, value] for value in expected]


def test_peaks_mix_the_channels(tmp_path: Path) -> None:
    signal = clicks(1.0, at=[1000])
    signal[1] = 0
    peaks = analysed(write_samples(tmp_path / "sound", signal)).peaks
    assert peaks.pairs[1000 // 256].tolist() == [0, 32]


def test_bitrate_is_that_of_the_audio_alone(tmp_path: Path) -> None:
    file = write_noise(tmp_path / "sound", "mp3", seconds=3)
    plain = measured(file)
    file.write_bytes(id3_tag(title="x", padding=150_000) + file.read_bytes())
    assert plain.bitrate == pytest.approx(192_000, rel=0.02)
    assert measured(file).bitrate == plain.bitrate


@pytest.mark.parametrize("sample_rate", [8000, 11025, 44100, 88200, 96000, 192000])
def test_sample_rates(tmp_path: Path, sample_rate: int) -> None:
    file = write_tone(tmp_path / "x", seconds=2, sample_rate=sample_rate)
    found = measured(file)
    assert (found.sample_rate, found.duration_ms) == (sample_rate, 2000)
    assert found.loudness_lufs == pytest.approx(-23.0, abs=0.1)
    assert found.peak_dbtp == pytest.approx(-23.0, abs=0.3)


@pytest.mark.parametrize("channels", [4, 6, 8])
@pytest.mark.parametrize("encoding", ["wav", "aiff", "flac", "m4a", "opus"])
def test_many_channels(tmp_path: Path, encoding: str, channels: int) -> None:
    file = write_tone(tmp_path / "x", encoding, seconds=0.5, channels=channels, dbfs=-12)
    found = analysed(file)
    assert found.measurements.channels == channels
    assert found.measurements.loudness_lufs is not None
    assert found.peaks.pairs.max() < 64, "a mix of many is no louder than one"


@pytest.mark.parametrize("channels", [3, 5, 7])
def test_channels_without_a_layout(channels: int) -> None:
    """A plain WAV header does not say which loudspeaker a channel is for."""
    samples = np.tile((tone(1, channels=1) * 32767).astype("<i2").T, (1, channels))
    wav = wav_bytes(samples.tobytes(), sample_rate=48000, channels=channels)
    assert analyse(io.BytesIO(wav), WAV).measurements.channels == channels


def test_nine_channels_are_too_many() -> None:
    with pytest.raises(AudioError, match="It has 9 channels"):
        analyse(io.BytesIO(wav_bytes(bytes(18 * 44100), channels=9)), WAV)


def test_an_aiff_with_channels_in_an_order_of_its_own(tmp_path: Path) -> None:
    """FFmpeg writes 7.1 in an order that it reads back as a custom layout."""
    data = write_noise(tmp_path / "x", "aiff", seconds=1, channels=8).read_bytes()
    assert b"CHAN" in data[:64]
    for _ in range(5):
        assert analyse(io.BytesIO(data), AIFF).measurements.duration_ms == 1000


def test_an_impossible_sample_rate_is_refused() -> None:
    with pytest.raises(AudioError, match="sample rate of 11 Hz"):
        analyse(io.BytesIO(wav_bytes(bytes(2000), sample_rate=11)), WAV)


def test_one_sample_is_a_whole_file() -> None:
    found = analyse(io.BytesIO(wav_bytes(b"\0\x40")), WAV)
    assert found.measurements.duration_ms == 0
    assert found.peaks.pairs.tolist() == [[64, 64]]


def test_no_sample_is_no_track() -> None:
    with pytest.raises(AudioError, match="holds no audio"):
        analyse(io.BytesIO(wav_bytes()), WAV)


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    signal: Signal = tone(2, dbfs=-6)
    signal[:, 1000], signal[:, 2000], signal[:, 3000] = np.nan, np.inf, -np.inf
    found = analysed(write_samples(tmp_path / "sound", signal, "wavfloat"))
    assert found.measurements.duration_ms == 2000
    assert found.peaks.pairs.min() < 0 < found.peaks.pairs.max()


def test_longer_than_the_longest_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MOST_SECONDS", 2)
    assert measured(write_silence(tmp_path / "x", "flac", seconds=2)).duration_ms == 2000
    with pytest.raises(AudioError, match="longer than 12 hours"):
        measured(write_silence(tmp_path / "y", "flac", seconds=2.01))


@pytest.mark.parametrize(
    ("rate", "channels", "most_seconds"), [(48000, 2, 4.0), (48000, 8, 1.0), (96000, 2, 2.0)]
)
@pytest.mark.parametrize("encoding", ["flac", "wav"])
def test_more_audio_than_the_budget_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
    rate: int,
    channels: int,
    most_seconds: float,
) -> None:
    monkeypatch.setattr(decode, "MOST_CHANNEL_SAMPLES", 4 * 48000 * 2)
    form = {"sample_rate": rate, "channels": channels}
    for seconds in (most_seconds, most_seconds + 0.01):
        path = write_silence(tmp_path / f"{seconds}", encoding, seconds=seconds, **form)
        if seconds == most_seconds:
            assert measured(path).duration_ms == seconds * 1000
        else:
            with pytest.raises(AudioError, match=f"too much audio: with {channels} channels"):
                measured(path)


def test_a_slow_channel_counts_as_one_of_48_khz(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MOST_CHANNEL_SAMPLES", 4 * 48000 * 2)
    path = write_silence(tmp_path / "x", "wav", seconds=4.1, sample_rate=8000)
    with pytest.raises(AudioError, match="too much audio"):
        measured(path)


def test_what_a_header_promises_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MOST_SECONDS", 2)
    with open_source(write_silence(tmp_path / "x", "flac", seconds=3).open("rb"), FLAC) as source:
        with pytest.raises(AudioError, match="longer than 12 hours"):
            next(source.frames())
        assert source.samples == 0


def test_a_sample_rate_that_nothing_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="sample rate of 655350 Hz"):
        measured(write_silence(tmp_path / "x", "wav", seconds=0.1, sample_rate=655_350))


def test_a_flac_hidden_behind_a_long_tag_is_read_as_flac(tmp_path: Path) -> None:
    audio = write_tone(tmp_path / "sound", "flac", seconds=1).read_bytes()
    found = analyse(io.BytesIO(id3_tag(padding=100_000) + audio), MP3)
    assert (found.measurements.format, found.measurements.duration_ms) == (FLAC.name, 1000)


def ebur128(signal: Signal) -> tuple[float, float]:
    """Integrated loudness and true peak as FFmpeg's filter itself writes them down."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=48000, format="fltp", layout="stereo", channels=2)
    meter = graph.add("ebur128", "metadata=1:peak=true:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(signal, format="fltp", layout="stereo")
    frame.sample_rate = 48000
    source.push(frame)
    source.push(None)
    figures = (-70.0, 0.0)
    while True:
        try:
            metadata = sink.pull().metadata
        except (BlockingIOError, av.EOFError):
            return figures[0], float(20 * np.log10(figures[1]))
        if "lavfi.r128.I" in metadata:
            peak = float(metadata["lavfi.r128.true_peak"])
            figures = float(metadata["lavfi.r128.I"]), peak
