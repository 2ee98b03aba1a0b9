"""Recordings as they are heard: segments, transcodes and originals.

One ``Streaming`` serves a process, whichever protocol it speaks.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import msgspec
import structlog

from talas.audio.encoding_orders import TranscodeOrder, encoder_name
from talas.audio.renditions import Rendition, rendition_named
from talas.core.cache_files import Entry
from talas.core.disk_cache import CacheFull, DiskCache
from talas.core.errors import InvalidData, NotFound, StorageFull
from talas.core.storage import Storage, read_file
from talas.domains.streaming.access import Recording
from talas.domains.streaming.encoders import NICE_LATER, Encoders
from talas.domains.streaming.metrics import CACHE_HITS, CACHE_MISSES
from talas.domains.streaming.relays import Relay
from talas.domains.streaming.segments import SLOT_WAIT_S, Segments
from talas.domains.streaming.slots import EncoderSlots, cores
from talas.domains.streaming.spools import Spool
from talas.domains.streaming.transcodes import Wanted, order_of

log = structlog.get_logger()

LARGEST_SHARE = 0.5
"""Of the cache, that one transcode may take."""


class Transcode(msgspec.Struct, frozen=True):
    """``entry`` is the whole of it, where that is in the cache; None while it has to be made.
    ``etag`` names what comes out, byte for byte."""

    recording: Recording
    order: TranscodeOrder
    key: str
    etag: str
    entry: Entry | None


class Streaming:
    """What a process holds to serve sound: the storage, the cache, the encoders' places."""

    def __init__(self, storage: Storage, cache: DiskCache, *, encoders: int | None = None) -> None:
        """``encoders`` of a kind run at once on this machine: as many as there are cores."""
        count = encoders or cores()
        self.cache = cache
        self._encoders = Encoders(storage, cache)
        # Places of their own: a transcode may take minutes, and a segment is waited for.
        slots = EncoderSlots(cache.root, "segment", count)
        self._segments = Segments(cache, self._encoders, slots)
        self._transcode_slots = EncoderSlots(cache.root, "transcode", count)
        self._spools: dict[str, Spool] = {}
        self._relays: set[Relay] = set()
        self._forgetting: set[asyncio.Task[None]] = set()

    async def segment(self, recording: Recording, rendition: Rendition, number: int) -> bytes:
        """One segment, from the cache or made now; the two that follow are made ahead.

        Raises NotFound for one that the track does not have, EncodersBusy, EncodingFailed,
        StorageFull, and ObjectMissing where the original is lost.
        """
        return await self._segments.get(recording, rendition, number)

    async def transcode(self, recording: Recording, wanted: Wanted) -> Transcode:
        """For ``listen``; nothing is made before. Raises InvalidData for a start past the end and
        for what is too large to be made, NotFound for a track that is not ready."""
        index = await self._encoders.index(recording)
        order = order_of(recording, wanted, index)
        if order.most_bytes > self.cache.size * LARGEST_SHARE:
            raise InvalidData(
                f"As {wanted.format} this would take {order.most_bytes / 1e6:,.0f} MB, more than "
                "is made here; ask for a format that compresses, or for the original",
                code="transcode_too_large",
            )
        key = transcode_key(recording, order)
        if (spool := self._spools.get(key)) is not None:
            await spool.kept()
        entry = await asyncio.to_thread(self.cache.find, key)
        if entry is not None:
            CACHE_HITS.labels("transcode").inc()
        etag = f"{recording.content_hash.hex()[:32]}-{key.rpartition('/')[2]}"
        return Transcode(recording, order, key, etag, entry)

    async def listen(self, transcode: Transcode, user_id: int) -> AsyncGenerator[bytes, None]:
        """All its bytes, as they are made; to be closed by who begins.

        What has to be made takes one of the places of its user, see ``EncoderSlots``; who shares
        what another makes takes none. Before the first byte it raises EncodersBusy, EncodingFailed,
        StorageFull or ObjectMissing, after it StreamCut.
        """
        async with contextlib.aclosing(await self._source(transcode, user_id)) as chunks:
            try:
                async for chunk in chunks:
                    yield chunk
            except CacheFull:
                raise StorageFull("There is no room left to encode this") from None

    async def original(self, recording: Recording) -> Path:
        """A file on this machine that holds the original's bytes; see ``Encoders.original``."""
        return await self._encoders.original(recording)

    def forget(self, folder: str) -> None:
        """Of a track that is gone: what is being made of it is heard to its end, and not kept."""
        for key, spool in self._spools.items():
            if key.startswith(f"{folder}/"):
                spool.forgotten = True
        task = asyncio.create_task(self._forget(folder))
        self._forgetting.add(task)
        task.add_done_callback(self._forgetting.discard)

    async def close(self) -> None:
        """Ends every encoder; who listens to one is cut off."""
        await self._segments.close()
        await self._encoders.close()
        made: list[Spool | Relay] = [*self._spools.values(), *self._relays]
        for one in made:
            one.stop()
        tasks = {*(one.task for one in made), *self._forgetting}
        if tasks:
            await asyncio.wait(tasks)

    async def _source(self, transcode: Transcode, user_id: int) -> AsyncGenerator[bytes, None]:
        if transcode.entry is not None:
            return read_file(transcode.entry.path, 0, transcode.entry.size)
        CACHE_MISSES.labels("transcode").inc()
        if not await asyncio.to_thread(self._has_room):
            # Then it is not kept, and goes at the pace of who listens.
            relay = Relay(self._encode(transcode, user_id))
            self._relays.add(relay)
            relay.task.add_done_callback(lambda _: self._relays.discard(relay))
            return relay.listen()
        return self._spool(transcode, user_id).listen()

    def _spool(self, transcode: Transcode, user_id: int) -> Spool:
        before = self._spools.get(transcode.key)
        if before is not None and before.is_open:
            return before
        work = partial(self._encode, transcode, user_id)
        spool = Spool(self.cache, transcode.key, work, before=before)
        self._spools[transcode.key] = spool
        spool.task.add_done_callback(lambda _: self._drop(spool))
        return spool

    def _drop(self, spool: Spool) -> None:
        if self._spools.get(spool.key) is spool:
            del self._spools[spool.key]

    async def _encode(self, transcode: Transcode, user_id: int) -> AsyncGenerator[bytes, None]:
        # Before a place is taken: an encoder that waits for a download is one that does nothing.
        await self._encoders.original(transcode.recording)
        run = self._encoders.run(transcode.recording, transcode.order, niceness=NICE_LATER)
        slot = self._transcode_slots.slot(SLOT_WAIT_S, user_id=user_id)
        async with slot, contextlib.aclosing(run) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _forget(self, folder: str) -> None:
        await self._segments.wait_below(folder)
        await self._encoders.wait_below(folder)
        await asyncio.to_thread(self.cache.forget, folder)

    def _has_room(self) -> bool:
        try:
            self.cache.check()
        except CacheFull:
            return False
        except OSError as error:
            log.warning("cache.unusable", error=str(error))
            return False
        return True


def rendition_of(recording: Recording, name: str) -> Rendition:
    """Raises NotFound for one that the track does not have."""
    rendition = rendition_named(recording.analysed(), name)
    if rendition is None:
        raise NotFound("The track has no such rendition")
    return rendition


def transcode_key(recording: Recording, order: TranscodeOrder) -> str:
    """Where a transcode lies in the cache: its name says all that its bytes depend on."""
    audio = recording.analysed()
    parts = (order.format, order.bitrate, f"{order.gain_db:+.2f}dB", order.start)
    name = "-".join(map(str, (*parts, encoder_name(), audio.samples)))
    return f"{recording.folder}/stream/{name}"
