"""What is kept of what was made, and where: a storage elsewhere, a full disk, a cache that goes."""

import asyncio
import contextlib
import os
import shutil
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import av
import pytest
from obstore.store import MemoryStore
from tests.builders.recordings import (
    CACHE_SIZE,
    KEY,
    RATE,
    SECONDS,
    USER,
    heard,
    kept,
    running,
    until,
)
from tests.disks import small_disk

from talas.core.disk_cache import DRAFTS, DiskCache, Draft
from talas.core.errors import StorageFull
from talas.core.file_lock import FileLock
from talas.core.storage import Storage
from talas.domains.streaming.access import Recording
from talas.domains.streaming.segments import segment_key
from talas.domains.streaming.service import Streaming, rendition_of
from talas.domains.streaming.transcodes import Wanted

__all__ = ["small_disk"]


async def test_an_original_elsewhere_is_fetched_once(
    cache: DiskCache, recording: Recording, sound: bytes
) -> None:
    remote = Storage(MemoryStore(), None)
    await remote.put(KEY, sound)
    async with running(remote, cache) as streaming:
        rendition = rendition_of(recording, "flac")
        both = (streaming.segment(recording, rendition, number) for number in (1, 3))
        assert all(await asyncio.gather(*both))
        assert "original" in kept(cache)
        await remote.delete(KEY)
        assert await streaming.segment(recording, rendition, 0)
        assert (await streaming.original(recording)).read_bytes() == sound


class SlowStorage(Storage):
    """Elsewhere; reading gets through once ``open`` is set."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(), None)
        self.reading, self.open = asyncio.Event(), asyncio.Event()

    async def read_range(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        self.reading.set()
        await self.open.wait()
        async with contextlib.aclosing(super().read_range(key, start, end)) as chunks:
            async for chunk in chunks:
                yield chunk


@pytest.mark.parametrize("kind", ["segment", "transcode"])
async def test_no_place_is_held_while_an_original_is_fetched(
    cache: DiskCache, recording: Recording, sound: bytes, kind: str
) -> None:
    remote = SlowStorage()
    await remote.put(KEY, sound)
    async with running(remote, cache, encoders=1) as streaming:
        wanted = Wanted(format="mp3", bitrate=64)
        work = (
            streaming.segment(recording, rendition_of(recording, "aac64"), 4)
            if kind == "segment"
            else heard(streaming, recording, wanted)
        )
        waiting = asyncio.create_task(work)
        await remote.reading.wait()
        place = FileLock(cache.root / f"{kind}-0.lock")
        assert place.try_exclusive()
        place.release()
        remote.open.set()
        assert await waiting


async def test_an_original_that_comes_late_is_forgotten_too(
    cache: DiskCache, recording: Recording, sound: bytes
) -> None:
    """Its track is deleted while it is being fetched."""
    remote = SlowStorage()
    await remote.put(KEY, sound)
    async with running(remote, cache) as streaming:
        fetching = asyncio.create_task(streaming.original(recording))
        await remote.reading.wait()
        streaming.forget(recording.folder)
        await asyncio.sleep(0)
        remote.open.set()
        await fetching
        await until(lambda: kept(cache) == [] == os.listdir(cache.root / DRAFTS))


async def test_a_full_disk_keeps_nothing_and_serves_all(
    storage: Storage, small_disk: Path, recording: Recording
) -> None:
    cache = DiskCache(small_disk / "cache", CACHE_SIZE)
    (small_disk / "other").write_bytes(bytes(5_000_000))
    async with running(storage, cache) as streaming:
        assert await streaming.segment(recording, rendition_of(recording, "aac64"), 0)
        transcode = await streaming.transcode(recording, Wanted(format="wav", bitrate=0))
        content = b"".join([chunk async for chunk in streaming.listen(transcode, USER)])
        assert len(content) == SECONDS * RATE * 4 + 44
    assert kept(cache) == []
    assert os.listdir(cache.root / DRAFTS) == []


async def test_a_segment_is_the_same_whoever_made_it(
    streaming: Streaming, recording: Recording, cache: DiskCache
) -> None:
    rendition = rendition_of(recording, "aac128")
    first = await streaming.segment(recording, rendition, 3)
    await asyncio.to_thread(cache.clear)
    for number in (2, 3):
        again = await streaming.segment(recording, rendition, number)
    assert again == first


async def test_what_was_forgotten_does_not_come_back(
    streaming: Streaming, recording: Recording, cache: DiskCache
) -> None:
    transcode = await streaming.transcode(recording, Wanted(format="mp3", bitrate=64))
    listening = streaming.listen(transcode, USER)
    content = await anext(listening)
    streaming.forget(recording.folder)
    content += b"".join([chunk async for chunk in listening])
    assert len(content) == pytest.approx(SECONDS * 8000, rel=0.02)
    await until(lambda: os.listdir(cache.root / DRAFTS) == [])
    assert kept(cache) == []


@pytest.mark.parametrize("left", [[DRAFTS], [], None], ids=["drafts", "empty", "nothing"])
async def test_a_cache_emptied_by_hand_is_filled_again(
    streaming: Streaming, recording: Recording, cache: DiskCache, left: list[str] | None
) -> None:
    rendition = rendition_of(recording, "aac64")
    wanted = Wanted(format="wav", bitrate=0)
    assert await streaming.segment(recording, rendition, 4)
    for path in cache.root.iterdir():
        if path.name not in (left or []):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if left is None:
        cache.root.rmdir()
    assert len(await heard(streaming, recording, wanted)) == SECONDS * RATE * 4 + 44
    assert await streaming.segment(recording, rendition, 4)
    assert len(kept(cache)) == 2
    assert (await streaming.transcode(recording, wanted)).entry is not None


async def test_without_a_cache_all_is_served_and_nothing_kept(
    streaming: Streaming, recording: Recording, cache: DiskCache
) -> None:
    shutil.rmtree(cache.root)
    cache.root.write_bytes(b"")
    assert await streaming.segment(recording, rendition_of(recording, "aac64"), 4)
    content = await heard(streaming, recording, Wanted(format="wav", bitrate=0))
    assert len(content) == SECONDS * RATE * 4 + 44


async def test_without_a_cache_what_lies_elsewhere_cannot_be_encoded(
    cache: DiskCache, recording: Recording, sound: bytes
) -> None:
    remote = Storage(MemoryStore(), None)
    await remote.put(KEY, sound)
    async with running(remote, cache) as streaming:
        shutil.rmtree(cache.root)
        cache.root.write_bytes(b"")
        with pytest.raises(StorageFull):
            await streaming.segment(recording, rendition_of(recording, "aac64"), 4)


async def test_a_cache_that_goes_meanwhile_cuts_nobody_off(
    streaming: Streaming, recording: Recording, cache: DiskCache
) -> None:
    transcode = await streaming.transcode(recording, Wanted(format="wav", bitrate=0))
    async with contextlib.aclosing(streaming.listen(transcode, USER)) as chunks:
        content = await anext(chunks)
        shutil.rmtree(cache.root)
        content += b"".join([chunk async for chunk in chunks])
    assert len(content) == SECONDS * RATE * 4 + 44


async def test_who_listens_does_not_wait_for_the_disk(
    streaming: Streaming, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, publish = threading.Event(), Draft.publish

    def publish_later(draft: Draft) -> Path:
        assert done.wait(60)
        return publish(draft)

    monkeypatch.setattr(Draft, "publish", publish_later)
    wanted = Wanted(format="wav", bitrate=0)
    try:
        async with asyncio.timeout(30):
            content = await heard(streaming, recording, wanted)
        assert len(content) == SECONDS * RATE * 4 + 44
        # Who comes next finds it with a length.
        next_one = asyncio.create_task(streaming.transcode(recording, wanted))
        await asyncio.sleep(0)
    finally:
        done.set()
    entry = (await next_one).entry
    assert entry is not None
    assert entry.path.read_bytes() == content


async def test_what_is_kept_names_its_encoder(
    streaming: Streaming, recording: Recording, cache: DiskCache
) -> None:
    """Another FFmpeg encodes to other bytes, which must not be taken for these."""
    version = f"av{av.__version__}-"
    assert version in segment_key(recording, rendition_of(recording, "aac64"), 0)
    transcode = await streaming.transcode(recording, Wanted(format="mp3", bitrate=64))
    assert version in transcode.key
    assert version in transcode.etag
