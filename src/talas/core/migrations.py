"""Numbered SQL pairs, each applied once, in order, in its own transaction.

``talas/migrations/NNNN_what.up.sql`` and ``.down.sql``. Who migrates holds an advisory lock, so
that any number of processes may start at once. The tables of pgqueuer are the library's own and
follow it: they are installed or upgraded at the end of ``migrate_up``. A release that brings
another pgqueuer brings a migration too, if only an empty one, so that the release before knows to
leave those tables alone.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from importlib import resources
from importlib.resources.abc import Traversable

import asyncpg
import msgspec
from pgqueuer.queries import Queries

LOCK_KEY = 0x74616C6173
"""``talas`` in ASCII: the advisory lock of whoever migrates."""

_LOCK_WAIT_S = 60.0
_LOCK_TIMEOUT = "10s"
_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.(up|down)\.sql")

CREATE_SCHEMA_MIGRATIONS = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
        version INT PRIMARY KEY,
        name TEXT NOT NULL,
        checksum TEXT NOT NULL,
        applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
    )
"""

SELECT_APPLIED = """
    SELECT version, name, checksum, applied_at
    FROM schema_migrations
    ORDER BY version
"""

INSERT_APPLIED = """
    INSERT INTO schema_migrations (version, name, checksum)
    VALUES ($1, $2, $3)
"""

DELETE_APPLIED = """
    DELETE FROM schema_migrations
    WHERE version = $1
"""

SELECT_IS_MIGRATED = """
    SELECT to_regclass('schema_migrations') IS NOT NULL
"""


class MigrationError(Exception):
    """Why the schema was left as it is; the message is a sentence for a person."""


class Migration(msgspec.Struct, frozen=True):
    version: int
    name: str
    up: str
    down: str

    @property
    def label(self) -> str:
        return f"{self.version:04}_{self.name}"

    @property
    def checksum(self) -> str:
        """SHA-256 of the up file: what was applied must be what the file says."""
        return hashlib.sha256(self.up.encode()).hexdigest()


class MigrationState(msgspec.Struct, frozen=True):
    """``applied_at`` is None for what waits; ``known`` is False for what newer code applied."""

    version: int
    name: str
    applied_at: datetime | None
    known: bool


async def migrate_up(url: str) -> list[str]:
    """Applies what is missing and returns its labels. Raises MigrationError.

    A schema newer than this code is left alone, the queue's tables too: the release before runs
    on the one after.
    """
    known = read_migrations()
    async with _exclusively(url) as conn:
        await conn.execute(CREATE_SCHEMA_MIGRATIONS)
        applied = await _select_applied(conn)
        _refuse_changed(known, applied)
        _refuse_late(known, applied)
        missing = [migration for migration in known if migration.version not in applied]
        for migration in missing:
            await _apply(conn, migration)
        if not _is_newer(applied, known):
            await _install_pgqueuer(conn)
    return [migration.label for migration in missing]


async def migrate_down(url: str, steps: int = 1) -> list[str]:
    """Takes the newest ``steps`` migrations back and returns their labels. Raises MigrationError.

    With the last one the queue's tables go too.
    """
    known = {migration.version: migration for migration in read_migrations()}
    labels = []
    async with _exclusively(url) as conn:
        await conn.execute(CREATE_SCHEMA_MIGRATIONS)
        applied = await _select_applied(conn)
        newest_first = sorted(applied, reverse=True)
        for version in newest_first[:steps]:
            if version not in known:
                raise MigrationError(
                    f"Migration {version:04}_{applied[version].name} was applied by a newer "
                    "Talas, and only that one can take it back"
                )
            await _take_back(conn, known[version])
            labels.append(known[version].label)
        if steps >= len(applied):
            await _uninstall_pgqueuer(conn)
    return labels


async def migration_status(url: str) -> list[MigrationState]:
    """Every migration that the code or the database knows, by version. Changes nothing."""
    conn = await asyncpg.connect(url)
    try:
        exists = await conn.fetchval(SELECT_IS_MIGRATED)
        applied = await _select_applied(conn) if exists else {}
    finally:
        await conn.close()
    known = {migration.version: migration for migration in read_migrations()}
    return [
        MigrationState(
            version=version,
            name=known[version].name if version in known else applied[version].name,
            applied_at=applied[version].applied_at if version in applied else None,
            known=version in known,
        )
        for version in sorted(known.keys() | applied.keys())
    ]


def read_migrations(folder: Traversable | None = None) -> list[Migration]:
    """The pairs of the package, from 1 without a gap. Raises MigrationError."""
    folder = folder or resources.files("talas").joinpath("migrations")
    halves: dict[tuple[int, str], dict[str, str]] = {}
    for file in folder.iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise MigrationError(
                f"{file.name} is no migration: a name must look like 0001_what.up.sql"
            )
        version, name, direction = match.groups()
        halves.setdefault((int(version), name), {})[direction] = file.read_text("utf-8")
    return _paired(halves)


def _paired(halves: dict[tuple[int, str], dict[str, str]]) -> list[Migration]:
    migrations = []
    for expected, ((version, name), pair) in enumerate(sorted(halves.items()), start=1):
        label = f"{version:04}_{name}"
        if len(pair) < 2:
            missing = "down" if "up" in pair else "up"
            raise MigrationError(f"Migration {label} has no {label}.{missing}.sql")
        if version != expected:
            raise MigrationError(
                f"Migration {label} should have the number {expected:04}: "
                "numbers start at 0001, without a gap and each once"
            )
        migrations.append(Migration(version, name, pair["up"], pair["down"]))
    return migrations


class _Applied(msgspec.Struct, frozen=True):
    name: str
    checksum: str
    applied_at: datetime


@asynccontextmanager
async def _exclusively(url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(url)
    try:
        await conn.execute("SELECT set_config('lock_timeout', $1, false)", _LOCK_TIMEOUT)
        await _lock(conn)
        yield conn
    except asyncpg.LockNotAvailableError as error:
        raise MigrationError(
            f"The schema is in use: a lock was not free within {_LOCK_TIMEOUT}. Nothing of this "
            "migration was applied; try again when fewer statements run"
        ) from error
    finally:
        await conn.close()


async def _lock(conn: asyncpg.Connection) -> None:
    """Held until the connection closes. Asked for again and again, since waiting inside
    PostgreSQL would hold a snapshot, for which CREATE INDEX CONCURRENTLY waits in turn."""
    deadline = asyncio.get_running_loop().time() + _LOCK_WAIT_S
    while not await conn.fetchval("SELECT pg_try_advisory_lock($1)", LOCK_KEY):
        if asyncio.get_running_loop().time() > deadline:
            raise MigrationError(
                f"Another process has been migrating this database for {_LOCK_WAIT_S:.0f} s; "
                "wait for it, or end it, and try again"
            )
        await asyncio.sleep(0.1)


async def _select_applied(conn: asyncpg.Connection) -> dict[int, _Applied]:
    rows = await conn.fetch(SELECT_APPLIED)
    return {row[0]: _Applied(*row[1:]) for row in map(tuple, rows)}


def _is_newer(applied: Iterable[int], known: Iterable[Migration]) -> bool:
    return not set(applied) <= {migration.version for migration in known}


def _refuse_changed(known: Iterable[Migration], applied: dict[int, _Applied]) -> None:
    for migration in known:
        row = applied.get(migration.version)
        if row is not None and row.checksum != migration.checksum:
            raise MigrationError(
                f"Migration {migration.label} is not what was applied as "
                f"{migration.version:04}_{row.name} on {row.applied_at:%Y-%m-%d}: put the file "
                "back as it was, and write a new migration for the change"
            )


def _refuse_late(known: Iterable[Migration], applied: dict[int, _Applied]) -> None:
    newest = max(applied, default=0)
    for migration in known:
        if migration.version < newest and migration.version not in applied:
            raise MigrationError(
                f"Migration {migration.label} is missing in a database that has {newest:04}: "
                "the list of applied migrations was tampered with, or belongs to other code"
            )


async def _apply(conn: asyncpg.Connection, migration: Migration) -> None:
    try:
        async with conn.transaction():
            await conn.execute(migration.up)
            await conn.execute(
                INSERT_APPLIED,
                migration.version,
                migration.name,
                migration.checksum,
            )
    except asyncpg.LockNotAvailableError:
        raise
    except asyncpg.PostgresError as error:
        raise MigrationError(f"Migration {migration.label} failed: {error}") from error


async def _take_back(conn: asyncpg.Connection, migration: Migration) -> None:
    try:
        async with conn.transaction():
            await conn.execute(migration.down)
            await conn.execute(DELETE_APPLIED, migration.version)
    except asyncpg.LockNotAvailableError:
        raise
    except asyncpg.PostgresError as error:
        raise MigrationError(f"Taking back {migration.label} failed: {error}") from error


async def _install_pgqueuer(conn: asyncpg.Connection) -> None:
    queries = Queries.from_asyncpg_connection(conn)
    if await queries.schema_is_installed():
        await queries.upgrade()
    else:
        async with conn.transaction():
            await queries.install()


async def _uninstall_pgqueuer(conn: asyncpg.Connection) -> None:
    queries = Queries.from_asyncpg_connection(conn)
    if await queries.schema_is_installed():
        async with conn.transaction():
            await queries.uninstall()
