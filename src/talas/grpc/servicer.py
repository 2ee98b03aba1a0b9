"""The calls of ``talas.v1.AudioStream``: parse, ask a domain, answer."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from grpc.aio import ServicerContext

from talas.audio.dat import read_header
from talas.core.database import Database
from talas.core.errors import NotFound, RangeNotSatisfiable
from talas.core.storage import Storage
from talas.domains.streaming.access import Recording, load_recording
from talas.domains.streaming.service import Streaming
from talas.domains.streaming.transcodes import Wanted
from talas.domains.tracks import access
from talas.domains.tracks.objects import WAVEFORM_DAT, sibling
from talas.domains.tracks.service import as_track
from talas.grpc.calls import Calls
from talas.grpc.messages import as_message, as_peaks, read_points, read_stream_request
from talas.grpc.metrics import SENT_BYTES
from talas.v1 import audio_stream_pb2 as pb
from talas.v1.audio_stream_pb2_grpc import AudioStreamServicer

CHUNK = 64 * 1024
Chunks = AsyncGenerator[bytes, None]


class AudioStream(AudioStreamServicer):
    def __init__(self, calls: Calls, db: Database, storage: Storage, streaming: Streaming) -> None:
        self._calls = calls
        self._db = db
        self._storage = storage
        self._streaming = streaming

    async def GetTrack(  # noqa: N802, as the protocol names it
        self, request: pb.GetTrackRequest, context: ServicerContext
    ) -> pb.Track:
        async with self._calls.answering("GetTrack", context) as call:
            async with self._db.connection() as conn:
                row = await access.load_track(conn, call.actor.user_id, request.track_id)
            return as_message(as_track(row))

    async def Waveform(  # noqa: N802
        self, request: pb.WaveformRequest, context: ServicerContext
    ) -> pb.Peaks:
        async with self._calls.answering("Waveform", context) as call:
            points = read_points(request)
            async with self._db.connection() as conn:
                track = await access.load_media(conn, call.actor.user_id, request.track_id)
            if track.status != "ready":
                raise NotFound("The track has no waveform yet", code="not_ready")
            dat = await self._storage.read(sibling(track.storage_key, WAVEFORM_DAT))
            if points < read_header(dat).length:
                dat = await asyncio.to_thread(_merge, dat, points)
            return as_peaks(dat)

    async def Stream(  # noqa: N802
        self, request: pb.StreamRequest, context: ServicerContext
    ) -> None:
        async with self._calls.answering("Stream", context) as call:
            wanted = read_stream_request(request)
            async with self._db.connection() as conn:
                recording = await load_recording(conn, call.actor.user_id, request.track_id)
            with self._calls.streaming(call):
                info, chunks = await self._open(
                    recording, wanted, request.offset, call.actor.user_id
                )
                async with contextlib.aclosing(chunks), contextlib.aclosing(_cut(chunks)) as parts:
                    first = pb.AudioChunk(data=await anext(parts, b""), info=info)
                    await call.send(first)
                    SENT_BYTES.inc(len(first.data))
                    async for part in parts:
                        await call.send(pb.AudioChunk(data=part))
                        SENT_BYTES.inc(len(part))

    async def _open(
        self, recording: Recording, wanted: Wanted | None, offset: int, user_id: int
    ) -> tuple[pb.StreamInfo, Chunks]:
        """What it is, and its bytes from the offset on."""
        if wanted is None:
            info = pb.StreamInfo(
                media_type=recording.media_type,
                size=recording.size,
                etag=recording.content_hash.hex(),
            )
            _check_offset(offset, recording.size)
            key = recording.storage_key
            return info, self._storage.read_range(key, offset, recording.size)
        transcode = await self._streaming.transcode(recording, wanted)
        size = None if transcode.entry is None else transcode.entry.size
        if size is not None:
            _check_offset(offset, size)
        info = pb.StreamInfo(media_type=wanted.kind.media_type, size=size, etag=transcode.etag)
        return info, _skip(self._streaming.listen(transcode, user_id), offset)


async def _skip(chunks: Chunks, offset: int) -> Chunks:
    """Without the first ``offset`` bytes. Raises RangeNotSatisfiable where there are fewer."""
    passed = 0
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            if passed >= offset:
                yield chunk
            elif passed + len(chunk) > offset:
                yield chunk[offset - passed :]
            passed += len(chunk)
    _check_offset(offset, passed)


async def _cut(chunks: Chunks) -> Chunks:
    """In parts that a message holds."""
    async for chunk in chunks:
        for start in range(0, len(chunk), CHUNK):
            yield chunk[start : start + CHUNK]


def _check_offset(offset: int, size: int) -> None:
    if offset > size:
        raise RangeNotSatisfiable(size)


def _merge(dat: bytes, points: int) -> bytes:
    # With numpy, which takes 30 MiB: a process that is never asked for fewer points does without.
    from talas.audio import waveform

    return waveform.to_dat(waveform.from_dat(dat).merge(points))
