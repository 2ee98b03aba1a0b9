from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from tests.builders.chat import ChatProcess, Person, create_person

from talas.core.settings import Settings

MakePerson = Callable[..., Awaitable[Person]]


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
async def chat(settings: Settings) -> AsyncIterator[ChatProcess]:
    process = ChatProcess(settings)
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
def make_person(db: asyncpg.Connection, settings: Settings) -> MakePerson:
    async def make(**fields: Any) -> Person:
        return await create_person(db, settings, **fields)

    return make
