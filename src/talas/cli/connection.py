"""The database as commands use it, and a sentence when it cannot be had."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import asyncpg
import msgspec

from talas.core import embedded_postgres
from talas.core.database import Connection, Database, open_connection
from talas.core.errors import Unavailable
from talas.core.settings import Settings, load_settings

AnswerT = TypeVar("AnswerT")
_TIMEOUT_MS = "5000"
_MAX_CONNECTIONS = 2


def in_transaction(act: Callable[[Connection], Awaitable[AnswerT]]) -> AnswerT:
    """What ``act`` returns, once its transaction has committed.

    Raises TalasError, SettingsError or EmbeddedPostgresError, each with a sentence.
    """
    with database_url(load_settings()) as url, explaining_refusals():
        return asyncio.run(_commit(url, act))


async def _commit(url: str, act: Callable[[Connection], Awaitable[AnswerT]]) -> AnswerT:
    conn = await open_connection(
        url, application_name="talas command", statement_timeout=_TIMEOUT_MS
    )
    try:
        async with conn.transaction():
            return await act(conn)
    finally:
        await conn.close()


@asynccontextmanager
async def connected(settings: Settings, url: str, *, application: str) -> AsyncIterator[Database]:
    """For commands that take longer than one transaction. ``url`` is what ``database_url`` gave."""
    database = msgspec.structs.replace(settings.database, url=url)
    db = await Database.connect(database, application=application, max_connections=_MAX_CONNECTIONS)
    try:
        yield db
    finally:
        await db.close()


@contextmanager
def explaining_refusals() -> Iterator[None]:
    """Turns what the driver raises into Unavailable, with a sentence."""
    try:
        yield
    except asyncpg.UndefinedTableError:
        raise Unavailable(
            "The database has no tables yet; run `talas migrate up` or `talas serve` first"
        ) from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Unavailable(f"The database at DATABASE_URL cannot be used: {error}") from None


@contextmanager
def database_url(settings: Settings, *, may_create: bool = False) -> Iterator[str]:
    """The embedded database runs for as long as the command does, unless it ran before.

    Raises Unavailable where there is none yet and the command is not one that makes it.
    """
    if settings.database.url is not None:
        yield settings.database.url
        return
    if not may_create and not (settings.data_dir / "postgres" / "PG_VERSION").exists():
        raise Unavailable(
            f"There is no database in {settings.data_dir} yet; run `talas serve` first, "
            "or set DATA_DIR to the folder of the one that is meant"
        )
    with embedded_postgres.running(settings.data_dir) as url:
        yield url
