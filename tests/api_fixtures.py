"""The fixture ``api``, for the folders whose tests go through HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import TestServer
from tests.servers import ApiProcess, api_process


@pytest.fixture(scope="module")
def module_database_url(test_server: TestServer) -> Iterator[str]:
    """A migrated database that the tests of one module share."""
    url = test_server.create_database()
    yield url
    test_server.drop_database(url)


@pytest.fixture(scope="module")
def api(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """An api process that the tests of one module share; rate limits are off."""
    folder: Path = tmp_path_factory.mktemp("api")
    with api_process(module_database_url, folder) as process:
        yield process
