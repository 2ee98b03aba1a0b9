"""The formats of a transcode, each a stream of bytes made from PCM as it comes.

Headers are written here rather than by FFmpeg's muxers, which go back to them at the end, where
a stream cannot be gone back to. Sources: RFC 9639 (FLAC), ISO 13818-7 (ADTS), EBU Tech 3306
(RF64), and, for the first frame of an MP3 that states its length, the `Xing`/`LAME` tag as
players read it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

import av
from av.audio.frame import AudioFrame

from talas.audio.encoders import open_encoder, packets
from talas.audio.encoding_orders import FormatName, TranscodeOrder
from talas.audio.info_frame import info_frame
from talas.audio.pcm_graph import PcmShape, layout_of
from talas.audio.renditions import FLAC_FRAME

_ADTS_RATES = {48_000: 3, 44_100: 4}
_LAME_QUALITY = "5"
"""From 0, the slowest, to 9. LAME's own choice, 3, takes a third longer and differs by little."""

_OPUS_PAGE_MICROSECONDS = 200_000
_MOST_OPUS_BITRATE = 256_000
_MOST_RIFF = 2**32 - 1
_ELSEWHERE = 2**32 - 1

Frames = Iterable[AudioFrame]


def shape_of(order: TranscodeOrder) -> PcmShape:
    """The PCM that the order's encoder takes."""
    formats = {"mp3": "fltp", "aac": "fltp", "opus": "flt"}
    lossless = "s16" if order.bits == 16 else "s32"
    return PcmShape(
        sample_rate=order.sample_rate,
        channels=order.channels,
        sample_format=formats.get(order.format, lossless),
    )


def stream(order: TranscodeOrder, frames: Frames) -> Iterator[bytes]:
    """The bytes of the result, in pieces. Raises AudioError where an encoder is missing."""
    return _STREAMS[order.format](order, shape_of(order), frames)


def _mp3(order: TranscodeOrder, shape: PcmShape, frames: Frames) -> Iterator[bytes]:
    options = {"compression_level": _LAME_QUALITY}
    encoder = open_encoder("libmp3lame", shape, bitrate=order.bitrate * 1000, options=options)
    first = True
    for packet in packets(encoder, frames):
        data = bytes(packet)
        if first:
            first = False
            yield info_frame(data[:4], order.samples, order.bitrate, shape.sample_rate)
        yield data


def _aac(order: TranscodeOrder, shape: PcmShape, frames: Frames) -> Iterator[bytes]:
    encoder = open_encoder("aac", shape, bitrate=order.bitrate * 1000)
    rate = _ADTS_RATES[order.sample_rate]
    # Sync word, MPEG-4, no checksum; AAC LC; then the length and a full buffer, one block.
    fixed = 0xFFF1 << 40 | (1 << 6 | rate << 2) << 32 | shape.channels << 30 | 0x7FF << 2
    for packet in packets(encoder, frames):
        yield (fixed | packet.size + 7 << 13).to_bytes(7, "big") + bytes(packet)


def _flac(order: TranscodeOrder, shape: PcmShape, frames: Frames) -> Iterator[bytes]:
    encoder = open_encoder("flac", shape, options={"frame_size": str(FLAC_FRAME)})
    bits = order.bits
    packed = shape.sample_rate << 44 | shape.channels - 1 << 41 | bits - 1 << 36 | order.samples
    yield b"fLaC\x80\0\0\x22" + struct.pack(">HH6xQ16x", FLAC_FRAME, FLAC_FRAME, packed)
    for packet in packets(encoder, frames):
        yield bytes(packet)


def _wav(order: TranscodeOrder, shape: PcmShape, frames: Frames) -> Iterator[bytes]:
    width = shape.channels * order.bits // 8
    yield wav_header(order.samples, shape.sample_rate, shape.channels, order.bits)
    if order.bits == 16:
        for frame in frames:
            yield bytes(memoryview(frame.planes[0])[: frame.samples * width])
        return
    encoder = open_encoder("pcm_s24le", shape)
    for packet in packets(encoder, frames):
        yield bytes(packet)
    if order.samples * width % 2:
        yield b"\0"  # a chunk of odd length is followed by a byte that it does not count


def wav_header(samples: int, sample_rate: int, channels: int, bits: int) -> bytes:
    """RIFF, or RF64 for what is larger than 4 GiB."""
    width = channels * bits // 8
    size = samples * width
    padded = size + size % 2
    form = struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * width, width, bits)
    body = b"WAVE" + struct.pack("<4sI", b"fmt ", len(form)) + form
    riff_size = len(body) + 8 + padded
    if riff_size <= _MOST_RIFF:
        return b"RIFF" + struct.pack("<I", riff_size) + body + struct.pack("<4sI", b"data", size)
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, riff_size + 36, size, samples, 0)
    return (
        b"RF64"
        + struct.pack("<I", _ELSEWHERE)
        + body[:4]
        + sizes
        + body[4:]
        + struct.pack("<4sI", b"data", _ELSEWHERE)
    )


class _Pieces:
    """Where FFmpeg's muxer writes to; it cannot be sought in."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


def _opus(order: TranscodeOrder, shape: PcmShape, frames: Frames) -> Iterator[bytes]:
    pieces = _Pieces()
    # Exact: the stream's serial number is not drawn by lot. The same order gives the same bytes,
    # and where no file can be opened, FFmpeg needs a quarter of a second to find a random number.
    options = {
        "page_duration": str(_OPUS_PAGE_MICROSECONDS),
        "flush_packets": "1",
        "fflags": "+bitexact",
    }
    bitrate = min(order.bitrate * 1000, _MOST_OPUS_BITRATE * shape.channels)
    with av.open(pieces, "w", format="ogg", container_options=options) as media:
        track = media.add_stream("libopus", rate=shape.sample_rate, bit_rate=bitrate)
        track.codec_context.layout = layout_of(shape.channels)
        track.codec_context.format = shape.sample_format
        for packet in packets(track.codec_context, frames):
            media.mux_one(packet)
            if data := pieces.take():
                yield data
    yield pieces.take()


_STREAMS: dict[FormatName, Callable[[TranscodeOrder, PcmShape, Frames], Iterator[bytes]]] = {
    "mp3": _mp3,
    "aac": _aac,
    "opus": _opus,
    "flac": _flac,
    "wav": _wav,
}
