"""ZIP archives (APPNOTE 6.3) and the office formats that are such: what their directory says.

The directory stands at the end. Only that end is kept, and of the entries only the names are
read: what an archive would unpack to does not matter.
"""

import re
import struct

from talas.core.formats.checks import Mismatch

TAIL_BYTES = 256 * 1024
_LOCAL_FILE = b"PK\x03\x04"
_DIRECTORY_ENTRY = b"PK\x01\x02"
_DIRECTORY_END = b"PK\x05\x06"
_END_BYTES = 22
_ENTRY_BYTES = 46
_MAX_END_BYTES = _END_BYTES + 65_535

_CONTENT_TYPES = b"[Content_Types].xml"
_WORD = re.compile(rb"word/document\d*\.xml")
_WORKBOOK = re.compile(rb"xl/workbook\d*\.xml")
_OPEN_DOCUMENT = b"application/vnd.oasis.opendocument."
_ODT = b"application/vnd.oasis.opendocument.text"


class ZipCheck:
    """Any archive, be it empty, as long as it ends with a directory."""

    def __init__(self) -> None:
        self._head = b""
        self._tail = bytearray()

    def begin(self, head: bytes) -> None:
        if not head.startswith((_LOCAL_FILE, _DIRECTORY_END)):
            raise Mismatch
        self._head = head

    def take(self, chunk: bytes) -> None:
        self._tail += chunk
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def finish(self) -> None:
        names = read_names(bytes(self._tail[-TAIL_BYTES:]))
        if names is None or not self._fits(self._head, names):
            raise Mismatch

    def _fits(self, _head: bytes, _names: set[bytes]) -> bool:
        return True


class DocxCheck(ZipCheck):
    def _fits(self, _head: bytes, names: set[bytes]) -> bool:
        return _is_office(names, _WORD)


class XlsxCheck(ZipCheck):
    def _fits(self, _head: bytes, names: set[bytes]) -> bool:
        return _is_office(names, _WORKBOOK)


class OdtCheck(ZipCheck):
    """The entry ``mimetype``, where it stands first and plain as the format demands, decides."""

    def _fits(self, head: bytes, names: set[bytes]) -> bool:
        return {b"mimetype", b"content.xml"} <= names and _stored_type(head) in (None, _ODT)


def _is_office(names: set[bytes], main_part: re.Pattern[bytes]) -> bool:
    """Documents with macros are formats of their own."""
    return (
        _CONTENT_TYPES in names
        and any(main_part.fullmatch(name) for name in names)
        and not any(name.endswith(b"vbaProject.bin") for name in names)
    )


def _stored_type(head: bytes) -> bytes | None:
    if head[26:38] != struct.pack("<HH", 8, 0) + b"mimetype" or head[8:10] != b"\0\0":
        return None
    found = re.match(re.escape(_OPEN_DOCUMENT) + rb"[a-z-]*", head[38:138])
    return found[0] if found else b""


def read_names(tail: bytes) -> set[bytes] | None:
    """The names in the directory of the archive that ends with ``tail``; None where there is no
    directory, nothing where it begins before ``tail`` or is of the large kind (ZIP64)."""
    end = len(tail)
    while (end := tail.rfind(_DIRECTORY_END, max(0, len(tail) - _MAX_END_BYTES), end)) >= 0:
        if len(tail) - end < _END_BYTES:
            continue
        size, comment_length = struct.unpack_from("<I4xH", tail, end + 12)
        # The remark that ends an archive may hold anything.
        if end + _END_BYTES + comment_length == len(tail):
            return _read_entries(tail[end - size : end]) if size <= end else set()
    return None


def _read_entries(directory: bytes) -> set[bytes]:
    """Every turn consumes at least the 46 bytes of an entry's head."""
    names: set[bytes] = set()
    at = 0
    while directory[at : at + 4] == _DIRECTORY_ENTRY and at + _ENTRY_BYTES <= len(directory):
        name, extra, comment = struct.unpack_from("<HHH", directory, at + 28)
        at += _ENTRY_BYTES
        names.add(directory[at : at + name])
        at += name + extra + comment
    return names
