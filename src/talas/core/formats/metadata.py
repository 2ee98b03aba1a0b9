"""Pictures without what they tell of the one who took them: place, time, camera, earlier versions.

Pixels are not touched. What is not known to be needed for showing a picture goes, and so does what
stands behind its end; of Exif (JEITA CP-3451) only the orientation stays.
"""

import re
import struct
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable

from talas.core.errors import InvalidData

# Encoders write thousands in a large picture, and each costs a moment.
MAX_PARTS = 20_000
_MAX_EXIF = 64 * 1024
_UPRIGHT = 1
_ORIENTATION = 0x0112
_SHORT = 3

_EXIF_START = b"Exif\0\0"
# Stuffed bytes and restarts belong to the data of a scan (ISO/IEC 10918-1, B.1.1).
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_END, _SCAN, _JFIF, _EXIF, _COLOURS, _ADOBE = 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE
_TABLES_AND_FRAMES = frozenset(range(0xC0, 0xE0)) - _BARE

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_SHOWN = frozenset(
    b"IHDR PLTE IDAT IEND tRNS cHRM gAMA iCCP sBIT sRGB cICP mDCV cLLI bKGD hIST pHYs sPLT "
    b"acTL fcTL fdAT".split()
)
_WEBP_SHOWN = frozenset((b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP"))

Chunks = AsyncIterator[bytes]


async def without_metadata(chunks: AsyncIterable[bytes]) -> Chunks:
    """The same picture, of what begins like a JPEG, PNG or WebP; anything else as it is.

    Raises InvalidData for a picture whose parts do not follow each other.
    """
    source = _Source(chunks)
    start = await source.peek(12)
    strip = next((strip for begins, strip in _KINDS if begins.match(start)), _Source.rest)
    async for piece in strip(source):
        yield piece


class _Source:
    """The bytes that are still to come, counted in parts."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = aiter(chunks)
        self._held = bytearray()
        self._parts = 0

    async def peek(self, size: int) -> bytes:
        """The next bytes; fewer where the file ends."""
        while len(self._held) < size and await self._fetch():
            pass
        return bytes(self._held[:size])

    async def read(self, size: int) -> bytes:
        """As ``peek``, and they are over."""
        read = await self.peek(size)
        del self._held[:size]
        return read

    async def pieces(self, size: int) -> Chunks:
        """The next ``size`` bytes, never held whole."""
        while size and (self._held or await self._fetch()):
            piece = bytes(self._held[:size])
            del self._held[:size]
            size -= len(piece)
            yield piece

    async def skip(self, size: int) -> None:
        async for _ in self.pieces(size):
            pass

    async def before(self, mark: re.Pattern[bytes]) -> Chunks:
        """What stands before the next ``mark``, which is two bytes long."""
        while len(self._held) > 1 or await self._fetch():
            found = mark.search(self._held)
            async for piece in self.pieces(found.start() if found else len(self._held) - 1):
                yield piece
            if found:
                return
        async for piece in self.rest():
            yield piece

    async def rest(self) -> Chunks:
        while self._held or await self._fetch():
            piece = bytes(self._held)
            self._held.clear()
            yield piece

    def count_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise InvalidData(f"The picture is made of more than {MAX_PARTS:,} parts")

    async def _fetch(self) -> bool:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            return False
        self._held += chunk
        return True


def _damaged() -> InvalidData:
    return InvalidData("The picture is damaged; save it anew")


async def _strip_jpeg(source: _Source) -> Chunks:
    yield await source.read(2)
    while marker := await _read_marker(source):
        if marker == _END:
            yield bytes((0xFF, _END))
            return
        if marker in _BARE:
            continue
        yield _kept_segment(marker, await _read_segment(source))
        if marker == _SCAN:
            async for piece in source.before(_MARKER):
                yield piece


async def _read_marker(source: _Source) -> int:
    """0 where the file ends, as one does that was cut off. Fill bytes may stand before it."""
    mark = await source.read(2)
    source.count_part()
    if mark and (len(mark) < 2 or mark[0] != 0xFF):
        raise _damaged()
    while mark and mark[-1] == 0xFF:
        source.count_part()
        mark = await source.read(1)
    return mark[-1] if mark else 0


async def _read_segment(source: _Source) -> bytes:
    """Without its length."""
    length = int.from_bytes(await source.read(2))
    segment = await source.read(length - 2) if length > 2 else b""
    if length < 2 or len(segment) < length - 2:
        raise _damaged()
    return segment


def _kept_segment(marker: int, segment: bytes) -> bytes:
    """Thumbnails go: they may show what was cut off the picture."""
    if marker == _EXIF and segment.startswith(_EXIF_START):
        orientation = read_orientation(segment[len(_EXIF_START) :])
        segment = _EXIF_START + oriented(orientation) if orientation != _UPRIGHT else b""
    elif marker == _JFIF and segment.startswith(b"JFIF\0"):
        segment = segment[:12] + b"\0\0"
    elif not (
        marker in _TABLES_AND_FRAMES
        or (marker == _COLOURS and segment.startswith(b"ICC_PROFILE\0"))
        or (marker == _ADOBE and segment.startswith(b"Adobe"))
    ):
        return b""
    return struct.pack(">BBH", 0xFF, marker, len(segment) + 2) + segment if segment else b""


async def _strip_png(source: _Source) -> Chunks:
    """Chunk by chunk (ISO/IEC 15948, 5.3)."""
    yield await source.read(len(_PNG_START))
    kind = b""
    while kind != b"IEND" and (head := await source.read(8)):
        source.count_part()
        if len(head) < 8:
            raise _damaged()
        size, kind = struct.unpack(">I4s", head)
        if kind in _PNG_SHOWN:
            yield head
            async for piece in source.pieces(size + 4):
                yield piece
            continue
        start = await source.read(min(size, _MAX_EXIF))
        await source.skip(size - len(start) + 4)
        if kind == b"eXIf" and (orientation := read_orientation(start)) != _UPRIGHT:
            yield _png_chunk(kind, oriented(orientation))


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


async def _strip_webp(source: _Source) -> Chunks:
    """Chunk by chunk (RFC 9649). The size of all stands in front, so what goes is made zeros."""
    head = await source.read(12)
    yield head
    left = int.from_bytes(head[4:8], "little") - 4
    while left > 0 and (head := await source.read(8)):
        source.count_part()
        if len(head) < 8:
            raise _damaged()
        kind, size = head[:4], int.from_bytes(head[4:], "little")
        size += size % 2
        left -= 8 + size
        yield head
        if kind == b"EXIF":
            start = await source.read(min(size, _MAX_EXIF))
            size -= len(start)
            yield _blanked_exif(start)
        async for piece in source.pieces(size):
            yield piece if kind in _WEBP_SHOWN else bytes(len(piece))


def _blanked_exif(exif: bytes) -> bytes:
    kept = oriented(read_orientation(exif.removeprefix(_EXIF_START)))
    return kept.ljust(len(exif), b"\0") if len(kept) <= len(exif) else bytes(len(exif))


def read_orientation(exif: bytes) -> int:
    """1 to 8, as the first directory of these TIFF bytes says; 1, upright, where it does not."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return _UPRIGHT
    try:
        (at,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, at)
        for entry in range(count):
            tag, kind, value = struct.unpack_from(f"{order}HH4xH", exif, at + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else _UPRIGHT
    except struct.error:
        pass
    return _UPRIGHT


def oriented(orientation: int) -> bytes:
    """TIFF bytes that say this and nothing else."""
    entry = struct.pack(">HHIHH", _ORIENTATION, _SHORT, 1, orientation, 0)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)


_KINDS: tuple[tuple[re.Pattern[bytes], Callable[[_Source], Chunks]], ...] = (
    (re.compile(rb"\xff\xd8\xff"), _strip_jpeg),
    (re.compile(re.escape(_PNG_START)), _strip_png),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), _strip_webp),
)
