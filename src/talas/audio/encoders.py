"""FFmpeg's encoders, opened for one shape of PCM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import cast

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.codec import UnknownCodecError
from av.packet import Packet
from av.stream import Stream

from talas.audio.errors import AudioError
from talas.audio.pcm_graph import PcmShape, layout_of


def open_encoder(
    name: str, shape: PcmShape, *, bitrate: int = 0, options: Mapping[str, str] | None = None
) -> AudioCodecContext:
    """The encoder that FFmpeg calls `name`; `bitrate` in bits/s.

    Raises AudioError where this build of FFmpeg lacks it or it does not take the shape.
    """
    try:
        encoder = cast(AudioCodecContext, av.CodecContext.create(name, "w"))
    except UnknownCodecError as error:
        raise AudioError(f"This server's FFmpeg has no encoder named {name}.") from error
    encoder.sample_rate = shape.sample_rate
    encoder.layout = layout_of(shape.channels)
    encoder.format = shape.sample_format
    encoder.thread_count = 1
    if bitrate:
        encoder.bit_rate = bitrate
    encoder.options = dict(options or {})
    try:
        encoder.open()
    except av.FFmpegError as error:
        raise AudioError(f"The encoder {name} does not take this audio.", str(error)) from error
    return encoder


def packets(encoder: AudioCodecContext, frames: Iterable[AudioFrame]) -> Iterator[Packet[Stream]]:
    """All that `frames` become, the encoder's remainder included."""
    for frame in frames:
        yield from encoder.encode(frame)
    yield from encoder.encode(None)
