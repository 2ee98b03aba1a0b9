"""How one format is recognised, and the two that need little for it."""

import codecs
import re
from typing import Protocol

HEAD_BYTES = 1024

# Some programs send an empty line first; readers take it.
_PDF = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,16}%PDF-[12]\.[0-9]")
# Tabs and line ends are text.
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_FOREIGN = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:%PDF-|%!PS|\{\\rtf|PK\x03\x04"
    rb"|<(?:!doctype\s+html|html|head|body|script|iframe|svg|\?xml)\b)",
    re.IGNORECASE,
)


class Mismatch(Exception):
    """The content is not of the format."""


class Check(Protocol):
    """Is given the first bytes (HEAD_BYTES, or the whole file), then every chunk from the first.

    Each method raises Mismatch, or InvalidData for content that is of the format and must not
    come in all the same.
    """

    def begin(self, head: bytes) -> None: ...

    def take(self, chunk: bytes) -> None: ...

    def finish(self) -> None: ...


class PdfCheck:
    def begin(self, head: bytes) -> None:
        if not _PDF.match(head):
            raise Mismatch

    def take(self, chunk: bytes) -> None:
        pass

    def finish(self) -> None:
        pass


class TextCheck:
    """UTF-8 to the last byte, without control characters, and not the beginning of something
    that programs run or draw. A byte order mark may stand in front."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def begin(self, head: bytes) -> None:
        if _FOREIGN.match(head):
            raise Mismatch

    def take(self, chunk: bytes) -> None:
        if _CONTROLS.search(chunk):
            raise Mismatch
        self._decode(chunk, final=False)

    def finish(self) -> None:
        self._decode(b"", final=True)

    def _decode(self, chunk: bytes, *, final: bool) -> None:
        try:
            self._decoder.decode(chunk, final)
        except UnicodeDecodeError:
            raise Mismatch from None
