"""Content decides which container a file is."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tests.audio.synthesis import ENCODINGS, id3_tag, picture, wav_bytes, write_tone

from talas.audio.containers import AAC, CONTAINERS, FLAC, M4A, MP3, WAV, Container
from talas.audio.sniff import HEAD_BYTES, Sniffer, sniff, sniff_file


def sniff_pieces(content: bytes, step: int) -> Container | None:
    sniffer = Sniffer()
    for start in range(0, len(content), step):
        sniffer.take(content[start : start + step])
    return sniffer.finish()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_container_is_known_by_its_bytes(tmp_path: Path, encoding: str) -> None:
    file = write_tone(tmp_path / "sound.txt", encoding, seconds=0.5)
    expected = CONTAINERS[ENCODINGS[encoding].container]
    assert sniff(file.read_bytes()[:HEAD_BYTES]) is expected
    with file.open("rb") as opened:
        assert sniff_file(opened) is expected
        assert opened.tell() == 0
    for step in (7, 5000, 10_000_000):
        assert sniff_pieces(file.read_bytes(), step) is expected


@pytest.mark.parametrize(("encoding", "expected"), [("mp3", MP3), ("flac", FLAC), ("aac", AAC)])
def test_a_tag_before_the_audio_is_passed_over(
    tmp_path: Path, encoding: str, expected: object
) -> None:
    audio = write_tone(tmp_path / "sound", encoding, seconds=0.5).read_bytes()
    small = id3_tag(title="Title", padding=500)
    assert sniff(small + audio) is expected
    assert sniff(small + id3_tag(title="Again") + audio) is expected
    huge = id3_tag(picture=picture(), padding=200_000) + audio
    assert sniff(huge[:HEAD_BYTES]) is MP3
    assert sniff_file(io.BytesIO(huge)) is expected
    for step in (3, 65_536, 10_000_000):
        assert sniff_pieces(small + huge, step) is expected
    assert sniff_pieces(huge[: -len(audio)], 65_536) is None


def test_tags_without_end_are_not_followed_for_ever() -> None:
    endless = id3_tag() * 10_000
    assert sniff(endless) is None
    assert sniff_file(io.BytesIO(endless)) is None
    assert sniff_pieces(endless, 1000) is None


def test_mp3_without_a_tag_and_cut_into_is_still_mp3(tmp_path: Path) -> None:
    audio = write_tone(tmp_path / "sound", "mp3", seconds=1).read_bytes()
    raw = audio[audio.index(b"\xff\xfb") :]
    assert sniff(raw) is MP3
    assert sniff(raw[100:]) is MP3
    assert sniff(raw[:100]) is MP3


def test_m4a_that_begins_with_its_movie_box_is_judged_by_its_tracks() -> None:
    assert sniff(_mp4(b"isom", [b"soun"])) is M4A
    assert sniff(_mp4(b"isom", [b"soun", b"vide"])) is None
    assert sniff(_mp4(b"mp42", [b"vide"])) is None
    assert sniff(_mp4(b"M4B ", [b"soun", b"vide"])) is M4A
    assert sniff(_mp4(b"heic", [])) is None


def test_wav_kinds() -> None:
    wav = wav_bytes(bytes(100))
    assert sniff(wav) is WAV
    assert sniff(b"RF64" + wav[4:]) is WAV
    assert sniff(wav.replace(b"WAVE", b"AVI ")) is None


NOT_AUDIO = {
    "nothing": b"",
    "one byte": b"\xff",
    "zeros": bytes(4096),
    "html": b"<!DOCTYPE html><html><body>Hello</body></html>",
    "hls": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n",
    "m3u": b"song.mp3\nother.mp3\n",
    "pls": b"[playlist]\nFile1=http://example.org/\n",
    "sdp": b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 5004 RTP/AVP 0\r\n",
    "ffconcat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "dash": b'<?xml version="1.0"?><MPD></MPD>',
    "utf-16": "Text in UTF-16, not layer I".encode("utf-16"),
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 8,
    "elf": b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8,
    "exe": b"MZ\x90\0" + bytes(range(256)) * 8,
    "gif": b"GIF89a" + bytes(range(256)) * 8,
    "webm": b"\x1aE\xdf\xa3" + bytes(range(256)) * 8,
    "midi": b"MThd\0\0\0\x06\0\x01\0\x01\0\x60",
    "jpeg": picture(64, 64),
    "png": picture(64, 64, kind="PNG"),
    "id3 and then text": id3_tag(title="x") + b"not audio at all, only text " * 99,
    "theora": b"OggS\0\x02" + bytes(20) + b"\x01\x07\x80theora",
}


@pytest.mark.parametrize("kind", NOT_AUDIO)
def test_other_files_are_not_audio(kind: str) -> None:
    assert sniff(NOT_AUDIO[kind]) is None
    assert sniff_file(io.BytesIO(NOT_AUDIO[kind])) is None


def test_a_zip_is_not_audio_even_when_it_holds_some(tmp_path: Path) -> None:
    audio = write_tone(tmp_path / "sound", "mp3", seconds=1).read_bytes()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("sound.mp3", audio)
    assert sniff(archive.getvalue()) is None


@pytest.mark.parametrize("magic", [b"%PDF-1.7\n", b"\xff\xd8\xff\xe0", b"PK\x03\x04", b"<html>"])
def test_mp3_frames_behind_another_file_kind_do_not_count(tmp_path: Path, magic: bytes) -> None:
    audio = write_tone(tmp_path / "sound", "mp3", seconds=1).read_bytes()
    assert sniff(magic + audio[audio.index(b"\xff\xfb") :]) is None


def test_random_bytes_are_not_audio() -> None:
    random = np.random.default_rng(7)
    assert not any(sniff(random.bytes(HEAD_BYTES)) for _ in range(200))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_no_cut_breaks_the_sniffer(tmp_path: Path, encoding: str) -> None:
    data = write_tone(tmp_path / "sound", encoding, seconds=0.1).read_bytes()
    for length in range(min(len(data), 300)):
        assert sniff(data[:length]) in (None, CONTAINERS[ENCODINGS[encoding].container])


def _mp4(brand: bytes, handlers: list[bytes]) -> bytes:
    tracks = b"".join(_box(b"hdlr", bytes(8) + handler + bytes(12)) for handler in handlers)
    kind = _box(b"ftyp", brand + bytes(4) + brand)
    return kind + _box(b"moov", tracks) + _box(b"mdat", bytes(64))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body
