"""Text and pictures from a stranger's file."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image
from tests.audio.synthesis import id3_tag, picture, tone, wav_bytes, write_samples, write_tone

from talas.audio.analysis import Analysis, analyse
from talas.audio.cover import make_cover
from talas.audio.sniff import sniff_file
from talas.audio.tags import read_tags

TAGS = {
    "title": "Überfahrt",
    "artist": "Ana & Bo",
    "album": "Salt",
    "genre": "Ambient",
    "date": "2021-03-04",
    "track": "3/12",
}


def analysed(data: bytes) -> Analysis:
    file = io.BytesIO(data)
    container = sniff_file(file)
    assert container is not None
    return analyse(file, container)


@pytest.mark.parametrize("encoding", ["mp3", "m4a", "flac", "ogg", "opus"])
def test_tags_of_every_kind_of_file(tmp_path: Path, encoding: str) -> None:
    file = write_samples(tmp_path / "sound", tone(0.5), encoding, tags=TAGS)
    tags = analysed(file.read_bytes()).measurements.tags
    assert (tags.title, tags.artist, tags.album) == ("Überfahrt", "Ana & Bo", "Salt")
    assert (tags.genre, tags.date, tags.track_number) == ("Ambient", "2021-03-04", 3)


def test_tags_of_a_wav_without_an_encoding() -> None:
    text = "Größe".encode("cp1252") + b"\0"
    info = b"INFOINAM" + struct.pack("<I", len(text)) + text
    wav = wav_bytes(bytes(2000)) + b"LIST" + struct.pack("<I", len(info)) + info
    assert analysed(wav).measurements.tags.title == "Größe"


def test_tags_are_cleaned_and_bounded() -> None:
    tags = read_tags(
        {"TITLE": "a\0b\x1b[31m\r\nInjected: x\x85", "artist": " \t\n ", "album": "x" * 9999},
        {"title": "second", "artist": "only", "Track": "007", "genre": "\ud800"},
    )
    assert tags.title == "a b [31m Injected: x"
    assert tags.artist == "only"
    assert tags.album == "x" * 255
    assert tags.track_number == 7
    assert tags.genre is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), ("0", None), ("-3", None), ("A1", None), ("99999", None), ("", None)],
)
def test_track_numbers(text: str, number: int | None) -> None:
    assert read_tags({"track": text}).track_number == number


def test_covers_of_mp3_flac_and_ogg(tmp_path: Path) -> None:
    art = picture(1200, 600)
    mp3 = id3_tag(picture=art) + write_tone(tmp_path / "1", "mp3").read_bytes()
    flac = write_tone(tmp_path / "2", "flac").read_bytes()
    block = _flac_picture(art)
    flac = flac[:42] + b"\x06" + struct.pack(">I", len(block))[1:] + block + flac[42:]
    comment = {"METADATA_BLOCK_PICTURE": base64.b64encode(block).decode()}
    ogg = write_samples(tmp_path / "3", tone(), "opus", tags=comment).read_bytes()
    for data in (mp3, flac, ogg):
        cover = analysed(data).cover_jpeg
        assert cover is not None
        with Image.open(io.BytesIO(cover)) as image:
            assert (image.format, image.size) == ("JPEG", (600, 300))


def test_a_cover_keeps_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    exif[0x0112] = 6  # turned by a quarter
    art = picture(400, 200, exif=exif, comment=b"secret words", icc_profile=b"secret profile")
    cover = make_cover(art)
    assert cover is not None
    assert b"secret" in art
    assert b"secret" not in cover
    with Image.open(io.BytesIO(cover)) as image:
        assert image.size == (200, 400)
        assert not image.getexif()


def test_a_small_cover_is_not_enlarged_and_transparency_turns_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (50, 40), (255, 0, 0, 0)).save(out, "PNG")
    cover = make_cover(out.getvalue())
    assert cover is not None
    with Image.open(io.BytesIO(cover)) as image:
        assert image.size == (50, 40)
        assert image.getpixel((10, 10)) == (255, 255, 255)


def test_a_picture_bomb_is_never_decoded() -> None:
    """30000 x 30000 in 100 bytes: 2.7 GB, were it decoded."""
    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", b"x\x9c\3\0")
    assert make_cover(png + _png_chunk(b"IEND", b"")) is None


@pytest.mark.parametrize(
    "art", [b"", b"GIF89a", b"<svg/>", picture()[:300], picture(9, 9, kind="BMP"), bytes(999)]
)
def test_what_is_no_picture_is_no_cover_and_no_failure(tmp_path: Path, art: bytes) -> None:
    audio = write_tone(tmp_path / "sound", "mp3").read_bytes()
    found = analysed(id3_tag(picture=art, title="still") + audio)
    assert found.cover_jpeg is None
    assert found.measurements.tags.title == "still"
    assert not found.measurements.damaged


def _flac_picture(art: bytes) -> bytes:
    kind = b"image/jpeg"
    head = struct.pack(">II", 3, len(kind)) + kind + struct.pack(">IIIIII", 0, 0, 0, 0, 0, len(art))
    return head + art


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
