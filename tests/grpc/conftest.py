from collections.abc import Iterator

import pytest
from tests.api_fixtures import api, module_database_url
from tests.builders.grpc import Listener, StreamProcess, stream_process
from tests.builders.tracks import WorkerProcess, worker_process
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

import grpc

__all__ = ["api", "module_database_url"]


@pytest.fixture(scope="module")
def worker(api: ApiProcess) -> Iterator[WorkerProcess]:
    with worker_process(api) as process:
        yield process


@pytest.fixture(scope="module")
def streams(api: ApiProcess) -> Iterator[StreamProcess]:
    """A stream process that the tests of one module share; rate limits are off."""
    with stream_process(api) as process:
        yield process


@pytest.fixture
def channel(streams: StreamProcess) -> Iterator[grpc.Channel]:
    with streams.channel() as channel:
        yield channel


@pytest.fixture(scope="module")
def owner(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture
def listener(channel: grpc.Channel, owner: Account) -> Listener:
    return Listener(channel, owner)
