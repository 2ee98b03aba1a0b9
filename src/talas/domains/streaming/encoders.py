"""Encoders at work: what they are given, what they may take, and what becomes of their failures."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import structlog

from talas.audio.encoding_orders import Order, SegmentOrder, TranscodeOrder
from talas.audio.encoding_process import MODULE, Limits, encode
from talas.audio.errors import AudioError
from talas.audio.renditions import SEGMENT_SAMPLES
from talas.audio.seeking import SeekIndex
from talas.audio.standby import Standby
from talas.core.disk_cache import CacheFull, DiskCache, take_draft
from talas.core.errors import StorageFull
from talas.core.objects import ORIGINAL
from talas.core.storage import ObjectMissing, Storage, in_thread
from talas.domains.streaming.access import Recording
from talas.domains.streaming.errors import EncodingFailed
from talas.domains.streaming.flights import Flights
from talas.domains.streaming.metrics import ENCODERS, ENCODING_SECONDS, ENCODINGS
from talas.domains.tracks.objects import SEEK_INDEX, sibling

MEMORY_BYTES = 512 * 2**20
NICE_NOW, NICE_LATER = 2, 10
_LARGEST_SEGMENT = 8 * 2**20
_LEAST_CPU_S = 20.0
# Twelve hours of stereo decode within 120 s, and encode within the hour.
_CPU_PER_SECOND_DECODED = 1 / 200
_CPU_PER_SECOND_ENCODED = 1 / 8
_WALL_PER_CPU = 4.0
_INDEXES_KEPT = 16
NO_INDEX_FOR_S = 60.0
"""Then it is looked for again: the track may have been analysed anew."""

log = structlog.get_logger()


class Encoders:
    """Runs orders on recordings. What lies in a remote storage is brought to the cache first."""

    def __init__(self, storage: Storage, cache: DiskCache) -> None:
        self._storage = storage
        self._cache = cache
        self._standby = Standby(MODULE)
        self._fetches: Flights[Path | None] = Flights()
        self._indexes: OrderedDict[str, tuple[SeekIndex | None, float]] = OrderedDict()

    async def run(
        self, recording: Recording, order: Order, *, niceness: int
    ) -> AsyncGenerator[bytes, None]:
        """What the order asks for, in chunks; to be closed by who begins. Raises EncodingFailed,
        ObjectMissing where the original is lost, StorageFull where it finds no room."""
        kind = "segment" if isinstance(order, SegmentOrder) else "transcode"
        path = await self.original(recording)
        began, outcome = time.monotonic(), "stopped"
        ENCODERS.labels(kind).inc()
        try:
            async with contextlib.aclosing(
                encode(path, order, limits_of(order, niceness), self._standby)
            ) as chunks:
                async for chunk in chunks:
                    yield chunk
            outcome = "done"
        except AudioError as error:
            outcome = "failed"
            log.warning(
                "encoding.failed",
                track_id=recording.track_id,
                kind=kind,
                reason=error.reason,
                detail=error.detail,
            )
            raise EncodingFailed from error
        except FileNotFoundError as error:
            raise ObjectMissing(recording.storage_key) from error
        finally:
            ENCODERS.labels(kind).dec()
            ENCODINGS.labels(kind, outcome).inc()
            ENCODING_SECONDS.labels(kind).inc(time.monotonic() - began)

    async def original(self, recording: Recording) -> Path:
        """A file on this machine that holds the original's bytes. Raises ObjectMissing where it is
        lost (of local files that shows when they are opened), StorageFull."""
        local = self._storage.local_path(recording.storage_key)
        if local is not None:
            return local
        key = f"{recording.folder}/{ORIGINAL}"
        while (entry := await asyncio.to_thread(self._cache.find, key)) is None:
            # What has been fetched and is gone again has been forgotten: its track is no more.
            if path := await self._fetches.join(key, partial(self._fetch, key, recording)):
                return path
        return entry.path

    async def index(self, recording: Recording) -> SeekIndex | None:
        """None for tracks that were analysed before there was one."""
        key = sibling(recording.storage_key, SEEK_INDEX)
        index, until = self._indexes.get(key, (None, 0.0))
        if index is None and time.monotonic() >= until:
            with contextlib.suppress(ObjectMissing, ValueError):
                index = SeekIndex(await self._storage.read(key))
            self._indexes[key] = index, time.monotonic() + NO_INDEX_FOR_S
        self._indexes.move_to_end(key)
        while len(self._indexes) > _INDEXES_KEPT:
            self._indexes.popitem(last=False)
        return index

    async def wait_below(self, folder: str) -> None:
        """Until no original is being fetched any more into that folder of the cache."""
        await self._fetches.wait_below(folder)

    async def close(self) -> None:
        await self._fetches.close()
        await self._standby.close()

    async def _fetch(self, key: str, recording: Recording) -> Path | None:
        """None where another process is at it."""
        try:
            draft = await take_draft(self._cache, key)
        except OSError as error:
            log.warning("cache.unusable", error=str(error))
            raise StorageFull("There is no room left to encode this") from None
        if draft is None:
            await asyncio.sleep(0.05)
            return None
        chunks = self._storage.read_range(recording.storage_key, 0, recording.size)
        with draft:
            try:
                async with contextlib.aclosing(chunks):
                    async for chunk in chunks:
                        await in_thread(draft.append, chunk)
            except CacheFull:
                raise StorageFull("There is no room left to encode this") from None
            return await in_thread(draft.publish)


def limits_of(order: Order, niceness: int) -> Limits:
    track = order.track
    if isinstance(order, TranscodeOrder):
        first, seconds = order.start, (track.samples - order.start) / track.sample_rate
        most_bytes = order.most_bytes * 5 // 4 + 2**20
    else:
        rate = order.rendition.sample_rate
        first, seconds = order.number * SEGMENT_SAMPLES * track.sample_rate // rate, 0.0
        most_bytes = _LARGEST_SEGMENT
    # Where the index misleads, all before is decoded, just as where there is none.
    cpu_s = _LEAST_CPU_S
    cpu_s += first / track.sample_rate * _CPU_PER_SECOND_DECODED + seconds * _CPU_PER_SECOND_ENCODED
    return Limits(
        cpu_s=cpu_s,
        wall_s=cpu_s * _WALL_PER_CPU,
        memory_bytes=MEMORY_BYTES,
        output_bytes=most_bytes,
        niceness=niceness,
    )
