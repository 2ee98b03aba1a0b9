"""The fixture ``api``, for the folders whose tests go through HTTP."""

from collections.abc import Iterator

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
    with api_process(module_database_url, tmp_path_factory.mktemp("api"), drains=False) as process:
        yield process


@pytest.fixture(scope="session")
def folder_api(
    test_server: TestServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """As ``api``, on a database that the tests of a whole folder share: what a test counts or looks
    for must be its own. A conftest imports it under the name ``api``."""
    url = test_server.create_database()
    with api_process(url, tmp_path_factory.mktemp("api"), drains=False) as process:
        yield process
    test_server.drop_database(url)
