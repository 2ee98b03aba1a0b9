"""One file, decoded once, from whatever of it can be decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, NoReturn

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from talas.audio.containers import AAC, AIFF, FLAC, MP3, WAV, Container
from talas.audio.errors import AudioError
from talas.audio.positions import PacketPositions
from talas.audio.seeking import SeekIndexBuilder, SeekPoint

MOST_SECONDS = 12 * 3600
MOST_CHANNELS = 8
SAMPLE_RATES = range(4000, 384_001)
"""Below, K-weighting is not defined; above, nothing records."""

MOST_CHANNEL_SAMPLES = 2 * MOST_SECONDS * 48_000 * 2
"""Of all channels together: twelve hours of stereo at 96 kHz. Measuring costs a slow channel as
much as one of 48 kHz, so it counts as one."""

_LEAST_COUNTED_RATE = 48_000

_PARSED = frozenset({MP3, AAC, FLAC})
"""Containers that are nothing but packets in a row."""

_STILLS = frozenset({"mjpeg", "png", "webp", "bmp", "gif"})
_USUAL_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_READ_BYTES = 65536
_READ_FAILURES = 16
_WAV_PROBE_BYTES = 8192
# From 19 on, which needs Python 3.12, PyAV keeps undecodable bytes of tags without being asked.
_KEEP_UNDECODABLE: Any = (
    {"metadata_errors": "surrogateescape"} if int(av.__version__.partition(".")[0]) < 19 else {}
)


class Source:
    """The one audio stream of an open file, and what became known of it while decoding.

    `samples` counts what `frames` has given out, per channel; `packet_bytes` the audio packets
    read, of which `seek_index` keeps one about every second; `damaged` turns true when something
    had to be skipped; `picture` is the first embedded picture as stored, complete once `frames`
    has ended.
    """

    def __init__(self, media: InputContainer, container: Container, file: BinaryIO) -> None:
        self._media = media
        self._positions = PacketPositions(file) if container in _PARSED else None
        self._stream = _only_audio_stream(media, container)
        self._pictures = [
            s for s in media.streams.video if s.disposition & Disposition.attached_pic
        ]
        self._promised = _promised_seconds(self._stream) if container.promises_length else 0.0
        self.codec = self._stream.codec_context.codec.canonical_name
        self.metadata = (media.metadata, self._stream.metadata)
        self.sample_rate = 0
        self.channels = 0
        self.samples = 0
        self._most_seconds = 0.0
        self.packet_bytes = 0
        self.seek_index = SeekIndexBuilder()
        self.damaged = False
        self.picture: bytes | None = None

    def frames(self) -> Iterator[AudioFrame]:
        """Every frame that decodes, all with the rate, layout and sample format of the first.

        Raises AudioError for what is too long, has too many channels or an impossible rate.
        """
        resampler: AudioResampler | None = None
        first: tuple[int, str, str] | None = None
        latest: tuple[int, str, str] | None = None
        for frame in self._decoded():
            shape = (frame.sample_rate, frame.layout.name, frame.format.name)
            if first is None:
                first = latest = shape
                self._begin(frame)
            if shape != latest:
                latest = shape
                _check_shape(frame)
                rate, layout, sample_format = first
                resampler = AudioResampler(sample_format, layout, rate) if shape != first else None
            for same in resampler.resample(frame) if resampler else (frame,):
                yield self._counted(same)

    @property
    def seconds(self) -> float:
        return self.samples / self.sample_rate if self.sample_rate else 0.0

    @property
    def cut_off(self) -> bool:
        """Whether the header promised noticeably more than has been decoded."""
        return self.seconds < self._promised * 0.99 - 0.1

    def _begin(self, frame: AudioFrame) -> None:
        _check_shape(frame)
        self.sample_rate = frame.sample_rate
        self.channels = frame.layout.nb_channels
        counted_rate = max(self.sample_rate, _LEAST_COUNTED_RATE)
        self._most_seconds = MOST_CHANNEL_SAMPLES / counted_rate / self.channels
        # PCM cannot promise more than the file is long, though a file that was cut off may try.
        if not self.codec.startswith("pcm_"):
            self._check_length(self._promised, promised=True)

    def _counted(self, frame: AudioFrame) -> AudioFrame:
        # Timestamps of damaged files jump. The samples themselves are the only clock kept.
        frame.pts = self.samples
        self.samples += frame.samples
        self._check_length(self.seconds)
        return frame

    def _check_length(self, seconds: float, *, promised: bool = False) -> None:
        if seconds > MOST_SECONDS:
            says = " says that it" if promised else ""
            raise AudioError(f"The file{says} is longer than 12 hours.")
        if seconds > self._most_seconds:
            raise AudioError(
                f"The file holds too much audio: with {self.channels} channels at "
                f"{self.sample_rate} Hz it may last {self._most_seconds / 3600:.1f} hours."
            )

    def seek(self, point: SeekPoint, *, by_position: bool) -> None:
        """Has `packets` go on somewhere before `point`, or at it. Raises av.FFmpegError."""
        if by_position:
            assert point.position is not None
            self._media.seek(point.position, unsupported_byte_offset=True)
        else:
            assert point.pts is not None
            self._media.seek(point.pts, stream=self._stream)

    def audio_packets(self) -> Iterator[Packet[Stream]]:
        """The packets of the audio alone, in the order of the file; an empty one ends them."""
        for packet in self._packets():
            if packet.stream is self._stream:
                yield packet
            else:
                self.picture = self.picture or bytes(packet) or None

    def decode(self, packet: Packet[Stream]) -> Sequence[AudioFrame]:
        """What one packet of `audio_packets` decodes to: nothing where it is damaged."""
        try:
            frames = self._stream.codec_context.decode(packet)
        except av.FFmpegError as error:
            _raise_if_fatal(error)
            self.damaged = True
            return ()
        self.damaged = self.damaged or packet.is_corrupt
        return frames

    def _decoded(self) -> Iterator[AudioFrame]:
        for packet in self.audio_packets():
            self.packet_bytes += packet.size
            self._index(packet)
            yield from self.decode(packet)

    def _index(self, packet: Packet[Stream]) -> None:
        position = packet.pos
        if self._positions is not None and self.seek_index.wants(self.samples):
            position = self._positions.of(packet)
            if position is None:  # a later one will be found again
                return
        self.seek_index.add(sample=self.samples, pts=packet.pts, position=position)

    def _packets(self) -> Iterator[Packet[Stream]]:
        """Packets until the end, reading on after an error while that brings anything."""
        failures = 0
        while failures < _READ_FAILURES:
            try:
                for packet in self._media.demux(self._stream, *self._pictures):
                    failures = 0
                    yield packet
                return
            except av.FFmpegError as error:
                _raise_if_fatal(error)
                self.damaged = True
                failures += 1


@contextmanager
def open_source(
    file: BinaryIO, container: Container, *, known_codec: bool = False
) -> Iterator[Source]:
    """Opens `file` (seekable) with the demuxer of `container` and nothing else.

    No other file and no address is ever opened, whatever the content asks for. Whoever says
    `known_codec` has opened the whole file before. Raises AudioError where there is no audio in
    it that is accepted.
    """
    options = {"protocol_whitelist": "file,pipe", "format_whitelist": container.demuxer}
    if known_codec and container is WAV:
        # FFmpeg looks for DTS in the first megabyte of PCM, for 30 ms.
        options["probesize"] = str(_WAV_PROBE_BYTES)
    try:
        media = av.open(
            file,
            format=container.demuxer,
            container_options=options,
            buffer_size=_READ_BYTES,
            io_open=_refuse_to_open,
            **_KEEP_UNDECODABLE,
        )
    except av.FFmpegError as error:
        _raise_if_fatal(error)
        raise AudioError(
            f"The file looks like {container.name} but cannot be read as such.", str(error)
        ) from error
    assert isinstance(media, InputContainer)
    with media:
        yield Source(media, container, file)


def _refuse_to_open(*_: object) -> NoReturn:
    raise PermissionError("media files may not open other files")


def _only_audio_stream(media: InputContainer, container: Container) -> AudioStream:
    if not media.streams.audio:
        raise AudioError("The file holds no audio.")
    if any(_is_moving(stream) for stream in media.streams.video):
        raise AudioError("The file holds a video. Only audio files are accepted.")
    stream = media.streams.audio[0]
    codec = stream.codec_context.codec.canonical_name
    if not container.takes(codec):
        raise AudioError(f"Its audio is coded as {codec}, which is not accepted.")
    stream.codec_context.thread_count = 1
    if container is AIFF:
        _forget_layout(stream)
    return stream


def _forget_layout(stream: AudioStream) -> None:
    """Has the channels taken in their usual order, whatever the file says of them.

    AIFF may give them any order, and FFmpeg then keeps it in memory of its own, which PyAV frees
    once for every frame that it wraps.
    """
    channels = stream.codec_context.channels
    # Even counting the channels has freed it, so it must be replaced before anything else happens.
    stream.codec_context.layout = _USUAL_LAYOUTS[min(channels, len(_USUAL_LAYOUTS)) - 1]
    _check_channels(channels)


def _is_moving(stream: VideoStream) -> bool:
    """Whether a video stream is more than cover art or the chapter pictures of an audio book."""
    if stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails):
        return False
    return stream.codec_context.codec.canonical_name not in _STILLS


def _promised_seconds(stream: AudioStream) -> float:
    if stream.duration is None or stream.time_base is None:
        return 0.0
    return float(stream.duration * stream.time_base)


def _check_shape(frame: AudioFrame) -> None:
    _check_channels(frame.layout.nb_channels)
    if frame.sample_rate not in SAMPLE_RATES:
        raise AudioError(
            f"Its sample rate of {frame.sample_rate} Hz is outside "
            f"{SAMPLE_RATES.start} to {SAMPLE_RATES.stop - 1} Hz."
        )


def _check_channels(channels: int) -> None:
    if channels > MOST_CHANNELS:
        raise AudioError(f"It has {channels} channels. At most {MOST_CHANNELS} are accepted.")


def _raise_if_fatal(error: av.FFmpegError) -> None:
    """Running out of memory is no damage of the file."""
    if isinstance(error, MemoryError):
        raise error
