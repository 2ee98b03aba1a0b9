"""The header of audiowaveform's binary format, version 2 (8 bits, one channel).

Apart from `waveform`, because the process that checks a header has no need of numpy.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER_BYTES = 24
VERSION = 2
BYTES_PER_POINT = 2
"""A minimum and a maximum."""

MOST_POINTS = 2**18
"""More points than this are merged in pairs while they are made: 512 KiB for 12 hours."""

_HEADER = struct.Struct("<iIiiIi")
_EIGHT_BITS = 1
_CHANNELS = 1


class DatHeader(NamedTuple):
    """`sample_rate` in Hz; `length` counts points, each of `samples_per_pixel` samples."""

    sample_rate: int
    samples_per_pixel: int
    length: int


def pack_header(header: DatHeader) -> bytes:
    return _HEADER.pack(VERSION, _EIGHT_BITS, *header, _CHANNELS)


def read_header(data: bytes) -> DatHeader:
    """The header of whole waveform data. Raises ValueError where it, or the length of what follows
    it, is not as `pack_header` would have it."""
    if len(data) < HEADER_BYTES:
        raise ValueError("waveform data must begin with a header of 24 bytes")
    version, flags, *facts, channels = _HEADER.unpack_from(data)
    if (version, flags, channels) != (VERSION, _EIGHT_BITS, _CHANNELS):
        raise ValueError("waveform data must be version 2 with 8 bits and one channel")
    header = DatHeader(*facts)
    expected = HEADER_BYTES + BYTES_PER_POINT * header.length
    if header.sample_rate < 1 or header.samples_per_pixel < 1 or len(data) != expected:
        raise ValueError("waveform data must be as long as its header says")
    return header
