"""The first frame of an MP3 of constant bitrate that states how long the rest is.

Players take the duration from it, and what to cut off at both ends, so that the decode has as
many samples as the source. It is an MPEG-1 layer III frame without audio, whose data is an `Info`
tag with LAME's extension, as LAME writes it and all players read it.
"""

from __future__ import annotations

import struct

FRAME = 1152
_ENCODER_DELAY = 576
_STEREO, _MONO = 32, 17
"""Bytes of side information between the header and the tag."""

_FLAGS = 0b1111  # frames, bytes, table of contents and quality follow
_CRC16 = 0xA001


def frame_count(samples: int) -> int:
    """Frames that LAME makes of `samples`, without the Info frame.

    It begins with its delay of half a frame, and fills up with half a frame at least.
    """
    return -(-(samples + _ENCODER_DELAY + FRAME // 2) // FRAME)


def info_frame(header: bytes, samples: int, kbit: int, sample_rate: int) -> bytes:
    """The frame that precedes frames with `header` (4 bytes) at `kbit` kbit/s.

    `samples` per channel were encoded.
    """
    frames = frame_count(samples)
    length = 144_000 * kbit // sample_rate
    side = _MONO if header[3] >> 6 == 3 else _STEREO
    stream_bytes = length + 144_000 * kbit * frames // sample_rate
    padding = frames * FRAME - samples - _ENCODER_DELAY
    tag = b"Info" + struct.pack(">III", _FLAGS, frames, stream_bytes)
    tag += bytes(256 * percent // 100 for percent in range(100)) + struct.pack(">I", 0)
    tag += b"LAME3.100" + struct.pack(">BB", 1, 0)  # constant bitrate; low-pass not told
    tag += bytes(8) + struct.pack(">BB", 0, min(kbit, 255))  # replay gain, flags, bitrate
    tag += (_ENCODER_DELAY << 12 | padding).to_bytes(3, "big")
    tag += struct.pack(">BBHIH", 0, 0, 0, stream_bytes, 0)
    # No checksum of its own, no padding, and joint stereo only where the frames have it.
    start = bytes((header[0], header[1] | 1, header[2] & 0xFD, header[3] & 0xCF))
    frame = start + bytes(side) + tag
    return (frame + _checksum(frame).to_bytes(2, "big")).ljust(length, b"\0")


def _checksum(data: bytes) -> int:
    """CRC-16 with the polynomial 0x8005, least significant bit first."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (_CRC16 if value & 1 else 0)
    return value
