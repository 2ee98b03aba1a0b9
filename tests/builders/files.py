"""Files of every kind that is accepted, and uploads of them."""

import contextlib
import io
import random
import socket
import struct
import threading
import zipfile
import zlib
from typing import Any

import httpx
from tests.builders.tracks import multipart
from tests.raw_http import form_head
from tests.servers import ApiProcess

ODT_TYPE = "application/vnd.oasis.opendocument.text"


def pdf(*, size: int = 2000, seed: int = 1) -> bytes:
    """Another one for each seed; ``size`` in bytes of the whole."""
    head, tail = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", b"\n%%EOF\n"
    return head + random.Random(seed).randbytes(size - len(head) - len(tail)) + tail


def png(*, width: int = 2, height: int = 2) -> bytes:
    """The header of any size, and the data of the top left corner."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(b"\0\0\0" * 2)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def jpeg(*, width: int = 2, height: int = 2, before_frame: int = 100) -> bytes:
    """``before_frame`` bytes of a camera's remarks stand before the size."""
    remarks = b""
    while before_frame > 0:
        length = min(before_frame, 60_000)
        remarks += b"\xff\xe1" + struct.pack(">H", length + 2) + b"\xff\xc0" * (length // 2)
        remarks += b"\0" * (length % 2)
        before_frame -= length
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    return (
        b"\xff\xd8" + remarks + b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame
    ) + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00\xff\xd9"


def webp(*, width: int = 2, height: int = 2) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + size
    return b"RIFF" + struct.pack("<I", len(body)) + body


def archive(
    *, names: tuple[str, ...] = ("a.txt",), comment: bytes = b"", content: bytes = b"x"
) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name in names:
            made.writestr(name, content)
        made.comment = comment
    return packed.getvalue()


def docx(*more: str) -> bytes:
    return archive(names=("[Content_Types].xml", "_rels/.rels", "word/document.xml", *more))


def xlsx() -> bytes:
    return archive(names=("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"))


def odt(*, mimetype: str = ODT_TYPE) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("mimetype", mimetype, zipfile.ZIP_STORED)
        made.writestr("content.xml", "<office:document-content/>")
        made.writestr("META-INF/manifest.xml", "<manifest:manifest/>")
    return packed.getvalue()


_OOXML = "application/vnd.openxmlformats-officedocument"
ACCEPTED: dict[str, tuple[bytes, str]] = {
    "manual.pdf": (pdf(), "application/pdf"),
    "photo.jpg": (jpeg(), "image/jpeg"),
    "photo.JPEG": (jpeg(before_frame=300_000), "image/jpeg"),
    "scan.png": (png(), "image/png"),
    "scan.webp": (webp(), "image/webp"),
    "notes.txt": ("Größe: 3 µm\n\tsee page 4\r\n".encode(), "text/plain"),
    "notes-bom.txt": (b"\xef\xbb\xbfsaved on Windows\r\n", "text/plain"),
    "README.md": (b"# The synth\n\n<div>some HTML</div>\n", "text/markdown"),
    "patches.zip": (archive(), "application/zip"),
    "empty.zip": (archive(names=()), "application/zip"),
    "letter.docx": (docx(), f"{_OOXML}.wordprocessingml.document"),
    "prices.xlsx": (xlsx(), f"{_OOXML}.spreadsheetml.sheet"),
    "letter.odt": (odt(), ODT_TYPE),
}


MISLABELLED: list[tuple[bytes, str]] = [
    (b"<!doctype html><script>alert(1)</script>" * 3000, "manual.pdf"),
    (b"<!doctype html><script>alert(1)</script>", "manual.html"),
    (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "drawing.svg"),
    (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "drawing.png"),
    (b"alert(1)", "script.js"),
    (b"<html><script>alert(1)</script>%PDF-1.7\n", "polyglot.pdf"),
    (b"GIF89a/*" + bytes(100), "picture.png"),
    (pdf(), "picture.jpg"),
    (png(), "manual.pdf"),
    (b"MZ\x90\0" + bytes(5000), "setup.zip"),
    (archive(), "letter.docx"),
    (b"latin-1: \xe9", "notes.txt"),
    (pdf(), "manual.pdf.exe"),
    (pdf(), "manual"),
    (pdf(), "..."),
]
"""Content that is not what the name says, or of no kind that is accepted."""
BOMBS: list[tuple[bytes, str]] = [
    (png(width=100_000, height=100_000), "bomb.png"),
    (jpeg(width=65_535, height=65_535), "bomb.jpg"),
    (jpeg(width=65_535, height=65_535, before_frame=250_000), "bomb.jpg"),
    (webp(width=16_384, height=16_384), "bomb.webp"),
]
"""Pictures that would fill the memory, of 300,000 bytes at most."""


def post_file(
    api: ApiProcess,
    token: str,
    path: str,
    *,
    content: bytes | None = None,
    filename: str = "manual.pdf",
    kind: str | None = "manual",
) -> httpx.Response:
    return api.client.post(
        path,
        token=token,
        files={"file": (filename, pdf() if content is None else content)},
        data={} if kind is None else {"type": kind},
    )


def create_file(api: ApiProcess, token: str, gear_id: int, **upload: Any) -> dict[str, Any]:
    answer = post_file(api, token, f"/products/{gear_id}/files", **upload)
    assert answer.status_code == 201, answer.text
    file: dict[str, Any] = answer.json()["data"]
    return file


class Upload(threading.Thread):
    """One that goes on while the test does something else. ``path`` as the client takes it."""

    def __init__(self, api: ApiProcess, token: str, path: str, content: bytes) -> None:
        super().__init__()
        self._url = f"{api.url}/api/v1{path}"
        self._token = token
        self._content = content
        self._answer: httpx.Response | None = None
        self.start()

    def run(self) -> None:
        # The api may be killed meanwhile.
        with contextlib.suppress(httpx.TransportError):
            self._answer = httpx.post(
                self._url,
                headers={"Authorization": f"Bearer {self._token}"},
                files={"file": ("a.pdf", self._content)},
                data={"type": "manual"},
                timeout=60,
            )

    def status(self) -> int:
        self.join(60)
        assert self._answer is not None
        return self._answer.status_code


def begin_upload(
    api: ApiProcess, token: str, path: str, content: bytes, *, sent: int
) -> tuple[socket.socket, bytes]:
    """An upload of which ``sent`` bytes have been sent, and the rest of it."""
    body = multipart(content, filename="a.pdf", type="manual")
    head = form_head(path, token, f"Content-Length: {len(body)}")
    connection = socket.create_connection(api.address, timeout=60)
    connection.sendall(head + body[:sent])
    return connection, body[sent:]


def create_doc(api: ApiProcess, token: str, product_id: int, **upload: Any) -> dict[str, Any]:
    """A document of the house about a product of the catalogue."""
    answer = post_file(api, token, f"/admin/products/{product_id}/docs", **upload)
    assert answer.status_code == 201, answer.text
    doc: dict[str, Any] = answer.json()["data"]
    return doc
