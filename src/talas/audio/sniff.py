"""Which audio container some bytes are, judged by content alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from talas.audio.containers import AAC, AIFF, FLAC, M4A, MP3, OGG, OPUS, WAV, Container
from talas.audio.mpeg import FrameHeader, adts_header, layer3_header

HEAD_BYTES = 65536
"""How much of a file `sniff` wants to see."""

_ID3_HEADER = 10
_MOST_TAGS = 4
_LONGEST_HEADER = 7
_LONGEST_LAYER3_FRAME = 1441
_FRAMES_AFTER_JUNK = 4
_AUDIO_BRANDS = frozenset({b"M4A ", b"M4B ", b"M4P "})
_MP4_BRANDS = _AUDIO_BRANDS | {
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9",
    b"mp41", b"mp42", b"dash", b"qt  ",
}  # fmt: skip
_OGG_AUDIO = ((b"\x01vorbis", OGG), (b"\x7fFLAC", OGG),
              (b"OpusHead", OPUS))  # fmt: skip
_OGG_VIDEO = (b"\x80theora", b"\x01video", b"BBCD", b"OVP80")

HeaderReader = Callable[[bytes, int], FrameHeader | None]


def sniff(head: bytes) -> Container | None:
    """The container that begins with `head` (up to `HEAD_BYTES` are looked at), else None.

    Behind an ID3v2 tag that fills the whole head no frame can be seen: that counts as MP3, and
    `sniff_file` decides with the file at hand.
    """
    head = head[:HEAD_BYTES]
    start = 0
    for _ in range(_MOST_TAGS):
        start += _id3_end(head[start:])
    if start >= len(head):
        return MP3 if start else None
    return _sniff_audio(head[start:], tagged=start > 0)


def sniff_file(file: BinaryIO) -> Container | None:
    """As `sniff`, for a seekable file, looking behind ID3v2 tags of any size.

    Leaves the file at its start.
    """
    start = 0
    for _ in range(_MOST_TAGS):
        file.seek(start)
        start += _id3_end(file.read(_ID3_HEADER))
    file.seek(start)
    head = file.read(HEAD_BYTES)
    file.seek(0)
    return _sniff_audio(head, tagged=start > 0)


class Sniffer:
    """As `sniff_file`, for a file that comes in pieces."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._to_skip = 0
        self._tags = 0
        self._at_audio = False

    def take(self, chunk: bytes) -> None:
        """The next bytes. Not more than `HEAD_BYTES` and the longest piece are held."""
        if self._at_audio and len(self._data) >= HEAD_BYTES:
            return
        skipped = min(self._to_skip, len(chunk))
        self._to_skip -= skipped
        self._data += chunk[skipped:]
        while not self._at_audio and len(self._data) >= _ID3_HEADER:
            self._look_for_tag()

    def finish(self) -> Container | None:
        """The container of all that was taken; a file that ends within a tag is none."""
        return _sniff_audio(bytes(self._data[:HEAD_BYTES]), tagged=self._tags > 0)

    def _look_for_tag(self) -> None:
        end = _id3_end(bytes(self._data[:_ID3_HEADER])) if self._tags < _MOST_TAGS else 0
        if not end:
            self._at_audio = True
            return
        self._tags += 1
        self._to_skip = max(0, end - len(self._data))
        del self._data[:end]


def _sniff_audio(data: bytes, *, tagged: bool) -> Container | None:
    if data[:4] == b"fLaC":
        return FLAC if data[4:8] in (b"\0\0\0\x22", b"\x80\0\0\x22") else None
    if tagged:
        # Some taggers leave padding behind the tag that its size does not count.
        data = data.lstrip(b"\0")
    elif (container := _by_magic(data)) or _is_other(data):
        return container
    if _has_frames(data, 0, adts_header, 2):
        return AAC
    if _has_frames(data, 0, layer3_header, 2) or _has_late_frames(data):
        return MP3
    return None


def _by_magic(data: bytes) -> Container | None:
    if data[:4] in (b"RIFF", b"RF64", b"BW64") and data[8:12] == b"WAVE":
        return WAV
    if data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if data[:4] == b"OggS":
        return _sniff_ogg(data)
    if data[4:8] == b"ftyp":
        return _sniff_mp4(data)
    return None


def _is_other(data: bytes) -> bool:
    """Whether the data begins like text or like a file of another kind.

    Only such beginnings are left to frame hunting that no encoder would call audio.
    """
    first = data[:4]
    return all(32 <= byte < 127 or byte in b"\r\n\t" for byte in first) or first.startswith(
        (
            b"\xff\xd8\xff",
            b"\x89PNG",
            b"PK\x03\x04",
            b"\x7fELF",
            b"\x1f\x8b",
            b"MZ",
            b"\xef\xbb\xbf",
        )
    )


def _id3_end(data: bytes) -> int:
    """Where the ID3v2 tag at the start of `data` ends, 0 if there is none. May be past the data."""
    if len(data) < _ID3_HEADER or data[:3] != b"ID3" or not 2 <= data[3] <= 4:
        return 0
    size = data[6:10]
    if data[4] == 0xFF or any(byte & 0x80 for byte in size):
        return 0
    footer = _ID3_HEADER if data[3] == 4 and data[5] & 0x10 else 0
    return _ID3_HEADER + footer + (size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3])


def _has_frames(data: bytes, at: int, header: HeaderReader, count: int) -> bool:
    """Whether `count` frames of one kind follow each other from `at`.

    Fewer will do where the data ends inside or right behind the last one.
    """
    kind: tuple[int, ...] | None = None
    for _ in range(count):
        if kind is not None and at + _LONGEST_HEADER > len(data):
            return True
        frame = header(data, at)
        if frame is None or (kind is not None and frame.kind != kind):
            return False
        kind = frame.kind
        at += frame.length
    return True


def _has_late_frames(data: bytes) -> bool:
    """Whether MP3 frames begin behind the rest of a frame that was cut."""
    at = data.find(b"\xff")
    while 0 <= at <= _LONGEST_LAYER3_FRAME:
        frame = layer3_header(data, at)
        whole = frame is not None and at + _FRAMES_AFTER_JUNK * frame.length < len(data)
        if whole and _has_frames(data, at, layer3_header, _FRAMES_AFTER_JUNK):
            return True
        at = data.find(b"\xff", at + 1)
    return False


def _sniff_ogg(data: bytes) -> Container | None:
    """Reads the first pages, one for each stream (RFC 3533): audio, and no video."""
    found: Container | None = None
    at = 0
    while data[at : at + 4] == b"OggS" and at + 27 <= len(data) and data[at + 5] & 2:
        segments = data[at + 26]
        body = at + 27 + segments
        packet = data[body : body + 16]
        if packet.startswith(_OGG_VIDEO):
            return None
        found = found or next(
            (kind for magic, kind in _OGG_AUDIO if packet.startswith(magic)), None
        )
        at = body + sum(data[at + 27 : body])
    return found


def _sniff_mp4(data: bytes) -> Container | None:
    """Judges by brands, and by the tracks where the movie box is in sight (ISO 14496-12).

    An audio brand is believed, since audio books carry their chapter pictures as a video track.
    A general brand needs a sound track and no picture track, unless its movie box is out of sight.
    """
    size = int.from_bytes(data[:4], "big")
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(size, 256), 4))}
    if size < 16 or not brands & _MP4_BRANDS:
        return None
    if data[8:12] in _AUDIO_BRANDS:
        return M4A
    handlers = _mp4_handlers(data)
    if handlers is None:
        return M4A
    return M4A if b"soun" in handlers and b"vide" not in handlers else None


def _mp4_handlers(data: bytes) -> set[bytes] | None:
    """The kinds of tracks in the movie box; None where the box is not wholly within `data`."""
    at = 0
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"moov":
            movie = data[at : at + size]
            if len(movie) < size:
                return None
            marks = movie.split(b"hdlr")[1:]
            return {mark[8:12] for mark in marks}
        if size < 8:
            return None
        at += size
    return None
