"""How large a picture would be once decoded, by its header alone."""

import struct

from talas.core.errors import InvalidData
from talas.core.formats.checks import Mismatch

# What the largest sensors of telephones take.
MAX_PIXELS = 200_000_000
_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
_JPEG_START = b"\xff\xd8\xff"
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
_SCAN_OR_END = frozenset({0xD9, 0xDA})
# Far more than any picture has before its frame, and few enough to walk through.
_MAX_STEPS = 5_000


class PngCheck:
    def begin(self, head: bytes) -> None:
        if not head.startswith(_PNG_START) or len(head) < 33:
            raise Mismatch
        check_pixels(*struct.unpack_from(">II", head, 16))

    def take(self, chunk: bytes) -> None:
        pass

    def finish(self) -> None:
        pass


class WebpCheck:
    def begin(self, head: bytes) -> None:
        if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:
            raise Mismatch
        check_pixels(*_webp_size(head))

    def take(self, chunk: bytes) -> None:
        pass

    def finish(self) -> None:
        pass


class JpegCheck:
    """The frame header stands behind whatever cameras and editors put before it."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._to_skip = 0
        self._steps = 0
        self._found = False

    def begin(self, head: bytes) -> None:
        if not head.startswith(_JPEG_START):
            raise Mismatch
        self._to_skip = 2

    def take(self, chunk: bytes) -> None:
        if self._found:
            return
        self._waiting += chunk
        while not self._found and self._read_segment():
            pass

    def finish(self) -> None:
        if not self._found:
            raise Mismatch

    def _read_segment(self) -> bool:
        """Whether there was enough for another step (ISO/IEC 10918-1, B.1.1)."""
        skipped = min(self._to_skip, len(self._waiting))
        del self._waiting[:skipped]
        self._to_skip -= skipped
        data = self._waiting
        if len(data) < 2:
            return False
        self._steps += 1
        marker = data[1]
        if data[0] != 0xFF or marker in _SCAN_OR_END or self._steps > _MAX_STEPS:
            raise Mismatch
        if marker == 0xFF or marker in _BARE_MARKERS:
            self._to_skip = 1 if marker == 0xFF else 2
            return True
        if len(data) < 9:
            return False
        length = struct.unpack_from(">H", data, 2)[0]
        if length < 2:
            raise Mismatch
        if marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, 5)
            check_pixels(width, height)
            self._found = True
        self._to_skip = 2 + length
        return True


def check_pixels(width: int, height: int) -> None:
    if not width or not height:
        raise Mismatch
    if width * height > MAX_PIXELS:
        raise InvalidData(
            f"The picture has {width} x {height} pixels; at most {MAX_PIXELS:,} are accepted"
        )


def _webp_size(head: bytes) -> tuple[int, int]:
    """Of the three kinds (RFC 9649): lossy, lossless, extended."""
    kind = head[12:16]
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        width, height = head[24:27], head[27:30]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    raise Mismatch
