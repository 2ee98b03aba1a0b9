"""People in the database of the module's api process."""

from collections.abc import AsyncIterator
from typing import Protocol

import asyncpg
import pytest
from tests.api_fixtures import api, module_database_url
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

__all__ = ["api", "module_database_url"]


class MakePerson(Protocol):
    def __call__(self) -> Account: ...


@pytest.fixture
async def db(module_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(module_database_url)
    yield conn
    await conn.close()


@pytest.fixture
def person(api: ApiProcess) -> MakePerson:
    return lambda: create_user(api)
