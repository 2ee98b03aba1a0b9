from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.api_fixtures import api, module_database_url
from tests.audio.synthesis import sweep, write_samples
from tests.builders.recordings import CACHE_SIZE, KEY, RATE, SECONDS, make_recording, running
from tests.builders.tracks import WorkerProcess, worker_process
from tests.servers import ApiProcess

from talas.core.disk_cache import DiskCache
from talas.core.storage import Storage
from talas.domains.streaming.access import Recording
from talas.domains.streaming.service import Streaming

__all__ = ["api", "module_database_url", "worker"]


@pytest.fixture(scope="module")
def worker(api: ApiProcess) -> Iterator[WorkerProcess]:
    """A worker that the tests of one module share."""
    with worker_process(api) as process:
        yield process


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("audio") / "sweep.wav"
    return write_samples(path, sweep(SECONDS, sample_rate=RATE), "wav", RATE).read_bytes()


@pytest.fixture
def recording(sound: bytes) -> Recording:
    return make_recording(len(sound))


@pytest.fixture
async def storage(tmp_path: Path, sound: bytes) -> Storage:
    kept = Storage.in_folder(tmp_path / "uploads")
    await kept.put(KEY, sound)
    return kept


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache", CACHE_SIZE)


@pytest.fixture
async def streaming(storage: Storage, cache: DiskCache) -> AsyncIterator[Streaming]:
    async with running(storage, cache) as made:
        yield made
