"""Frame headers of MPEG audio layer III (ISO 11172-3, 13818-3) and ADTS AAC (ISO 13818-7)."""

from __future__ import annotations

from typing import NamedTuple

_MPEG1_KBIT = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBIT = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_MPEG1_RATES = (44100, 48000, 32000)
_ADTS_RATES = 13
_ADTS_HEADER = 7


class FrameHeader(NamedTuple):
    """`length` is the whole frame in bytes; `kind` is what every frame of a stream shares."""

    length: int
    kind: tuple[int, ...]


def layer3_header(data: bytes, at: int) -> FrameHeader | None:
    """The layer III frame header at byte `at`, or None. Free-format frames are not recognised."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version = data[at + 1] >> 3 & 3  # 0: MPEG 2.5, 2: MPEG 2, 3: MPEG 1
    bitrate, rate, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or bitrate in (0, 15) or rate == 3 or data[at + 3] & 3 == 2:
        return None
    kbit = (_MPEG1_KBIT if version == 3 else _MPEG2_KBIT)[bitrate - 1]
    hertz = _MPEG1_RATES[rate] >> {3: 0, 2: 1, 0: 2}[version]
    length = (144 if version == 3 else 72) * kbit * 1000 // hertz + padding
    return FrameHeader(length, (version, rate))


def adts_header(data: bytes, at: int) -> FrameHeader | None:
    """The ADTS frame header at byte `at`, or None."""
    if at + _ADTS_HEADER > len(data) or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    rate = data[at + 2] >> 2 & 15
    length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    if rate >= _ADTS_RATES or length <= _ADTS_HEADER:
        return None
    return FrameHeader(length, (data[at + 1] >> 3 & 1, data[at + 2] >> 6, rate))
