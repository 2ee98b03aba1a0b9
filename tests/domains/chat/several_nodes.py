"""Chat processes on one database, as fixtures: whoever imports ``nodes`` imports the other two."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.builders.chat import ChatProcess, Client, Person, connected
from tests.builders.redis import RedisServer, needs_redis
from tests.domains.chat.conftest import make_chat_settings

from talas.core.settings import Settings

Nodes = list[ChatProcess]
BUSES = ["NOTIFY", pytest.param("Redis", marks=needs_redis)]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=BUSES)
def redis_url(request: pytest.FixtureRequest) -> str | None:
    """Where the processes talk over Redis; None where they do over PostgreSQL alone."""
    if request.param == "NOTIFY":
        return None
    server: RedisServer = request.getfixturevalue("redis")
    return server.url


@pytest.fixture(scope="module")
def nodes(settings: Settings, redis_url: str | None) -> Iterator[Nodes]:
    """Three, each on a port of its own, so that a test can choose."""
    url = settings.database.url or ""
    started = [
        ChatProcess(make_chat_settings(url, settings.data_dir, redis_url=redis_url))
        for _ in range(3)
    ]

    async def start() -> None:
        await asyncio.gather(*(node.start() for node in started))

    async def stop() -> None:
        await asyncio.gather(*(node.stop() for node in started))

    asyncio.run(start())
    yield started
    asyncio.run(stop())


@contextlib.asynccontextmanager
async def everywhere(
    nodes: Nodes, people: list[Person], room: str | None = None
) -> AsyncIterator[list[Client]]:
    """Each of them on the next node, all of them in the room."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                connected(nodes[place % len(nodes)], person, version=2, max_queue=None)
            )
            for place, person in enumerate(people)
        ]
        for client in clients if room else []:
            await client.send(type="join", room=room)
            await client.receive_kind("presence")
        yield clients
