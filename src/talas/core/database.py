"""The pool of PostgreSQL connections, and rows as structs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any, TypeVar

import asyncpg

from talas.core.settings import DatabaseSettings

Connection = asyncpg.pool.PoolConnectionProxy | asyncpg.Connection
RowT = TypeVar("RowT")
FirstT = TypeVar("FirstT")
SecondT = TypeVar("SecondT")

MAX_ID = 2**31 - 1
STATEMENT_TIMEOUT_MS = 5_000
LONG_STATEMENT_TIMEOUT_MS = 120_000
IDLE_CHECK_S = 10.0


class DatabaseAway(ConnectionError):
    """Nothing listens where the database should be."""


_GONE = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # Too many connections, no memory, no room on its disk.
    asyncpg.InsufficientResourcesError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.ReadOnlySQLTransactionError,
    ConnectionError,
    TimeoutError,
)


class _PooledConnection(asyncpg.Connection):
    """Nothing here leaves session state behind, so the pool's reset query is not needed."""

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A bounded pool; a statement that runs longer than 5 s is cancelled by the server."""

    def __init__(self, pool: asyncpg.Pool, *, max_idle: int) -> None:
        self.pool = pool
        self._max_idle = max_idle
        self._janitor = asyncio.create_task(self._close_idle())

    @classmethod
    async def connect(
        cls,
        settings: DatabaseSettings,
        *,
        application: str,
        max_connections: int | None = None,
        idle_s: float = 0,
        lazily: bool = False,
    ) -> "Database":
        """``idle_s``: after how many seconds a connection is closed that nobody uses; each costs
        the server 10 MB and more. 0: as many as the settings say are kept. ``lazily``: none is made
        before it is needed; otherwise raises what asyncpg raises where there is no database."""
        size = max_connections or settings.max_connections
        pool = await asyncpg.create_pool(
            settings.url,
            # A pool that keeps some open tries without end, and says so, while there is no server.
            min_size=0,
            max_size=size,
            max_inactive_connection_lifetime=idle_s,
            connection_class=_PooledConnection,
            server_settings={
                "application_name": application,
                "timezone": "UTC",
                "jit": "off",
                # A search that finds a page in ten of a big table keeps track of each of them.
                "work_mem": "16MB",
                "statement_timeout": str(STATEMENT_TIMEOUT_MS),
                "idle_in_transaction_session_timeout": "60000",
            },
        )
        try:
            if not lazily:
                await pool.fetchval("SELECT 1")
        except BaseException:
            pool.terminate()
            raise
        return cls(pool, max_idle=min(size, max(1, settings.max_idle_connections)))

    def connection(self) -> "_Acquired":
        """A connection for reads, and for what one statement writes: each on its own.

        Raises DatabaseAway when there is no server to connect to.
        """
        return _Acquired(self.pool)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection in a transaction that commits when the block ends without an error."""
        async with self.connection() as conn, conn.transaction():
            yield conn

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A connection whose reads all see the same moment."""
        async with (
            self.connection() as conn,
            conn.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield conn

    async def ping(self) -> None:
        async with self.connection() as conn:
            await conn.execute("SELECT 1")

    async def close(self) -> None:
        self._janitor.cancel()
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.pool.terminate()

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(IDLE_CHECK_S)
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                for _ in range(self.pool.get_idle_size() - self._max_idle):
                    conn = await self.pool.acquire()
                    try:
                        await conn.close()
                    finally:
                        await self.pool.release(conn)


class _Acquired:
    """A class, because a generator would cost a tenth of a point read."""

    __slots__ = ("_conn", "_pool")

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        try:
            self._conn = await self._pool.acquire()
        except OSError as error:
            raise DatabaseAway(str(error)) from error
        return self._conn

    async def __aexit__(self, *_: object) -> None:
        await self._pool.release(self._conn)


def is_unavailable(error: BaseException) -> bool:
    """Whether the database could not answer now, as opposed to refusing what was asked."""
    return isinstance(error, _GONE)


SET_STATEMENT_TIMEOUT = """
SELECT set_config('statement_timeout', $1, true)
"""


async def allow_long_statements(conn: Connection) -> None:
    """For the rest of the transaction: to delete what millions of rows hang on takes a while."""
    await conn.execute(SET_STATEMENT_TIMEOUT, str(LONG_STATEMENT_TIMEOUT_MS))


def as_row(row_type: type[RowT], record: asyncpg.Record | None) -> RowT | None:
    """The struct for a record whose columns stand in the struct's order."""
    return None if record is None else row_type(*record)


def as_rows(row_type: type[RowT], records: list[asyncpg.Record]) -> list[RowT]:
    return [row_type(*record) for record in records]


def as_columns(pairs: Iterable[tuple[FirstT, SecondT]]) -> tuple[list[FirstT], list[SecondT]]:
    """As ``unnest`` takes them."""
    pairs = list(pairs)
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def is_id(value: int) -> bool:
    """Whether a number can be the id of a row at all."""
    return 0 < value <= MAX_ID


def has_trigrams(term: str) -> bool:
    """Whether the database's function of this name finds any, so that an index helps."""
    return len(term) >= 3


async def open_connection(url: str, **settings: Any) -> asyncpg.Connection:
    """A connection of one's own, outside the pool: for listening and for long work."""
    try:
        return await asyncpg.connect(url, server_settings={"timezone": "UTC", **settings})
    except OSError as error:
        raise DatabaseAway(str(error)) from error
