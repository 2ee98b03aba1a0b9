from collections.abc import Iterator

import grpc
import pytest
from tests.api_fixtures import folder_api as api
from tests.builders.grpc import Listener, StreamProcess, stream_process
from tests.builders.tracks import WorkerProcess, worker_process
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

__all__ = ["api"]


@pytest.fixture(scope="session")
def worker(api: ApiProcess) -> Iterator[WorkerProcess]:
    with worker_process(api) as process:
        yield process


@pytest.fixture(scope="session")
def streams(api: ApiProcess) -> Iterator[StreamProcess]:
    """A stream process that the tests of the folder share; rate limits are off."""
    with stream_process(api) as process:
        yield process


@pytest.fixture
def channel(streams: StreamProcess) -> Iterator[grpc.Channel]:
    with streams.channel() as channel:
        yield channel


@pytest.fixture(scope="session")
def owner(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture
def listener(channel: grpc.Channel, owner: Account) -> Listener:
    return Listener(channel, owner)
