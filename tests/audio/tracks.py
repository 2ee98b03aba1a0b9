"""Files as the encoder's orders know them: analysed, indexed, read from anywhere."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from tests.audio.synthesis import ENCODINGS, Signal, write_samples

from talas.audio.containers import CONTAINERS, Container
from talas.audio.decode import open_source
from talas.audio.encoders import open_encoder, packets
from talas.audio.encoding_orders import segment_order
from talas.audio.fragmented_mp4 import fragment, init_segment
from talas.audio.pcm import PcmSpan, read_pcm
from talas.audio.pcm_graph import PcmShape
from talas.audio.renditions import (
    Rendition,
    TrackAudio,
    output_samples,
    rendition_named,
    resampling_start,
    segment_count,
)
from talas.audio.seeking import SeekIndex
from talas.audio.segments import encode_segment


class Known(NamedTuple):
    """A file, and what its one decode has found."""

    path: Path
    container: Container
    track: TrackAudio
    index: SeekIndex

    def rendition(self, name: str) -> Rendition:
        found = rendition_named(self.track, name)
        assert found is not None
        return found


def known(path: Path, container: str) -> Known:
    """Decodes `path`, whose container has that name, as analysis does."""
    with path.open("rb") as file, open_source(file, CONTAINERS[container]) as source:
        samples = sum(frame.samples for frame in source.frames())
        track = TrackAudio(
            container=container,
            codec=source.codec,
            bitrate=round(source.packet_bytes * 8 * source.sample_rate / samples),
            sample_rate=source.sample_rate,
            channels=source.channels,
            samples=samples,
        )
        index = SeekIndex(source.seek_index.to_bytes())
        return Known(path, CONTAINERS[container], track, index)


def written(
    path: Path, samples: Signal, encoding: str = "wav", rate: int = 48000, bit_rate: int = 192000
) -> Known:
    """Encodes `samples` and analyses the file."""
    write_samples(path, samples, encoding, rate, bit_rate=bit_rate)
    return known(path, ENCODINGS[encoding].container)


def pcm(
    file: Known,
    first: int = 0,
    samples: int | None = None,
    *,
    rate: int | None = None,
    indexed: bool = True,
    channels: int | None = None,
) -> Signal:
    """Samples of the track at `rate` from `first` on; shape (channels, samples)."""
    track = file.track
    rate = rate or track.sample_rate
    if samples is None:
        samples = -(-track.samples * rate // track.sample_rate) - first
    start, _ = resampling_start(first, track.sample_rate, rate)
    end = (first + samples) * track.sample_rate // rate
    points = file.index.approach(start, end) if indexed else ()
    shape = PcmShape(
        sample_rate=rate, channels=channels or min(2, track.channels), sample_format="flt"
    )
    span = PcmSpan(first=first, samples=samples)
    with file.path.open("rb") as stream:
        frames = list(read_pcm(stream, file.container, track, points, span, shape))
    return np.concatenate([f.to_ndarray() for f in frames], axis=1).reshape(-1, shape.channels).T


def segment(file: Known, name: str, number: int, *, indexed: bool = True) -> bytes:
    """One segment of the rendition called `name`."""
    index = file.index if indexed else None
    order = segment_order(file.track, file.rendition(name), number, index)
    with file.path.open("rb") as stream:
        return encode_segment(stream, file.container, order)


def playlist(file: Known, name: str) -> bytes:
    """The init segment and all others, as a player appends them."""
    count = segment_count(file.track.samples, file.track.sample_rate)
    parts = [segment(file, name, number) for number in range(count)]
    return init_segment(file.rendition(name)) + b"".join(parts)


def continuous(file: Known, name: str) -> bytes:
    """The track encoded in one go, with the settings of the AAC rendition called `name`."""
    rendition = file.rendition(name)
    total = output_samples(file.track.samples, file.track.sample_rate)
    shape = PcmShape(
        sample_rate=rendition.sample_rate, channels=rendition.channels, sample_format="fltp"
    )
    span = PcmSpan(first=0, samples=total)
    encoder = open_encoder("aac", shape, bitrate=rendition.bitrate)
    with file.path.open("rb") as stream:
        frames = read_pcm(stream, file.container, file.track, (), span, shape)
        encoded = [bytes(packet) for packet in packets(encoder, frames)]
    return init_segment(rendition) + fragment(rendition, 0, encoded, rendition.frame)


def decoded(data: bytes, muxer: str | None = None) -> Signal:
    """The samples of a file in memory, full scale being 1.0; shape (channels, samples)."""
    with av.open(io.BytesIO(data), format=muxer) as media:
        channels = media.streams.audio[0].codec_context.channels
        arrays = []
        for frame in media.decode(audio=0):
            array = frame.to_ndarray()
            if not frame.format.is_planar:
                array = array.reshape(-1, channels).T
            arrays.append(array)
    samples = np.concatenate(arrays, axis=1)
    scale = {np.dtype(np.int16): 2**15, np.dtype(np.int32): 2**31}.get(samples.dtype, 1)
    return (samples / scale).astype(np.float32 if scale != 2**31 else np.float64)
