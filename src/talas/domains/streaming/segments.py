"""Segments of HLS: each made once, on its own, and the next ones before they are asked for."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from contextlib import aclosing, nullcontext, suppress
from functools import partial

import structlog

from talas.audio.encoding_orders import encoder_name, segment_order
from talas.audio.renditions import Rendition, segment_count
from talas.core.disk_cache import CacheFull, DiskCache, Draft, take_draft
from talas.core.errors import NotFound, TalasError
from talas.core.storage import ObjectMissing, in_thread
from talas.domains.streaming.access import Recording
from talas.domains.streaming.encoders import NICE_LATER, NICE_NOW, Encoders
from talas.domains.streaming.flights import Flight, Flights
from talas.domains.streaming.metrics import CACHE_HITS, CACHE_MISSES
from talas.domains.streaming.slots import EncoderSlots

SLOT_WAIT_S = 5.0
AHEAD = 2
"""So many segments are made after one that was asked for."""

_MOST_PENDING = 32
_LOOK_EVERY_S = 0.02

log = structlog.get_logger()

_Begin = Callable[[], Flight[bytes]]


class Segments:
    """For all listeners of this process, beside other processes of the machine."""

    def __init__(self, cache: DiskCache, encoders: Encoders, slots: EncoderSlots) -> None:
        self._cache = cache
        self._encoders = encoders
        self._slots = slots
        self._flights: Flights[bytes] = Flights()
        self._pending: OrderedDict[str, tuple[Recording, _Begin]] = OrderedDict()
        self._ahead: asyncio.Task[None] | None = None

    async def get(self, recording: Recording, rendition: Rendition, number: int) -> bytes:
        """Raises NotFound for one that the track does not have, EncodersBusy, EncodingFailed, and
        what ``Encoders.run`` raises."""
        count = _count(recording, number)
        key = segment_key(recording, rendition, number)
        data = await asyncio.to_thread(self._cache.read, key)
        (CACHE_MISSES if data is None else CACHE_HITS).labels("segment").inc()
        if data is None:
            data = await self._flights.join(
                key, partial(self._make, recording, rendition, number, urgent=True)
            )
        for following in range(number + 1, min(number + 1 + AHEAD, count)):
            self._look_ahead(recording, rendition, following)
        return data

    async def wait_below(self, folder: str) -> None:
        """Until nothing is being made any more for that folder of the cache."""
        await self._flights.wait_below(folder)

    async def close(self) -> None:
        self._pending.clear()
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.wait({self._ahead})
        await self._flights.close()

    async def _make(
        self, recording: Recording, rendition: Rendition, number: int, *, urgent: bool
    ) -> bytes:
        key = segment_key(recording, rendition, number)
        try:
            draft = await take_draft(self._cache, key)
            while draft is None:
                # Another process makes it. Should that one die, this one takes over.
                await asyncio.sleep(_LOOK_EVERY_S)
                draft = await take_draft(self._cache, key)
        except OSError as error:
            log.warning("cache.unusable", error=str(error))
            return await self._encode(recording, rendition, number, urgent=urgent)
        with draft:
            data = await asyncio.to_thread(self._cache.read, key)
            if data is None:
                data = await self._encode(recording, rendition, number, urgent=urgent)
                await in_thread(_keep, draft, data)
            return data

    async def _encode(
        self, recording: Recording, rendition: Rendition, number: int, *, urgent: bool
    ) -> bytes:
        # Before a place is taken: an encoder that waits for a download is one that does nothing.
        await self._encoders.original(recording)
        index = await self._encoders.index(recording)
        order = segment_order(recording.analysed(), rendition, number, index)
        niceness = NICE_NOW if urgent else NICE_LATER
        run = self._encoders.run(recording, order, niceness=niceness)
        # Who works ahead has a place already.
        slot = self._slots.slot(SLOT_WAIT_S, on_wait=self._make_way) if urgent else nullcontext()
        async with slot, aclosing(run) as chunks:
            return b"".join([chunk async for chunk in chunks])

    def _look_ahead(self, recording: Recording, rendition: Rendition, number: int) -> None:
        key = segment_key(recording, rendition, number)
        if key in self._pending or key in self._flights or self._cache.find(key) is not None:
            return
        work = partial(self._make, recording, rendition, number, urgent=False)
        self._pending[key] = recording, partial(self._flights.begin, key, work)
        if len(self._pending) > _MOST_PENDING:
            self._pending.popitem(last=False)
        if self._ahead is None or self._ahead.done():
            self._ahead = asyncio.create_task(self._work_ahead())

    async def _work_ahead(self) -> None:
        """One after the other: a second encoder would be one that a listener waits for."""
        while self._pending:
            key, (recording, begin) = self._pending.popitem(last=False)
            # What fails here fails again, and is told, where a listener waits for it.
            with suppress(TalasError, ObjectMissing, OSError):
                await self._encoders.original(recording)
                async with self._slots.spare_slot():
                    if key not in self._flights:
                        await asyncio.wait({begin().task})

    def _make_way(self) -> None:
        self._pending.clear()
        self._flights.drop_unwanted()


def _count(recording: Recording, number: int) -> int:
    """How many the track has. Raises NotFound where that one is not among them."""
    audio = recording.analysed()
    count = segment_count(audio.samples, audio.sample_rate)
    if not 0 <= number < count:
        raise NotFound("The track has no such segment")
    return count


def segment_key(recording: Recording, rendition: Rendition, number: int) -> str:
    """Where a segment lies in the cache; it names the bytes, which need not be made for it.
    Another length, by a later analysis, ends otherwise. Raises NotFound for one that the track does
    not have."""
    _count(recording, number)
    audio = recording.analysed()
    made = f"{rendition.name}-{encoder_name()}-{audio.samples}"
    return f"{recording.folder}/{made}/{number}.m4s"


def _keep(draft: Draft, data: bytes) -> None:
    """A cache without room, or one that has gone, is no reason not to serve what was made."""
    try:
        draft.append(data)
        draft.publish()
    except CacheFull:
        log.warning("cache.no_room", key=draft.key, size=len(data))
    except OSError as error:
        log.warning("cache.unusable", error=str(error))
