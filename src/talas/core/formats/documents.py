"""What people keep with their gear: the formats that are accepted, and how a file is held
against the one that its name's ending says.

Where other formats are accepted, files are held against those in the same way."""

from collections.abc import Callable

import msgspec

from talas.core.errors import InvalidData, UnsupportedMedia
from talas.core.filenames import clean_filename, split_ending
from talas.core.formats import checks
from talas.core.formats.archives import DocxCheck, OdtCheck, XlsxCheck, ZipCheck
from talas.core.formats.checks import Check, Mismatch, PdfCheck, TextCheck
from talas.core.formats.pictures import JpegCheck, PngCheck, WebpCheck


class Format(msgspec.Struct, frozen=True):
    label: str
    media_type: str
    endings: tuple[str, ...]
    check: Callable[[], Check]


_OOXML = "application/vnd.openxmlformats-officedocument"
FORMATS = (
    Format("PDF", "application/pdf", ("pdf",), PdfCheck),
    Format("JPEG", "image/jpeg", ("jpg", "jpeg", "jfif"), JpegCheck),
    Format("PNG", "image/png", ("png",), PngCheck),
    Format("WebP", "image/webp", ("webp",), WebpCheck),
    Format("plain text in UTF-8", "text/plain", ("txt",), TextCheck),
    Format("Markdown in UTF-8", "text/markdown", ("md", "markdown"), TextCheck),
    Format("ZIP", "application/zip", ("zip",), ZipCheck),
    Format("DOCX", f"{_OOXML}.wordprocessingml.document", ("docx",), DocxCheck),
    Format("XLSX", f"{_OOXML}.spreadsheetml.sheet", ("xlsx",), XlsxCheck),
    Format("ODT", "application/vnd.oasis.opendocument.text", ("odt",), OdtCheck),
)


class Accepted:
    """The formats that may come in somewhere; of the first ``head_bytes`` each can tell whether
    it may be its own."""

    def __init__(self, formats: tuple[Format, ...], *, head_bytes: int = checks.HEAD_BYTES) -> None:
        self.head_bytes = head_bytes
        self.sentence = "accepted are " + ", ".join(
            f"{known.label} ({', '.join('.' + ending for ending in known.endings)})"
            for known in formats
        )
        self._by_ending = {ending: known for known in formats for ending in known.endings}

    def named(self, filename: str) -> Format:
        """Raises UnsupportedMedia."""
        known = self._by_ending.get(split_ending(filename)[1].lower())
        if known is None:
            raise UnsupportedMedia(f"The name must end like what the file is; {self.sentence}")
        return known


DOCUMENTS = Accepted(FORMATS)


class DocumentInspector:
    """The name's ending chooses the format, the content must be of it. Raises InvalidData for a
    file without a name, UnsupportedMedia where the two do not agree."""

    def __init__(self, filename: str, accepted: Accepted = DOCUMENTS) -> None:
        if not filename:
            raise InvalidData('The file must have a name, like filename="manual.pdf"')
        self.filename = clean_filename(filename)
        self.head_bytes = accepted.head_bytes
        self._accepted = accepted
        self._format = accepted.named(self.filename)
        self._check = self._format.check()

    def begin(self, head: bytes) -> None:
        self._hold(lambda: self._check.begin(head))

    def take(self, chunk: bytes) -> None:
        self._hold(lambda: self._check.take(chunk))

    def finish(self) -> Format:
        self._hold(self._check.finish)
        return self._format

    def _hold(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Mismatch:
            raise UnsupportedMedia(
                f"The file is not {self._format.label}, as its name says; {self._accepted.sentence}"
            ) from None
