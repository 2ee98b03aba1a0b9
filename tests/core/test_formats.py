"""What content is taken for, however it is cut into chunks."""

import io
import random
import struct
import zipfile

import pytest
from PIL import Image
from tests.builders.files import ACCEPTED, archive, docx, jpeg, odt, pdf, png, webp, xlsx

from talas.core.errors import InvalidData, UnsupportedMedia
from talas.core.formats.documents import DocumentInspector
from talas.core.formats.pictures import MAX_PIXELS


def media_type(content: bytes, filename: str, *, step: int = 1000) -> str:
    """As an upload in chunks of ``step`` bytes is taken. Raises what the upload would."""
    inspector = DocumentInspector(filename)
    inspector.begin(content[: inspector.head_bytes])
    for start in range(0, len(content), step):
        inspector.take(content[start : start + step])
    return inspector.finish().media_type


@pytest.mark.parametrize("filename", ACCEPTED)
@pytest.mark.parametrize("step", [1, 7, 70_000])
def test_every_format_in_any_chunks(filename: str, step: int) -> None:
    content, expected = ACCEPTED[filename]
    assert media_type(content, filename, step=step) == expected


@pytest.mark.parametrize(
    ("kind", "options", "ending"),
    [
        ("PNG", {}, "png"),
        ("JPEG", {}, "jpg"),
        ("JPEG", {"progressive": True}, "jpg"),
        ("WEBP", {}, "webp"),
        ("WEBP", {"lossless": True}, "webp"),
        ("WEBP", {"exif": b"Exif\0\0"}, "webp"),
    ],
)
def test_pictures_of_a_real_encoder(kind: str, options: dict[str, object], ending: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (33, 17), "teal").save(out, kind, **options)
    assert media_type(out.getvalue(), f"a.{ending}").startswith("image/")


_BY_ENDING = {
    "pdf": pdf(),
    "png": png(),
    "jpg": jpeg(),
    "webp": webp(),
    "zip": archive(),
    "txt": b"plain text",
    "elf": b"\x7fELF" + bytes(90),
    "exe": b"MZ\x90\0" + bytes(90),
}


@pytest.mark.parametrize("ending", ["pdf", "png", "jpg", "webp", "zip", "docx", "odt", "txt"])
@pytest.mark.parametrize("true_ending", _BY_ENDING)
def test_content_of_another_format(ending: str, true_ending: str) -> None:
    if ending == true_ending:
        return
    with pytest.raises(UnsupportedMedia, match="accepted are PDF"):
        media_type(_BY_ENDING[true_ending], f"a.{ending}")


def without_time(value: bytes | str) -> str | None:
    """Names archives by their length: they tell when they were made, and every worker must come
    to the same names."""
    if isinstance(value, bytes) and b"PK\3\4" in value:
        return f"archive of {len(value)} bytes"
    return None


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (b"%PDF-", "a.pdf"),
        (b"%PDF-x.y\n", "a.pdf"),
        (b"<html>%PDF-1.7", "a.pdf"),
        (b"\x89PNG\r\n\x1a\n", "a.png"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a.png"),
        (png(width=0), "a.png"),
        (b"\xff\xd8\xff", "a.jpg"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "a.jpg"),
        (b"\xff\xd8\xff\xda" + bytes(100), "a.jpg"),
        (jpeg()[:60], "a.jpg"),
        (jpeg(width=0), "a.jpg"),
        (b"\xff\xd8" + b"\xff" * 1_000_000, "a.jpg"),
        (b"\xff\xd8" + b"\xff\xe1\x00\x02" * 100_000, "a.jpg"),
        (b"RIFF\0\0\0\0WEBP", "a.webp"),
        (b"RIFF\0\0\0\0WEBPVP8 " + bytes(40), "a.webp"),
        (b"RIFF\0\0\0\0WAVEfmt " + bytes(40), "a.webp"),
        (b"PK\3\4" + bytes(1000), "a.zip"),
        (archive()[:-1], "a.zip"),
        (archive() + b"more", "a.zip"),
        (archive()[:40], "a.zip"),
        (b"#!/bin/sh\n" + archive(), "a.zip"),
        (archive(names=("word/document.xml",)), "a.docx"),
        (archive(names=("[Content_Types].xml",)), "a.docx"),
        (docx(), "a.xlsx"),
        (docx("word/vbaProject.bin"), "a.docx"),
        (xlsx(), "a.docx"),
        (xlsx(), "a.odt"),
        (odt(), "a.docx"),
        (odt(mimetype="application/vnd.oasis.opendocument.spreadsheet"), "a.odt"),
        (odt(mimetype="application/vnd.oasis.opendocument.text-template"), "a.odt"),
        (odt(mimetype="application/epub+zip"), "a.odt"),
        (b"caf\xe9", "a.txt"),
        ("text".encode("utf-16"), "a.txt"),
        (b"cut off \xc3", "a.txt"),
        (b"overlong \xc0\xaf", "a.txt"),
        (b"surrogate \xed\xa0\x80", "a.txt"),
        (b"nul \0", "a.txt"),
        (b"\x1b[2J", "a.txt"),
        (b"a" * 5000 + b"\x07", "a.md"),
        (b"%PDF-1.7\nonly text\n", "a.txt"),
        (b"<!DOCTYPE html><p>x", "a.txt"),
        (b"\xef\xbb\xbf \n<HTML lang=en>", "a.txt"),
        (b"<script>alert(1)</script>", "a.md"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>", "a.txt"),
        (b"<?xml version='1.0'?><svg/>", "a.txt"),
        (b"{\\rtf1 x}", "a.txt"),
    ],
    ids=without_time,
)
def test_what_is_no_whole_file_of_its_format(content: bytes, filename: str) -> None:
    with pytest.raises(UnsupportedMedia):
        media_type(content, filename)


@pytest.mark.parametrize(
    "filename",
    [
        *("page.html", "page.htm", "page.xhtml", "drawing.svg", "drawing.svgz", "x.js", "x.mjs"),
        *("x.exe", "x.sh", "x.php", "x.py", "x.jar", "x.docm", "x.xlsm", "x.doc", "x.gif", "x.mp3"),
        *("x", "x.", "pdf", "...", "manual.pdf.exe", "manual.pdf\0.html", "x.pdf ./"),
    ],
)
def test_no_other_ending(filename: str) -> None:
    with pytest.raises(UnsupportedMedia, match=r"accepted are PDF \(\.pdf\)"):
        DocumentInspector(filename)


@pytest.mark.parametrize("before", [b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b" "])
def test_a_pdf_may_begin_with_empty_space(before: bytes) -> None:
    assert media_type(before + pdf(), "a.pdf") == "application/pdf"


def test_a_file_needs_a_name() -> None:
    with pytest.raises(InvalidData, match="must have a name"):
        DocumentInspector("")


SIDE = 100_000


@pytest.mark.parametrize(
    ("content", "filename"),
    [
        (png(width=SIDE, height=SIDE), "a.png"),
        (png(width=2**31 - 1, height=1), "a.png"),
        (jpeg(width=65_535, height=65_535), "a.jpg"),
        (jpeg(width=65_535, height=65_535, before_frame=700_000), "a.jpg"),
        (webp(width=16_384, height=16_384), "a.webp"),
        (webp(width=2**24, height=2**24), "a.webp"),
    ],
)
def test_pictures_that_would_fill_the_memory(content: bytes, filename: str) -> None:
    with pytest.raises(InvalidData, match=f"at most {MAX_PIXELS:,}"):
        media_type(content, filename)


def test_the_largest_picture() -> None:
    assert media_type(png(width=20_000, height=10_000), "a.png") == "image/png"
    with pytest.raises(InvalidData):
        media_type(png(width=20_000, height=10_001), "a.png")


class TestArchives:
    def test_are_never_unpacked(self) -> None:
        """10 GB of zeros, and one archive inside another: what counts is that they are archives."""
        inner = archive(content=bytes(1_000_000))
        bomb = archive(names=tuple(f"{n}.zip" for n in range(100)), content=inner)
        assert media_type(bomb, "bomb.zip") == "application/zip"

    def test_whose_entries_overlap(self) -> None:
        """Two entries of the directory that name the same bytes."""
        made = archive(names=("a", "b"))
        at = made.index(b"PK\1\2")
        second = made.index(b"PK\1\2", at + 4)
        overlapping = bytearray(made)
        struct.pack_into("<I", overlapping, second + 42, 0)
        assert media_type(bytes(overlapping), "a.zip") == "application/zip"

    def test_of_the_large_kind(self) -> None:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made, made.open("a.txt", "w", force_zip64=True) as entry:
            entry.write(b"x")
        assert media_type(out.getvalue(), "a.zip") == "application/zip"
        huge = archive()[:-22] + struct.pack(
            "<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0
        )
        assert media_type(huge, "a.zip") == "application/zip"
        with pytest.raises(UnsupportedMedia):
            media_type(huge, "a.docx")

    def test_with_a_remark_at_the_end(self) -> None:
        assert media_type(archive(comment=b"PK\5\6 and more"), "a.zip") == "application/zip"

    def test_an_office_file_may_be_called_what_it_is_besides(self) -> None:
        assert media_type(docx(), "a.zip") == "application/zip"

    def test_whose_directory_is_larger_than_what_is_read(self) -> None:
        names = tuple(f"{n:05}" + "x" * 200 for n in range(2000))
        assert media_type(archive(names=names), "a.zip") == "application/zip"
        with pytest.raises(UnsupportedMedia):
            media_type(docx(*names), "a.docx")

    def test_damaged_directories_end_the_reading(self) -> None:
        whole = bytearray(docx())
        chance = random.Random(5)
        for _ in range(300):
            damaged = bytearray(whole)
            for _ in range(5):
                damaged[chance.randrange(4, len(damaged))] = chance.randrange(256)
            try:
                assert "wordprocessing" in media_type(bytes(damaged), "a.docx")
            except UnsupportedMedia:
                continue


def test_text_at_the_edges_of_chunks() -> None:
    text = "é説\U0001f3b9" * 1000
    for step in (1, 2, 3, 5, 1023):
        assert media_type(text.encode(), "a.txt", step=step) == "text/plain"
