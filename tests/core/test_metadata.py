"""Pictures lose what they tell of people, and look as before."""

import asyncio
import io
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image
from tests.builders.files import jpeg, pdf, png, webp

from talas.core.errors import InvalidData
from talas.core.formats.metadata import without_metadata

SECRET = b"SECRET"


def stripped(content: bytes, *, step: int = 1000) -> bytes:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), step):
            yield content[start : start + step]

    async def strip() -> bytes:
        return b"".join([piece async for piece in without_metadata(chunks())])

    return asyncio.run(strip())


def exif(orientation: int) -> Image.Exif:
    told = Image.Exif()
    told[0x0112] = orientation
    told[0x010F] = SECRET.decode()
    told[0x9286] = SECRET.decode()
    told.get_ifd(0x8825)[1] = "N"
    told.get_ifd(0x8825)[2] = (47.0, 22.0, 8.0)
    return told


def photo(kind: str, *, orientation: int = 6, mode: str = "RGB", **options: Any) -> bytes:
    picture = Image.effect_noise((64, 48), 90).convert(mode)
    out = io.BytesIO()
    picture.save(out, kind, exif=exif(orientation), **options)
    return out.getvalue()


def pixels(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        return picture.tobytes()


def pixels_of(picture: Image.Image) -> bytes:
    return picture.convert("RGB").tobytes()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


PHOTOS = {
    "jpeg": photo("JPEG", comment=SECRET, icc_profile=b"colours" * 20000, xmp=SECRET),
    "progressive": photo("JPEG", progressive=True, comment=SECRET),
    "grey": photo("JPEG", mode="L"),
    "cmyk": photo("JPEG", mode="CMYK"),
    "restarts": photo("JPEG", restart_marker_blocks=1),
    "png": photo("PNG", icc_profile=b"colours"),
    "palette": photo("PNG", mode="P"),
    "webp": photo("WEBP", xmp=SECRET, icc_profile=b"colours!"),
    "lossless": photo("WEBP", lossless=True, mode="RGBA"),
}


@pytest.mark.parametrize("step", [1, 7, 70_000])
@pytest.mark.parametrize("name", PHOTOS)
def test_only_the_orientation_stays(name: str, step: int) -> None:
    content = PHOTOS[name]
    assert SECRET in content
    kept = stripped(content, step=step)
    assert SECRET not in kept
    assert pixels(kept) == pixels(content)
    with Image.open(io.BytesIO(kept)) as picture, Image.open(io.BytesIO(content)) as before:
        assert dict(picture.getexif()) == {0x0112: 6}
        assert not picture.getexif().get_ifd(0x8825)
        assert picture.info.get("icc_profile") == before.info.get("icc_profile")
        assert picture.size == (64, 48)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [0, 1, 9, 65_535])
def test_an_upright_picture_keeps_nothing(kind: str, orientation: int) -> None:
    with Image.open(io.BytesIO(stripped(photo(kind, orientation=orientation)))) as picture:
        assert dict(picture.getexif()) in ({}, {0x0112: 1})


@pytest.mark.parametrize("name", PHOTOS)
def test_twice_is_as_once(name: str) -> None:
    once = stripped(PHOTOS[name])
    assert stripped(once) == once


@pytest.mark.parametrize("name", PHOTOS)
def test_what_stands_behind_the_end_goes(name: str) -> None:
    """Archives, films, second pictures."""
    assert stripped(PHOTOS[name] + b"PK\x03\x04" + SECRET * 5000) == stripped(PHOTOS[name])


def test_textual_chunks_of_a_png_go() -> None:
    plain = png()
    told = (
        plain[:33]
        + png_chunk(b"tEXt", b"Author\0" + SECRET)
        + png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SECRET)
        + png_chunk(b"tIME", bytes(7))
        + png_chunk(b"prVt", SECRET * 50_000)
        + plain[33:]
    )
    assert stripped(told) == plain


def test_a_thumbnail_goes() -> None:
    told = (
        b"\xff\xd8\xff\xe0" + struct.pack(">H", 16 + 12) + b"JFIF\0\1\2\0\0\1\0\1\2\2" + SECRET * 2
    )
    kept = stripped(told + jpeg()[2:])
    assert SECRET not in kept
    assert b"JFIF\0\1\2\0\0\1\0\1\0\0\xff" in kept


@pytest.mark.parametrize("step", [1, 3, 5000])
def test_frames_of_moving_pictures_stay(step: int) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    for kind in ("PNG", "WEBP"):
        out = io.BytesIO()
        frames[0].save(out, kind, save_all=True, append_images=frames[1:], exif=exif(1))
        kept = stripped(out.getvalue(), step=step)
        assert SECRET not in kept
        with Image.open(io.BytesIO(kept)) as picture:
            assert getattr(picture, "n_frames", 1) == 3
            picture.seek(2)
            red, _, blue = pixels_of(picture)[:3]
            assert red < 10 < 200 < blue


@pytest.mark.parametrize(
    "content", [b"", b"x", b"plain text", pdf(), b"RIFF\x24\0\0\0WAVEfmt " + bytes(30), b"\xff\xd8"]
)
def test_what_is_no_picture_stays_as_it_is(content: bytes) -> None:
    assert stripped(content) == content


@pytest.mark.parametrize("name", PHOTOS)
def test_a_picture_that_was_cut_off_ends_or_is_refused(name: str) -> None:
    for end in range(12, len(PHOTOS[name]), 37):
        try:
            assert SECRET not in stripped(PHOTOS[name][:end])
        except InvalidData:
            continue


@pytest.mark.parametrize("content", [jpeg(), png(), webp()])
def test_damage_ends_the_reading(content: bytes) -> None:
    for at in range(3, min(len(content), 60)):
        for wrong in (0, 1, 0xFF):
            damaged = content[:at] + bytes((wrong,)) + content[at + 1 :]
            try:
                assert len(stripped(damaged)) <= len(content)
            except InvalidData:
                continue


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8" + b"\xff\xe1\x00\x02" * 100_000,
        b"\xff\xd8" + b"\xff" * 1_000_000,
        png()[:33] + png_chunk(b"tEXt", b"") * 100_000,
        b"RIFF\xff\xff\xff\x7fWEBP" + b"JUNK\0\0\0\0" * 100_000,
    ],
)
def test_parts_without_end_are_refused(content: bytes) -> None:
    with pytest.raises(InvalidData, match="more than 20,000 parts"):
        stripped(content, step=65_536)


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12" * 30_000,
        b"MM\0*\0\0\0\x08\0\1\x01\x12\0\2\0\0\0\1\0\6\0\0",
    ],
)
def test_broken_exif_is_upright(told: bytes) -> None:
    plain = png()
    assert stripped(plain[:33] + png_chunk(b"eXIf", told) + plain[33:]) == plain
