"""One chat process for the tests of a module; who kills or drains one starts one of their own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import pytest
from tests.api_fixtures import api, module_database_url
from tests.builders.chat import ChatProcess, Person, create_person
from tests.conftest import JWT_SECRET
from tests.ports import free_port

from talas.core.settings import Settings, load_settings
from talas.domains.chat.server import serve_chat

__all__ = ["api", "module_database_url"]


class MakePerson(Protocol):
    async def __call__(self, **fields: Any) -> Person: ...


def make_chat_settings(url: str, folder: Path, **overrides: Any) -> Settings:
    values = {
        "_env_file": None,
        "database_url": url,
        "data_dir": folder,
        "ws_bind_addr": f"127.0.0.1:{free_port()}",
        "jwt_secret": JWT_SECRET,
        "rate_limits": False,
    }
    return load_settings(**{**values, **overrides})


@pytest.fixture(scope="module")
def settings(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return make_chat_settings(module_database_url, tmp_path_factory.mktemp("chat"))


@pytest.fixture(scope="module")
def chat(settings: Settings) -> Iterator[ChatProcess]:
    """Without rate limits."""
    process = ChatProcess(settings)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def limited_chat(settings: Settings) -> AsyncIterator[ChatProcess]:
    """On the same database, with rate limits."""
    async with running(settings, rate_limits=True) as process:
        yield process


@contextlib.asynccontextmanager
async def running(settings: Settings, **overrides: Any) -> AsyncIterator[ChatProcess]:
    url = settings.database.url or ""
    process = ChatProcess(make_chat_settings(url, settings.data_dir, **overrides))
    await process.start()
    try:
        yield process
    finally:
        await process.stop()


@contextlib.asynccontextmanager
async def serving_here(
    settings: Settings, *, stop: asyncio.Event | None = None, **overrides: Any
) -> AsyncIterator[ChatProcess]:
    """In this process, where a test may shorten the waits; not to be started or killed. It ends
    when ``stop`` is set, at the latest at the end of the block."""
    url = settings.database.url or ""
    here = ChatProcess(make_chat_settings(url, settings.data_dir, **overrides))
    stop = stop or asyncio.Event()
    server = asyncio.create_task(serve_chat(here.settings, stop))
    await here.until_it_listens()
    try:
        yield here
    finally:
        stop.set()
        await server


@pytest.fixture
async def db(module_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(module_database_url)
    yield conn
    await conn.close()


@pytest.fixture
def make_person(db: asyncpg.Connection, settings: Settings) -> MakePerson:
    async def make(**fields: Any) -> Person:
        return await create_person(db, settings, **fields)

    return make
