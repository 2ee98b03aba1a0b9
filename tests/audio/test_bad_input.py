"""Files that are odd, wrong or hostile: each becomes a track, or fails with a sentence."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from tests.audio.synthesis import (
    ENCODINGS,
    id3_tag,
    noise,
    picture,
    silence,
    tone,
    write_samples,
    write_silence,
    write_tone,
)

from talas.audio.analysis import analyse
from talas.audio.errors import AudioError
from talas.audio.measurements import Measurements
from talas.audio.sniff import sniff_file

KINDS = ["mp3", "aac", "m4a", "alac", "flac", "wav", "aiff", "ogg", "oggflac", "opus"]


def measured(data: bytes) -> Measurements:
    file = io.BytesIO(data)
    container = sniff_file(file)
    assert container is not None
    return analyse(file, container).measurements


def outcome(data: bytes) -> Measurements | str:
    try:
        return measured(data)
    except AudioError as error:
        return error.reason


def is_sentence(text: object) -> bool:
    return isinstance(text, str) and text[0].isupper() and text.endswith(".") and len(text) > 20


@pytest.mark.parametrize("kind", KINDS)
def test_one_sample(tmp_path: Path, kind: str) -> None:
    signal = np.full((2, 1), 0.5, np.float32)
    found = outcome(write_samples(tmp_path / "x", signal, kind).read_bytes())
    assert is_sentence(found) or (isinstance(found, Measurements) and found.duration_ms < 90)


@pytest.mark.parametrize("kind", KINDS)
def test_silence(tmp_path: Path, kind: str) -> None:
    found = measured(write_silence(tmp_path / "x", kind, seconds=2).read_bytes())
    assert (found.bpm, found.key, found.loudness_lufs) == (None, None, None)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_beginning(tmp_path: Path, kind: str) -> None:
    data = write_tone(tmp_path / "x", kind, seconds=2).read_bytes()[:300]
    found = outcome(data)
    assert is_sentence(found) or (isinstance(found, Measurements) and found.duration_ms < 90)


@pytest.mark.parametrize("kind", ["wav24", "flac", "aiff", "alac"])
def test_eight_channels_at_the_highest_rate(tmp_path: Path, kind: str) -> None:
    channels = 8 if kind != "alac" else 2
    signal = tone(1.0, sample_rate=192_000, channels=channels)
    found = measured(write_samples(tmp_path / "x", signal, kind, 192_000).read_bytes())
    assert (found.sample_rate, found.channels, found.samples) == (192_000, channels, 192_000)


@pytest.mark.parametrize("kind", ["mp3", "aac", "m4a", "flac", "wav", "opus"])
def test_the_lowest_rate(tmp_path: Path, kind: str) -> None:
    signal = tone(2.0, sample_rate=8000, channels=1)
    found = measured(
        write_samples(tmp_path / "x", signal, kind, 8000, bit_rate=16_000).read_bytes()
    )
    assert found.sample_rate == (48_000 if kind == "opus" else 8000)
    assert found.duration_ms == pytest.approx(2000, abs=260)


def mp3(*, seconds: float = 4.0, quality: str | None = None, xing: bool = True) -> bytes:
    """`quality`: variable bitrate of LAME's, else 192 kbit/s."""
    out = io.BytesIO()
    signal = np.concatenate([silence(seconds / 2), noise(seconds / 2)], axis=1)
    options = {"write_xing": str(int(xing))}
    with av.open(out, "w", format="mp3", options=options) as media:
        stream = media.add_stream("libmp3lame", rate=48_000)
        if quality is None:
            stream.bit_rate = 192_000
        else:
            stream.codec_context.flags |= 2  # AV_CODEC_FLAG_QSCALE
            stream.codec_context.global_quality = int(quality) * 118
        frame = av.AudioFrame.from_ndarray(signal, format="fltp", layout="stereo")
        frame.sample_rate = 48_000
        media.mux(stream.encode(frame))
        media.mux(stream.encode(None))
    return out.getvalue()


def test_variable_bitrate_without_a_header() -> None:
    """Guessed from the bitrate of the first frames it would be far off."""
    data = mp3(quality="4", xing=False)
    assert b"Xing" not in data
    assert measured(data).duration_ms == pytest.approx(4000, abs=80)


@pytest.mark.parametrize("frames", [3, 2**31 - 1])
def test_an_mp3_header_with_a_wrong_duration(frames: int) -> None:
    data = bytearray(mp3())
    at = data.index(b"Info") + 8
    data[at : at + 4] = struct.pack(">I", frames)
    assert measured(bytes(data)).duration_ms == pytest.approx(4000, abs=80)


def flac_that_says(samples: int, tmp_path: Path) -> bytes:
    data = bytearray(write_tone(tmp_path / "x", "flac", seconds=2).read_bytes())
    packed = int.from_bytes(data[18:26], "big") >> 36 << 36 | samples
    data[18:26] = packed.to_bytes(8, "big")
    return bytes(data)


@pytest.mark.parametrize(("samples", "damaged"), [(0, False), (4800, False), (480_000, True)])
def test_a_flac_header_with_a_wrong_duration(tmp_path: Path, samples: int, damaged: bool) -> None:
    found = measured(flac_that_says(samples, tmp_path))
    assert (found.duration_ms, found.damaged) == (2000, damaged)


def test_a_flac_header_that_says_days(tmp_path: Path) -> None:
    assert outcome(flac_that_says(2**36 - 1, tmp_path)) == (
        "The file says that it is longer than 12 hours."
    )


def test_an_m4a_header_with_a_wrong_duration(tmp_path: Path) -> None:
    data = bytearray(write_tone(tmp_path / "x", "m4a", seconds=2).read_bytes())
    for box, offset in ((b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)):
        at = data.index(box) + offset
        data[at : at + 4] = struct.pack(">I", 2**31 - 1)
    assert measured(bytes(data)).duration_ms == pytest.approx(2000, abs=45)


def test_cover_art_without_sound(tmp_path: Path) -> None:
    """An ID3 tag alone is no audio in any container, so this is refused at the door."""
    data = id3_tag(title="x", picture=picture())
    assert sniff_file(io.BytesIO(data)) is None
    flac = write_tone(tmp_path / "x", "flac", seconds=1).read_bytes()[:42]
    block = (
        struct.pack(">II", 3, 10) + b"image/jpeg" + bytes(20) + struct.pack(">I", 4) + b"\xff\xd8"
    )
    headers = flac[:4] + b"\0" + flac[5:] + b"\x86" + struct.pack(">I", len(block))[1:] + block
    assert is_sentence(outcome(headers))


@pytest.mark.parametrize(("muxer", "codec"), [("mp4", "mpeg4"), ("ipod", "mpeg4")])
def test_a_video_with_sound(muxer: str, codec: str) -> None:
    out = io.BytesIO()
    with av.open(out, "w", format=muxer) as media:
        video = media.add_stream(codec, rate=10)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = media.add_stream("aac", rate=48_000)
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number, np.uint8), "rgb24")
            media.mux(video.encode(frame))
        sound = av.AudioFrame.from_ndarray(tone(1.0), format="fltp", layout="stereo")
        sound.sample_rate = 48_000
        media.mux(audio.encode(sound))
        media.mux(video.encode(None))
        media.mux(audio.encode(None))
    data = out.getvalue()
    # Its movie box is out of sight, so only the worker can tell.
    container = sniff_file(io.BytesIO(data))
    assert container is None or "holds a video" in str(outcome(data))


def ape_tag(**items: str) -> bytes:
    body = b"".join(
        struct.pack("<II", len(value), 0) + key.encode() + b"\0" + value.encode()
        for key, value in items.items()
    )
    return body + b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, len(items), 0) + bytes(8)


def id3v1_tag(title: str, artist: str) -> bytes:
    fields = title.encode().ljust(30, b"\0") + artist.encode().ljust(30, b"\0")
    return b"TAG" + fields + bytes(30) + b"1999" + bytes(30) + b"\x11"


@pytest.mark.parametrize(
    "tags",
    [id3v1_tag("Old", "Name"), ape_tag(Title="Monkey"), ape_tag(Title="M") + id3v1_tag("Old", "N")],
    ids=["ID3v1", "APE", "both"],
)
def test_an_mp3_with_tags_at_its_end(tags: bytes) -> None:
    plain = mp3()
    found = measured(plain + tags)
    assert found.duration_ms == pytest.approx(measured(plain).duration_ms, abs=30)


def test_a_title_of_the_last_century() -> None:
    data = mp3()
    without_id3v2 = data[data.index(b"\xff\xfb") :]
    found = measured(without_id3v2 + id3v1_tag("Old", "Name"))
    assert (found.tags.title, found.tags.artist) == ("Old", "Name")


def test_a_flac_behind_an_id3_tag(tmp_path: Path) -> None:
    audio = write_tone(tmp_path / "x", "flac", seconds=1).read_bytes()
    found = measured(id3_tag(title="Tagged", picture=picture()) + audio)
    assert (found.format, found.duration_ms, found.damaged) == ("flac", 1000, False)


@pytest.mark.parametrize(
    ("muxer", "codec", "options", "expected"),
    [
        ("wav", "pcm_u8", {}, "wav"),
        ("wav", "pcm_f64le", {}, "wav"),
        ("wav", "pcm_alaw", {}, "wav"),
        ("wav", "pcm_s24le", {"rf64": "always"}, "wav"),
        ("aiff", "pcm_s16le", {}, "aiff"),
        ("aiff", "pcm_s24be", {}, "aiff"),
        ("ipod", "aac", {"movflags": "+faststart"}, "m4a"),
        ("mp4", "aac", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}, "m4a"),
    ],
)
def test_what_one_container_may_hold(
    tmp_path: Path, muxer: str, codec: str, options: dict[str, str], expected: str
) -> None:
    path = tmp_path / "x"
    with av.open(str(path), "w", format=muxer, options=options) as media:
        stream = media.add_stream(codec, rate=44_100)
        stream.codec_context.layout = "stereo"
        wanted = stream.codec_context.codec.audio_formats[0].name
        stream.codec_context.format = wanted
        frame = av.AudioFrame.from_ndarray(tone(2.0, sample_rate=44_100), "fltp", "stereo")
        frame.sample_rate = 44_100
        for part in av.AudioResampler(wanted, "stereo", 44_100).resample(frame):
            media.mux(stream.encode(part))
        media.mux(stream.encode(None))
    found = measured(path.read_bytes())
    assert (found.format, found.sample_rate, found.channels) == (expected, 44_100, 2)
    assert found.duration_ms == pytest.approx(2000, abs=50)
    assert found.loudness_lufs == pytest.approx(-23.0, abs=0.2)
    assert not found.damaged


def test_compressed_wav_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with av.open(str(path), "w", format="wav") as media:
        stream = media.add_stream("adpcm_ms", rate=44_100)
        stream.codec_context.layout = "mono"
        stream.codec_context.format = "s16"
        samples = np.zeros((1, 44_100), np.int16)
        frame = av.AudioFrame.from_ndarray(samples, "s16", "mono")
        frame.sample_rate = 44_100
        media.mux(stream.encode(frame))
        media.mux(stream.encode(None))
    assert outcome(path.read_bytes()) == "Its audio is coded as adpcm_ms, which is not accepted."


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_counted_exactly(tmp_path: Path, kind: str) -> None:
    """As a decode from beginning to end gives them; lossless ones as they went in."""
    data = write_tone(tmp_path / "x", kind, seconds=1.2345).read_bytes()
    found = measured(data)
    with av.open(io.BytesIO(data)) as media:
        decoded = sum(frame.samples for frame in media.decode(audio=0))
    assert found.samples == decoded
    if ENCODINGS[kind].frame == 0:
        assert found.samples == round(1.2345 * 48_000)
