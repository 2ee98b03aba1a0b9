from collections.abc import Iterator

import pytest
from tests.api_fixtures import api, module_database_url
from tests.builders.tracks import WorkerProcess, worker_process
from tests.servers import ApiProcess

__all__ = ["api", "module_database_url", "worker"]


@pytest.fixture(scope="module")
def worker(api: ApiProcess) -> Iterator[WorkerProcess]:
    """A worker that the tests of one module share."""
    with worker_process(api) as process:
        yield process
