"""Fragmented MP4 for HLS: an init segment and, after it, any fragment alone.

Boxes by ISO 14496-12, AAC in them by ISO 14496-3 and 14496-14, FLAC by "Encapsulation of FLAC in
ISO Base Media File Format". One track, whose time scale is the sample rate. Nothing is encoded
here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from talas.audio.renditions import AAC_FRAME, FLAC_FRAME, SEGMENT_SAMPLES, Rendition

_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_TRACK_ID = 1
_ADTS_RATE_INDEX = {48_000: 3, 44_100: 4}
_SYNC_SAMPLE = 0x0200_0000
_TFHD_FLAGS = 0x02_0000 | 0x20 | 0x08  # default-base-is-moof, default flags, default duration
_TRUN_FLAGS = 0x200 | 0x01  # sizes, data offset
_TRUN_DURATIONS = 0x100


def init_segment(rendition: Rendition) -> bytes:
    """`init.mp4` of a rendition: what a decoder must know, and no audio."""
    brands = b"iso6" + struct.pack(">I", 0) + b"iso6cmfcmp41"
    moov = _box(b"moov", _movie_header() + _track(rendition) + _movie_extends(rendition))
    return _box(b"ftyp", brands) + moov


def fragment(
    rendition: Rendition, number: int, packets: Sequence[bytes], last_duration: int
) -> bytes:
    """Segment `number`, from its packets; the last of them lasts `last_duration` samples.

    The first packet of AAC decodes to what comes before the audio (the encoder's delay of one
    frame), which the edit list takes away. So segment 0 has it and all others begin one frame
    late.
    """
    late = rendition.frame if rendition.codec == "aac" and number else 0
    start = number * SEGMENT_SAMPLES + late
    even = last_duration == rendition.frame
    flags = _TRUN_FLAGS if even else _TRUN_FLAGS | _TRUN_DURATIONS
    sizes = [len(packet) for packet in packets]
    if even:
        entries = struct.pack(f">{len(sizes)}I", *sizes)
    else:
        durations = [rendition.frame] * (len(sizes) - 1) + [last_duration]
        pairs = (value for pair in zip(durations, sizes, strict=True) for value in pair)
        entries = struct.pack(f">{2 * len(sizes)}I", *pairs)

    def movie_fragment(data_offset: int) -> bytes:
        run = struct.pack(">Ii", len(packets), data_offset) + entries
        track = (
            _full_box(
                b"tfhd",
                struct.pack(">3I", _TRACK_ID, rendition.frame, _SYNC_SAMPLE),
                flags=_TFHD_FLAGS,
            )
            + _full_box(b"tfdt", struct.pack(">Q", start), version=1)
            + _full_box(b"trun", run, flags=flags)
        )
        return _box(
            b"moof", _full_box(b"mfhd", struct.pack(">I", number + 1)) + _box(b"traf", track)
        )

    moof = movie_fragment(len(movie_fragment(0)) + 8)
    return moof + _box(b"mdat", b"".join(packets))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def _full_box(kind: bytes, content: bytes, *, version: int = 0, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", version << 24 | flags) + content)


def _movie_header() -> bytes:
    return _full_box(
        b"mvhd",
        struct.pack(">4I", 0, 0, 1000, 0)  # created, modified, time scale, duration unknown
        + struct.pack(">IH10x", 0x10000, 0x100)  # rate, volume
        + _MATRIX
        + bytes(24)
        + struct.pack(">I", _TRACK_ID + 1),
    )


def _track(rendition: Rendition) -> bytes:
    header = _full_box(
        b"tkhd",
        struct.pack(">5I8x", 0, 0, _TRACK_ID, 0, 0)
        + struct.pack(">hhHH", 0, 0, 0x100, 0)
        + _MATRIX
        + bytes(8),
        flags=7,  # enabled, in the movie, in the preview
    )
    return _box(b"trak", header + _edits(rendition) + _media(rendition))


def _edits(rendition: Rendition) -> bytes:
    """Playing begins after the first frame of AAC; the length is not known here, thus 0."""
    if rendition.codec == "flac":
        return b""
    edit = struct.pack(">IIiHH", 1, 0, AAC_FRAME, 1, 0)
    return _box(b"edts", _full_box(b"elst", edit))


def _media(rendition: Rendition) -> bytes:
    header = struct.pack(">4IHH", 0, 0, rendition.sample_rate, 0, _UNDETERMINED, 0)
    handler = struct.pack(">I4s12x", 0, b"soun") + b"Sound\0"
    reference = struct.pack(">I", 1) + _full_box(b"url ", b"", flags=1)  # in this very file
    tables = (
        _full_box(b"stsd", struct.pack(">I", 1) + _sample_entry(rendition))
        + _full_box(b"stts", bytes(4))
        + _full_box(b"stsc", bytes(4))
        + _full_box(b"stsz", bytes(8))
        + _full_box(b"stco", bytes(4))
    )
    information = (
        _full_box(b"smhd", bytes(4))
        + _box(b"dinf", _full_box(b"dref", reference))
        + _box(b"stbl", tables)
    )
    return _box(
        b"mdia",
        _full_box(b"mdhd", header) + _full_box(b"hdlr", handler) + _box(b"minf", information),
    )


_UNDETERMINED = 0x55C4
"""The language `und`, five bits a letter."""


def _sample_entry(rendition: Rendition) -> bytes:
    kind, description = (
        (b"mp4a", _aac_description(rendition))
        if rendition.codec == "aac"
        else (b"fLaC", _full_box(b"dfLa", b"\x80\0\0\x22" + stream_info(rendition)))
    )
    entry = struct.pack(
        ">6xH8xHHHHI",
        1,  # the data reference
        rendition.channels,
        rendition.bits or 16,
        0,
        0,
        rendition.sample_rate << 16,
    )
    return _box(kind, entry + description)


def stream_info(rendition: Rendition) -> bytes:
    """The STREAMINFO block of FLAC (RFC 9639, 8.2), its sizes, length and checksum unknown."""
    packed = rendition.sample_rate << 44 | rendition.channels - 1 << 41 | rendition.bits - 1 << 36
    return struct.pack(">HH6xQ16x", FLAC_FRAME, FLAC_FRAME, packed)


def _aac_description(rendition: Rendition) -> bytes:
    """The `esds` box: AAC LC (object type 2), and no spectral band replication hidden in it."""
    config = 2 << 11 | _ADTS_RATE_INDEX[rendition.sample_rate] << 7 | rendition.channels << 3
    specific = _descriptor(5, struct.pack(">H", config) + b"\x56\xe5\0")
    decoder = _descriptor(
        4,
        struct.pack(">BBBHII", 0x40, 0x15, 0, 0x1800, rendition.bandwidth, rendition.bitrate)
        + specific,
    )
    stream = _descriptor(3, struct.pack(">HB", 0, 0) + decoder + _descriptor(6, b"\x02"))
    return _full_box(b"esds", stream)


def _descriptor(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


def _movie_extends(rendition: Rendition) -> bytes:
    defaults = struct.pack(">5I", _TRACK_ID, 1, rendition.frame, 0, _SYNC_SAMPLE)
    return _box(b"mvex", _full_box(b"trex", defaults))
