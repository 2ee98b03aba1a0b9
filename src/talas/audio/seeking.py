"""The seek index: where in a file each second of its decoded audio begins.

Made in the one pass that decodes a whole file, kept beside it, and read by whoever wants the
audio from some sample on without decoding what comes before. Bytes: a head of 8 (`TLSK`, the
version, three zeros), then records of 24: sample, presentation time and position of a packet,
each a signed 64-bit little-endian integer, in the order of the file.
"""

from __future__ import annotations

import struct

import msgspec

RECORD_SPACING = 48_000
"""Samples, at the source's rate, from one record to the next at least.

More than any accepted codec needs of run-up: 0.6 s of MP3 at 8 kbit/s, whose bit reservoir then
spans 24 frames of 576 samples.
"""

_HEAD = b"TLSK\x01\0\0\0"
_RECORD = struct.Struct("<qqq")
_UNKNOWN = -(2**63)


class SeekPoint(msgspec.Struct, frozen=True, array_like=True):
    """A packet, and how many samples per channel a decoder has given out before it takes it.

    `pts` is in the time base of the stream, `position` is the byte of the file where the packet
    (in Ogg: its page) begins. Either is None where the demuxer does not say.
    """

    sample: int
    pts: int | None
    position: int | None


class SeekIndex:
    """The records of one file, looked up where they lie."""

    def __init__(self, data: bytes) -> None:
        """Takes what `SeekIndexBuilder.to_bytes` made. Raises ValueError for anything else."""
        if not data.startswith(_HEAD) or (len(data) - len(_HEAD)) % _RECORD.size:
            raise ValueError("this is not a seek index, or only a part of one")
        self._data = data
        self._count = (len(data) - len(_HEAD)) // _RECORD.size

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> SeekPoint:
        """Raises IndexError past the end, ValueError for a record that nobody can have written."""
        if not 0 <= number < self._count:
            raise IndexError("the seek index has no such record")
        sample, pts, position = _RECORD.unpack_from(self._data, self._offset(number))
        if sample < 0 or (position < 0 and position != _UNKNOWN):
            raise ValueError("the seek index is damaged")
        return SeekPoint(
            sample,
            None if pts == _UNKNOWN else pts,
            None if position == _UNKNOWN else position,
        )

    def approach(self, first: int, end: int) -> tuple[SeekPoint, ...]:
        """The packets by which a reader finds the samples from `first` to before `end`.

        Decoding begins at the first of them, as its run-up; what comes out before the second is
        dropped, and from there samples are counted, anew at each that follows. Empty: decoding
        must begin where the file does. Raises ValueError for a damaged index.
        """
        anchor = self._last_at(first)
        if anchor < 2:  # the packet before it is the very first, which needs no jump
            return ()
        points = [self[anchor - 1]]
        while anchor < self._count and (point := self[anchor]).sample < max(end, first + 1):
            if point.sample <= points[-1].sample:
                raise ValueError("the seek index is damaged")
            points.append(point)
            anchor += 1
        return tuple(points)

    def _last_at(self, sample: int) -> int:
        """The number of the last record at or before `sample`, -1 where there is none."""
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            if _RECORD.unpack_from(self._data, self._offset(middle))[0] <= sample:
                low = middle + 1
            else:
                high = middle
        return low - 1

    @staticmethod
    def _offset(number: int) -> int:
        return len(_HEAD) + number * _RECORD.size


class SeekIndexBuilder:
    """Told of every packet of a file, in order, as it is handed to the decoder."""

    def __init__(self) -> None:
        self._data = bytearray(_HEAD)
        self._next_sample = 0
        self._last_position: int | None = None

    def wants(self, sample: int) -> bool:
        """Whether a packet before which `sample` samples came would be kept."""
        return sample >= self._next_sample

    def add(self, *, sample: int, pts: int | None, position: int | None) -> None:
        """`sample`: samples per channel that the decoder had given out before this packet.

        `pts` in the stream's time base; `position` in bytes. Of packets that share a position,
        as those of an Ogg page do, only the first can be found again, so no other is kept.
        """
        if position is not None and position < 0:
            position = None
        findable = position is None or position != self._last_position
        self._last_position = position
        if findable and self.wants(sample) and (pts, position) != (None, None):
            self._next_sample = sample + RECORD_SPACING
            self._data += _RECORD.pack(
                sample,
                _UNKNOWN if pts is None else pts,
                _UNKNOWN if position is None else position,
            )

    def to_bytes(self) -> bytes:
        return bytes(self._data)
