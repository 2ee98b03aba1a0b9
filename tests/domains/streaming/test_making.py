"""What makes sound to be heard: one maker for all who ask, its places, its end."""

import asyncio
import contextlib
import io
import os
import subprocess
import sys

import av
import msgspec
import psutil
import pytest
from tests.builders.recordings import (
    CACHE_SIZE,
    KEY,
    OTHER,
    RATE,
    USER,
    full,
    kept,
    make_recording,
    our_encoders,
    running,
    until,
)
from tests.builders.streaming import waiting_encoders_of

from talas.audio.encoding_orders import segment_order
from talas.audio.renditions import segment_count
from talas.audio.seeking import SeekIndexBuilder, SeekPoint
from talas.audio.stream_formats import wav_header
from talas.core.disk_cache import DRAFTS, DiskCache
from talas.core.file_lock import FileLock
from talas.core.storage import Storage
from talas.domains.streaming import encoders, segments, service
from talas.domains.streaming.access import Recording
from talas.domains.streaming.errors import EncodersBusy, EncodingFailed, StreamCut
from talas.domains.streaming.segments import segment_key
from talas.domains.streaming.service import Streaming, rendition_of
from talas.domains.streaming.transcodes import Wanted, order_of
from talas.domains.tracks.objects import SEEK_INDEX, sibling

SLOW_SECONDS, SLOW_SEGMENT = 3600, 600
LONG_SAMPLES = 1800 * 8000
LONG = make_recording(
    44 + 2 * LONG_SAMPLES, sample_rate=8000, channels=1, samples=LONG_SAMPLES, bitrate=128_000
)


@pytest.fixture
async def slow(storage: Storage) -> Recording:
    """Without an index all before a segment has to be decoded, frame by small frame: for as long as
    any test needs to find its encoder."""
    with io.BytesIO() as file:
        options = {"write_xing": "0", "id3v2_version": "0", "write_id3v1": "0"}
        with av.open(file, "w", format="mp3", options=options) as media:
            track = media.add_stream("libmp3lame", rate=8000, bit_rate=8000, layout="mono")
            frame = av.AudioFrame("s16p", "mono", 5760)
            frame.sample_rate = 8000
            frame.planes[0].update(bytes(2 * 5760))
            media.mux(track.encode(frame))
            media.mux(track.encode(None))
        frames = file.getvalue()
    content = frames * (SLOW_SECONDS * 1000 // len(frames))
    await storage.put(KEY, content)
    return make_recording(
        len(content),
        container="mp3",
        codec="mp3float",
        bitrate=8000,
        sample_rate=8000,
        channels=1,
        samples=SLOW_SECONDS * 8000,
    )


async def suspended_encoder() -> psutil.Process:
    """The one that runs, which does not end from now on unless it is killed or resumed."""
    await until(lambda: len(our_encoders()) == 1)
    [encoder] = our_encoders()
    encoder.suspend()
    return encoder


async def test_who_leaves_leaves_the_others_their_segment(
    streaming: Streaming, slow: Recording
) -> None:
    rendition = rendition_of(slow, "aac64")
    first, second = (
        asyncio.create_task(streaming.segment(slow, rendition, SLOW_SEGMENT)) for _ in range(2)
    )
    encoder = await suspended_encoder()
    first.cancel()
    await asyncio.wait({first})
    encoder.resume()
    assert await second
    assert first.cancelled()


async def test_what_nobody_waits_for_is_not_made(
    streaming: Streaming, slow: Recording, cache: DiskCache
) -> None:
    rendition = rendition_of(slow, "aac64")
    waiting = asyncio.create_task(streaming.segment(slow, rendition, SLOW_SEGMENT))
    await suspended_encoder()
    waiting.cancel()
    await until(lambda: our_encoders() == [])
    await until(lambda: os.listdir(cache.root / DRAFTS) == [])
    assert kept(cache) == []
    assert await streaming.segment(slow, rendition, 0)


async def test_an_encoder_that_dies_is_told_and_the_next_one_works(
    streaming: Streaming, slow: Recording, cache: DiskCache
) -> None:
    rendition = rendition_of(slow, "aac64")
    waiting = asyncio.create_task(streaming.segment(slow, rendition, SLOW_SEGMENT))
    (await suspended_encoder()).kill()
    with pytest.raises(EncodingFailed):
        await waiting
    assert kept(cache) == []
    assert await streaming.segment(slow, rendition, 0)


async def test_a_maker_of_another_process_that_dies_frees_who_waits(
    streaming: Streaming, recording: Recording, cache: DiskCache
) -> None:
    rendition = rendition_of(recording, "aac64")
    key = segment_key(recording, rendition, 4)
    program = f"""
from pathlib import Path
from talas.core.disk_cache import DiskCache
draft = DiskCache(Path({str(cache.root)!r}), {CACHE_SIZE}).draft({key!r})
print("ready", flush=True)
input()
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe) as maker:
        assert maker.stdout is not None
        maker.stdout.readline()
        waiting = asyncio.create_task(streaming.segment(recording, rendition, 4))
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        assert our_encoders() == []
        maker.kill()
        assert await waiting


async def test_work_ahead_makes_way(storage: Storage, cache: DiskCache, slow: Recording) -> None:
    """With one place, which is taken by what nobody waits for yet."""
    async with running(storage, cache, encoders=1) as streaming:
        await streaming.segment(slow, rendition_of(slow, "aac64"), SLOW_SEGMENT)
        ahead = await suspended_encoder()
        last = segment_count(SLOW_SECONDS * 8000, 8000) - 1
        await streaming.segment(slow, rendition_of(slow, "aac64"), last)
        assert not ahead.is_running()
        assert f"{SLOW_SEGMENT + 1}.m4s" not in kept(cache)


async def test_who_finds_no_place_in_time_is_told(
    storage: Storage, cache: DiskCache, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segments, "SLOT_WAIT_S", 0.1)
    monkeypatch.setattr(service, "SLOT_WAIT_S", 0.1)
    async with running(storage, cache, encoders=1) as streaming:
        places = [FileLock(cache.root / f"{kind}-0.lock") for kind in ("segment", "transcode")]
        assert all(place.try_exclusive() for place in places)
        rendition = rendition_of(recording, "aac64")
        with pytest.raises(EncodersBusy):
            await streaming.segment(recording, rendition, 0)
        transcode = await streaming.transcode(recording, Wanted(format="wav", bitrate=0))
        with pytest.raises(EncodersBusy):
            await anext(streaming.listen(transcode, USER))
        for place in places:
            place.release()
        assert await streaming.segment(recording, rendition, 0)
        assert await anext(streaming.listen(transcode, USER))


@pytest.mark.parametrize(
    ("loudness", "peak", "wanted", "gain"),
    [
        (-20.0, -12.0, -14.0, 6.0),
        (-20.0, -12.0, None, 0.0),
        (-20.0, -3.0, -14.0, 2.0),
        (-9.0, 0.5, -9.0, -1.5),
        (-9.0, -0.333, -9.0, -0.67),
        (-60.0, -50.0, -20.0, 40.0),
        (None, None, -14.0, 0.0),
    ],
)
def test_the_gain_that_is_asked_for_stops_at_the_peak(
    recording: Recording,
    loudness: float | None,
    peak: float | None,
    wanted: float | None,
    gain: float,
) -> None:
    measured = msgspec.structs.replace(recording, loudness_lufs=loudness, peak_dbtp=peak)
    order = order_of(measured, Wanted(format="wav", bitrate=0, loudness=wanted), None)
    assert order.gain_db == pytest.approx(gain, abs=0.011)
    assert peak is None or wanted is None or peak + order.gain_db <= -1


async def test_an_index_that_is_missing_is_looked_for_now_and_then(
    streaming: Streaming,
    recording: Recording,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An analysis may bring it at any time."""
    maker = encoders.Encoders(storage, streaming.cache)
    assert await maker.index(recording) is None
    await storage.put(sibling(KEY, SEEK_INDEX), SeekIndexBuilder().to_bytes())
    assert await maker.index(recording) is None
    monkeypatch.setattr(encoders, "NO_INDEX_FOR_S", 0.0)
    other = encoders.Encoders(storage, streaming.cache)
    await storage.delete(sibling(KEY, SEEK_INDEX))
    assert await other.index(recording) is None
    await storage.put(sibling(KEY, SEEK_INDEX), SeekIndexBuilder().to_bytes())
    assert await other.index(recording) is not None


def test_an_index_that_misleads_may_cost_what_none_does(recording: Recording) -> None:
    hours = msgspec.structs.replace(recording.analysed(), samples=3 * 3600 * RATE)
    long = msgspec.structs.replace(recording, audio=hours)
    plain = segment_order(hours, rendition_of(long, "aac64"), 2000, None)
    point = SeekPoint(0, 0, None)
    misled = msgspec.structs.replace(plain, points=(point, point))
    assert encoders.limits_of(misled, 0) == encoders.limits_of(plain, 0)
    assert encoders.limits_of(plain, 0).cpu_s > 60


@pytest.mark.parametrize("keeping", [True, False], ids=["kept", "unkept"])
async def test_one_user_leaves_places_to_others(
    storage: Storage,
    cache: DiskCache,
    recording: Recording,
    monkeypatch: pytest.MonkeyPatch,
    *,
    keeping: bool,
) -> None:
    """Of two places one, also where one asks two processes of the machine."""
    monkeypatch.setattr(service, "SLOT_WAIT_S", 0.2)
    if not keeping:
        monkeypatch.setattr(DiskCache, "check", full)
    await put_long(storage)
    async with (
        running(storage, cache, encoders=2) as first,
        running(storage, cache, encoders=2) as second,
    ):
        listening = contextlib.AsyncExitStack()

        async def begin(streaming: Streaming, user_id: int, start: float) -> None:
            wanted = Wanted(format="mp3", bitrate=128, start=start)
            transcode = await streaming.transcode(LONG, wanted)
            chunks = streaming.listen(transcode, user_id)
            await listening.enter_async_context(contextlib.aclosing(chunks))
            assert await anext(chunks)

        await begin(first, USER, 0)
        for streaming in (first, second):
            with pytest.raises(EncodersBusy, match="transcodes of yours"):
                await begin(streaming, USER, 1)
        await begin(second, OTHER, 1)
        with pytest.raises(EncodersBusy, match="All encoders"):
            await begin(first, OTHER + 1, 2)
        await listening.aclose()
        await until(lambda: our_encoders() == [])


async def test_what_is_not_kept_ends_with_the_process(
    storage: Storage, cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DiskCache, "check", full)
    await put_long(storage)
    async with running(storage, cache) as streaming:
        transcode = await streaming.transcode(LONG, Wanted(format="mp3", bitrate=128))
        chunks = streaming.listen(transcode, USER)
        assert await anext(chunks)
        await streaming.close()
        assert our_encoders() == []
        with pytest.raises(StreamCut):
            _ = [chunk async for chunk in chunks]


async def put_long(storage: Storage) -> None:
    """Half an hour of silence, which no encoder gets through while a test looks on."""
    header = wav_header(LONG_SAMPLES, 8000, 1, 16)
    await storage.put(KEY, header + bytes(2 * LONG_SAMPLES))


async def test_the_encoder_that_waits_ends_with_the_process(
    storage: Storage, cache: DiskCache, recording: Recording
) -> None:
    async with running(storage, cache) as streaming:
        await streaming.segment(recording, rendition_of(recording, "aac64"), 0)
        await until(lambda: len(waiting_encoders_of(psutil.Process())) == 1)
    assert waiting_encoders_of(psutil.Process()) == []
