"""Recordings without a database, and what serves them in this very process."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable
from typing import Any

import psutil
from tests.builders.streaming import encoders_of

from talas.audio.renditions import TrackAudio
from talas.core.disk_cache import ENTRIES, CacheFull, DiskCache
from talas.core.storage import Storage
from talas.domains.streaming.access import Recording
from talas.domains.streaming.service import Streaming
from talas.domains.streaming.transcodes import Wanted

RATE, SECONDS = 44100, 20
KEY = f"tracks/{'0123456789abcdef' * 2}/original"
USER, OTHER = 1, 2
CACHE_SIZE = 64 * 2**20


def make_recording(size: int, **changed: Any) -> Recording:
    audio = {
        "container": "wav",
        "codec": "pcm_s16le",
        "bitrate": RATE * 32,
        "sample_rate": RATE,
        "channels": 2,
        "samples": SECONDS * RATE,
    }
    return Recording(
        track_id=1,
        title="Sweep",
        visibility="public",
        status="ready",
        container="wav",
        media_type="audio/wav",
        content_hash=bytes(32),
        size=size,
        storage_key=KEY,
        created_at=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        analysed_at=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        audio=TrackAudio(**{**audio, **changed}),
        loudness_lufs=-20.0,
        peak_dbtp=-12.0,
    )


@contextlib.asynccontextmanager
async def running(
    storage: Storage, cache: DiskCache, *, encoders: int | None = None
) -> AsyncIterator[Streaming]:
    made = Streaming(storage, cache, encoders=encoders)
    try:
        yield made
    finally:
        await made.close()
        assert our_encoders() == []


def our_encoders() -> list[psutil.Process]:
    """Those at work, without those of servers that this process has started."""
    return encoders_of(psutil.Process(), recursive=False)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def kept(cache: DiskCache) -> list[str]:
    folder = cache.root / ENTRIES
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def heard(streaming: Streaming, recording: Recording, wanted: Wanted) -> bytes:
    transcode = await streaming.transcode(recording, wanted)
    return b"".join([chunk async for chunk in streaming.listen(transcode, USER)])


def full(_: DiskCache) -> None:
    raise CacheFull
