"""PCM from an exact sample on, in the shape that an encoder wants.

What comes out is what decoding and resampling the whole file would give at that place. Lossy
codecs need a run-up for it: their frames overlap, MP3 takes bits from frames before, Opus
predicts. `SeekIndex.approach` gives the points by which the place is found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import av
from av.audio.frame import AudioFrame
from av.packet import Packet
from av.stream import Stream

from talas.audio.containers import AAC, AIFF, FLAC, MP3, OGG, OPUS, WAV, Container
from talas.audio.decode import Source, open_source
from talas.audio.frames import Uniform, silent_frame, without_first
from talas.audio.pcm_graph import PcmGraph, PcmShape, Trim
from talas.audio.renditions import TrackAudio, resampling_start
from talas.audio.seeking import SeekPoint

_BY_POSITION = frozenset({MP3, AAC, FLAC, OGG, OPUS})
"""Their demuxers guess at times after a jump, but go on from any byte where a packet or page
begins. The others count exactly, and know packets by their time."""

_COMPUTED = frozenset({WAV, AIFF})
"""Every sample lies where arithmetic says, so that no index is needed."""

_MOST_SILENCE = 65_536


@dataclass(frozen=True, kw_only=True)
class PcmSpan:
    """What of a track is wanted: `samples` per channel from output sample `first` on.

    Output sample 0 is the track's sample `origin`. `gain_db` is applied to all.
    """

    first: int
    samples: int
    origin: int = 0
    gain_db: float = 0.0


class _LostPlace(Exception):
    """The packets that the index names are not met where it says."""


def read_pcm(
    file: BinaryIO,
    container: Container,
    track: TrackAudio,
    points: Sequence[SeekPoint],
    span: PcmSpan,
    shape: PcmShape,
) -> Iterator[AudioFrame]:
    """`span` of the track in `file`, in `shape`. The frames together hold `span.samples`.

    What the track should have and the file does not is silent, and so is all after its end.
    Where the index misleads, or is not there, everything before is decoded. Raises AudioError
    for a file that cannot be opened.
    """
    start, out_start = resampling_start(
        span.first, track.sample_rate, shape.sample_rate, span.origin
    )
    trim = Trim(
        source_first=start,
        source_end=track.samples,
        skip=span.first - out_start,
        samples=span.samples,
    )
    if container in _COMPUTED and start:
        points = (SeekPoint(start, start, None),) * 2
    if len(points) > 1 and points[1].sample > start:
        points = ()  # they lead past what is wanted
    try:
        yield from _converted(_Reader(file, container, track, points), trim, shape, span.gain_db)
    except _LostPlace:
        file.seek(0)
        yield from _converted(_Reader(file, container, track, ()), trim, shape, span.gain_db)


def _converted(
    reader: _Reader, trim: Trim, shape: PcmShape, gain_db: float
) -> Iterator[AudioFrame]:
    frames = (frame for frame in reader.frames() if _end(frame) > trim.source_first)
    first = next(frames, None)
    if first is None:
        first = reader.silence(1, trim.source_first)
    yield from PcmGraph(first, shape, trim, gain_db).convert(first, frames)


def _end(frame: AudioFrame) -> int:
    assert frame.pts is not None
    return frame.pts + frame.samples


class _Reader:
    """Decodes a file from a point of its index on."""

    def __init__(
        self,
        file: BinaryIO,
        container: Container,
        track: TrackAudio,
        points: Sequence[SeekPoint],
    ) -> None:
        self._file = file
        self._container = container
        self._by_position = container in _BY_POSITION
        self._track = track
        self._points = list(reversed(points))
        self._uniform = Uniform(track.sample_rate, track.channels)
        self._sample = 0
        self._excess = 0

    def frames(self) -> Iterator[AudioFrame]:
        """Frames of one shape, whose `pts` counts the track's samples without a gap.

        Raises _LostPlace before the first of them, or never.
        """
        with open_source(self._file, self._container, known_codec=True) as source:
            packets = source.audio_packets()
            if len(self._points) > 1:
                yield from self._take(source, self._anchor(source, packets))
            for packet in packets:
                key = packet.pos if self._by_position else packet.pts
                if self._points and key is not None and key == self._key_of(self._points[-1]):
                    yield from self._settle(self._points.pop().sample)
                yield from self._take(source, packet)

    def silence(self, samples: int, at: int) -> AudioFrame:
        frame = silent_frame(samples, self._track.sample_rate, self._track.channels)
        frame.pts = at
        return frame

    def _anchor(self, source: Source, packets: Iterator[Packet[Stream]]) -> Packet[Stream]:
        """The packet of the second point, the decoder having run up to it from the first."""
        start, anchor = self._points.pop(), self._points.pop()
        start_key, anchor_key = self._key_of(start), self._key_of(anchor)
        if start_key is None or anchor_key is None:
            raise _LostPlace
        try:
            source.seek(start, by_position=self._by_position)
        except av.FFmpegError as error:
            raise _LostPlace from error
        running = False
        for packet in packets:
            key = packet.pos if self._by_position else packet.pts
            running = running or key == start_key
            if running and key == anchor_key:
                self._sample = anchor.sample
                return packet
            if key is None or key > anchor_key:
                break
            if running:
                source.decode(packet)
        raise _LostPlace

    def _key_of(self, point: SeekPoint) -> int | None:
        return point.position if self._by_position else point.pts

    def _take(self, source: Source, packet: Packet[Stream]) -> Iterator[AudioFrame]:
        for decoded in source.decode(packet):
            for frame in self._uniform.convert(decoded):
                yield from self._placed(frame)

    def _placed(self, frame: AudioFrame) -> Iterator[AudioFrame]:
        dropped = min(self._excess, frame.samples)
        self._excess -= dropped
        if dropped < frame.samples:
            kept = without_first(frame, dropped) if dropped else frame
            kept.pts = self._sample
            self._sample += kept.samples
            yield kept

    def _settle(self, sample: int) -> Iterator[AudioFrame]:
        """Counts on from `sample`, where a whole decode was at this packet.

        After damage, or where a decoder trims what it can only once it saw the file's beginning,
        more or less may have come than then: less is made up by silence, more is cut from what
        follows.
        """
        self._excess = max(0, self._sample - sample)
        while (missing := sample - self._sample) > 0:
            silence = self.silence(min(missing, _MOST_SILENCE), self._sample)
            for frame in self._uniform.convert(silence):
                yield from self._placed(frame)
