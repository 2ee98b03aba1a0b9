"""Migrations through the library and the command, on a real server."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from talas.core import migrations
from talas.core.migrations import (
    LOCK_KEY,
    MigrationError,
    migrate_down,
    migrate_up,
    migration_status,
    read_migrations,
)

TABLES = """
    SELECT array_agg(relname::text ORDER BY relname) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""


async def fetchval(url: str, statement: str, *arguments: object) -> object:
    conn = await asyncpg.connect(url)
    try:
        return await conn.fetchval(statement, *arguments)
    finally:
        await conn.close()


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Migrations of this test's own: numbered like ours, with tables ``a`` and ``b``."""
    for version, table in ((1, "a"), (2, "b")):
        up, down = (tmp_path / f"000{version}_{table}.{way}.sql" for way in ("up", "down"))
        up.write_text(f"CREATE TABLE {table} (id INT);")
        down.write_text(f"DROP TABLE {table};")
    read = migrations.read_migrations
    monkeypatch.setattr(migrations, "read_migrations", lambda: read(tmp_path))
    return tmp_path


async def test_up_down_up_leaves_the_same_schema(empty_database_url: str) -> None:
    labels = await migrate_up(empty_database_url)
    tables = await fetchval(empty_database_url, TABLES)
    assert labels == [migration.label for migration in read_migrations()]
    assert {"users", "tracks", "pgqueuer"} <= set(tables)

    assert await migrate_down(empty_database_url, 99) == labels[::-1]
    assert await fetchval(empty_database_url, TABLES) == ["schema_migrations"]
    leftovers = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    assert await fetchval(empty_database_url, leftovers) == 0

    assert await migrate_up(empty_database_url) == labels
    assert await fetchval(empty_database_url, TABLES) == tables


async def test_each_step_down_and_up_again_on_data(database_url: str) -> None:
    insert = "INSERT INTO users (username, email, password_hash) VALUES ('a', 'a@b.c', 'x')"
    await fetchval(database_url, insert)
    for _ in range(len(read_migrations()) - 1):
        await migrate_down(database_url)
    assert await fetchval(database_url, "SELECT count(*) FROM users") == 1
    await migrate_up(database_url)
    assert await fetchval(database_url, "SELECT count(*) FROM users") == 1


async def test_plays_that_wait_to_be_counted_are_not_lost_on_the_way_down(
    database_url: str,
) -> None:
    conn = await asyncpg.connect(database_url)
    await conn.execute("""
INSERT INTO users (username, email, password_hash) VALUES ('a', 'a', '');
INSERT INTO tracks (user_id, title, artist, container, media_type, filename, content_hash, size,
  storage_key, plays)
VALUES (1, 't', 'a', 'wav', 'audio/wav', 'f', sha256(''), 1, 'k', 4);
INSERT INTO track_plays_unfolded (track_id, user_id, played_at)
VALUES (1, 1, now()), (1, 1, now()), (9, 1, now())
""")
    await conn.close()
    while await migrate_down(database_url) != ["0013_listening"]:
        pass
    assert await fetchval(database_url, "SELECT plays FROM tracks") == 6


async def test_a_second_up_applies_nothing(database_url: str) -> None:
    assert await migrate_up(database_url) == []


async def test_of_many_at_once_one_applies(empty_database_url: str) -> None:
    answers = await asyncio.gather(*(migrate_up(empty_database_url) for _ in range(5)))
    assert sorted(map(bool, answers)) == [False, False, False, False, True]


async def test_waits_for_the_lock_and_says_when_it_is_not_free(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_WAIT_S", 0.3)
    holder = await asyncpg.connect(database_url)
    await holder.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    with pytest.raises(MigrationError, match="Another process has been migrating"):
        await migrate_up(database_url)
    await holder.close()
    assert await migrate_up(database_url) == []


async def test_a_table_in_use_stops_it_in_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", "200ms")
    holder = await asyncpg.connect(database_url)
    async with holder.transaction():
        await holder.execute("LOCK TABLE users, tracks IN ACCESS SHARE MODE")
        with pytest.raises(MigrationError, match="The schema is in use"):
            await migrate_down(database_url, 99)
    await holder.close()


async def test_a_failing_migration_leaves_nothing_of_itself(
    empty_database_url: str, written: Path
) -> None:
    (written / "0002_b.up.sql").write_text("CREATE TABLE b (id INT); SELECT 1/0;")
    with pytest.raises(MigrationError, match="0002_b failed: division by zero"):
        await migrate_up(empty_database_url)
    assert await fetchval(empty_database_url, TABLES) == ["a", "schema_migrations"]
    (written / "0002_b.up.sql").write_text("CREATE TABLE b (id INT);")
    assert await migrate_up(empty_database_url) == ["0002_b"]


async def test_an_applied_file_must_not_change(empty_database_url: str, written: Path) -> None:
    await migrate_up(empty_database_url)
    (written / "0001_a.up.sql").write_text("CREATE TABLE a (id BIGINT);")
    with pytest.raises(MigrationError, match="0001_a is not what was applied"):
        await migrate_up(empty_database_url)


async def test_code_older_than_the_database_leaves_it_alone(
    empty_database_url: str, written: Path
) -> None:
    await migrate_up(empty_database_url)
    for half in written.glob("0002_*"):
        half.unlink()
    await fetchval(empty_database_url, "DROP TABLE pgqueuer_schedules")
    assert await migrate_up(empty_database_url) == []
    assert "pgqueuer_schedules" not in await fetchval(empty_database_url, TABLES)
    states = await migration_status(empty_database_url)
    assert [(state.version, state.name, state.known) for state in states] == [
        (1, "a", True),
        (2, "b", False),
    ]
    with pytest.raises(MigrationError, match="applied by a newer Talas"):
        await migrate_down(empty_database_url)
    assert await fetchval(empty_database_url, "SELECT to_regclass('b') IS NOT NULL")


async def test_status_of_an_empty_database_changes_nothing(
    empty_database_url: str,
) -> None:
    states = await migration_status(empty_database_url)
    assert states
    assert all(state.applied_at is None for state in states)
    assert await fetchval(empty_database_url, TABLES) is None


def _rename(written: Path, before: str, after: str) -> None:
    for half in written.glob(f"{before}.*"):
        half.rename(written / half.name.replace(before, after))


def test_a_gap_is_refused(written: Path) -> None:
    _rename(written, "0002_b", "0003_b")
    with pytest.raises(MigrationError, match="0003_b should have the number 0002"):
        read_migrations(written)


def test_a_number_given_twice_is_refused(written: Path) -> None:
    _rename(written, "0002_b", "0001_b")
    with pytest.raises(MigrationError, match="0001_b should have the number 0002"):
        read_migrations(written)


def test_half_a_pair_is_refused(written: Path) -> None:
    (written / "0002_b.down.sql").unlink()
    with pytest.raises(MigrationError, match=r"has no 0002_b\.down\.sql"):
        read_migrations(written)


def test_a_misnamed_file_is_refused(written: Path) -> None:
    (written / "2_c.sql").write_text("")
    with pytest.raises(MigrationError, match=r"2_c\.sql is no migration"):
        read_migrations(written)


async def test_names_are_unique_ignoring_case(database_url: str) -> None:
    insert = "INSERT INTO users (username, email, password_hash) VALUES ($1, $2, 'x')"
    await fetchval(database_url, insert, "Élise", "élise@example.org")
    with pytest.raises(asyncpg.UniqueViolationError):
        await fetchval(database_url, insert, "éLISE", "other@example.org")
    with pytest.raises(asyncpg.UniqueViolationError):
        await fetchval(database_url, insert, "other", "ÉLISE@example.org")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ],
)
async def test_the_audit_log_only_grows(database_url: str, statement: str) -> None:
    await fetchval(database_url, "INSERT INTO audit_log (action) VALUES ('user.suspended')")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await fetchval(database_url, statement)
    assert await fetchval(database_url, "SELECT action FROM audit_log") == "user.suspended"
