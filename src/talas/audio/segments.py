"""One HLS segment of a track, from nothing but the file: no other segment need exist.

The encoder hears what the continuous encoder of the whole track would have heard there, begins
eight frames early, and what it gave for those is thrown away: by then it has forgotten that it
began. So the frames are those that the continuous encode places there, and a segment's bytes
depend on the file, the rendition and the number alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from av.audio.frame import AudioFrame

from talas.audio.containers import Container
from talas.audio.encoders import open_encoder, packets
from talas.audio.encoding_orders import SegmentOrder, segment_span
from talas.audio.flac_frames import renumbered
from talas.audio.fragmented_mp4 import fragment
from talas.audio.pcm import PcmSpan, read_pcm
from talas.audio.pcm_graph import PcmShape
from talas.audio.renditions import (
    AAC_FRAME,
    FLAC_FRAME,
    SEGMENT_SAMPLES,
    Rendition,
    segment_samples,
)


def encode_segment(file: BinaryIO, container: Container, order: SegmentOrder) -> bytes:
    """The segment as a fragment of MP4, to be appended to `init_segment`.

    The last frame of a track is filled with silence; its duration in the fragment is that of the
    audio. Raises IndexError for a segment that the track does not have, AudioError where the file
    cannot be read or an encoder is missing.
    """
    track, rendition = order.track, order.rendition
    samples = segment_samples(order.number, track.samples, track.sample_rate)
    first, end = segment_span(rendition, order.number)
    if rendition.codec == "flac":
        end = first + samples  # its last frame may be of any length
    span = PcmSpan(first=first, samples=end - first)
    shape = _shape(rendition)
    frames = read_pcm(file, container, track, order.points, span, shape)
    if rendition.codec == "flac":
        encoded = _flac_packets(order.number, samples, shape, frames)
    else:
        encoded = _aac_packets(rendition, order.number, samples, shape, frames)
    return fragment(rendition, order.number, encoded, (samples - 1) % rendition.frame + 1)


def _shape(rendition: Rendition) -> PcmShape:
    formats = {0: "fltp", 16: "s16", 24: "s32"}
    return PcmShape(
        sample_rate=rendition.sample_rate,
        channels=rendition.channels,
        sample_format=formats[rendition.bits],
    )


def _aac_packets(
    rendition: Rendition,
    number: int,
    samples: int,
    shape: PcmShape,
    frames: Iterator[AudioFrame],
) -> list[bytes]:
    """The packets of `samples`; for segment 0 also the first, which holds the encoder's delay."""
    encoder = open_encoder("aac", shape, bitrate=rendition.bitrate)
    first, _ = segment_span(rendition, number)
    dropped = (number * SEGMENT_SAMPLES - first) // AAC_FRAME + 1 if number else 0
    wanted = -(-samples // AAC_FRAME) + (number == 0)
    kept = islice(packets(encoder, frames), dropped, dropped + wanted)
    return [bytes(packet) for packet in kept]


def _flac_packets(
    number: int, samples: int, shape: PcmShape, frames: Iterator[AudioFrame]
) -> list[bytes]:
    options = {"frame_size": str(FLAC_FRAME)}
    encoder = open_encoder("flac", shape, options=options)
    first = number * SEGMENT_SAMPLES // FLAC_FRAME
    encoded = islice(packets(encoder, frames), -(-samples // FLAC_FRAME))
    return [renumbered(bytes(packet), first + at) for at, packet in enumerate(encoded)]
