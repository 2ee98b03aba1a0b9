"""Encoders that have been started before there is anything to do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from tests.audio.synthesis import sweep, write_samples
from tests.builders.streaming import waiting_encoders_of

from talas.audio import capped_process
from talas.audio.capped_process import Waiting
from talas.audio.child import ORPHANED
from talas.audio.encoding_orders import TranscodeOrder, transcode_order
from talas.audio.encoding_process import MODULE, Limits, encode
from talas.audio.renditions import TrackAudio
from talas.audio.standby import Standby

RATE = 44100
TRACK = TrackAudio(
    container="wav",
    codec="pcm_s16le",
    bitrate=RATE * 32,
    sample_rate=RATE,
    channels=2,
    samples=2 * RATE,
)
LIMITS = Limits(cpu_s=30, wall_s=600, memory_bytes=512 * 2**20, output_bytes=2**30, niceness=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_samples(tmp_path / "sweep.wav", sweep(2, sample_rate=RATE), "wav", RATE)


@pytest.fixture
async def standby() -> AsyncIterator[Standby]:
    kept = Standby(MODULE)
    yield kept
    await kept.close()
    assert waiting() == []


def waiting() -> list[psutil.Process]:
    return waiting_encoders_of(psutil.Process())


async def next_waiting() -> psutil.Process:
    async with asyncio.timeout(60):
        while not (found := waiting()):
            await asyncio.sleep(0.01)
    return found[0]


def order(start: float = 0.0) -> TranscodeOrder:
    return transcode_order(
        TRACK, format="flac", bitrate=0, start_seconds=start, gain_db=0.0, index=None
    )


async def encoded(path: Path, order: TranscodeOrder, standby: Standby | None = None) -> bytes:
    return b"".join([chunk async for chunk in encode(path, order, LIMITS, standby)])


async def test_the_one_that_waits_does_the_work_and_the_next_one_waits(
    path: Path, standby: Standby
) -> None:
    assert await encoded(path, order(), standby) == await encoded(path, order())
    first = await next_waiting()
    assert await encoded(path, order(0.5), standby) == await encoded(path, order(0.5))
    assert not first.is_running()
    assert (await next_waiting()).pid != first.pid


async def test_one_that_was_killed_is_replaced(path: Path, standby: Standby) -> None:
    await encoded(path, order(), standby)
    first = await next_waiting()
    first.kill()
    async with asyncio.timeout(60):
        while first.is_running():
            await asyncio.sleep(0.01)
    assert await encoded(path, order(), standby) == await encoded(path, order())


async def test_unused_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    started, start = [], capped_process.start_waiting

    async def start_seen(module: str) -> Waiting:
        started.append(await start(module))
        return started[-1]

    monkeypatch.setattr(capped_process, "start_waiting", start_seen)
    standby = Standby(MODULE, kept_s=0.01)
    standby.renew()
    async with asyncio.timeout(60):
        while not started or started[0].process.returncode is None:
            await asyncio.sleep(0.01)
    await standby.close()
    assert len(started) == 1


async def test_closed_it_starts_none(path: Path) -> None:
    standby = Standby(MODULE)
    await standby.close()
    assert await encoded(path, order(), standby)
    assert waiting() == []


async def test_without_anybody_to_give_it_a_file_it_ends() -> None:
    one = await capped_process.start_waiting(MODULE)
    await next_waiting()
    one.link.close()
    assert await one.process.wait() == ORPHANED
