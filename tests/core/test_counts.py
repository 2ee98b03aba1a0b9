"""Counts say what ``count(*)`` says, whatever happens to the rows."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator

import asyncpg
import pytest

from talas.core import counts
from talas.core.migrations import migrate_down, migrate_up

_numbers = itertools.count(1)
INSERT_USERS = """
INSERT INTO users (username, email, password_hash, role, status)
SELECT $1 || n, $1 || n, 'x', $2, $3 FROM generate_series(1, $4) AS n
"""
INSERT_TRACK = """
INSERT INTO tracks (
  user_id, title, artist, container, media_type, filename, content_hash, size, storage_key
)
VALUES ($1, 'a', 'b', 'wav', 'audio/wav', 'a.wav', sha256('a'), 1, gen_random_uuid()::TEXT)
RETURNING id
"""
# Both numbers in one snapshot.
COMPARED = """
SELECT (SELECT count(*) FROM users WHERE status = 'active'), (
  SELECT sum(n) FROM (
    SELECT total FROM counts WHERE relation = 'users' AND key @> '{"status": "active"}'
    UNION ALL
    SELECT change FROM count_changes WHERE relation = 'users' AND key @> '{"status": "active"}'
  ) AS known (n)
)
"""


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


async def add_users(
    conn: asyncpg.Connection, number: int = 1, *, role: str = "user", status: str = "active"
) -> None:
    await conn.execute(INSERT_USERS, f"u{next(_numbers)}-", role, status, number)


async def add_owner(conn: asyncpg.Connection) -> int:
    await add_users(conn)
    return int(await conn.fetchval("SELECT max(id) FROM users"))


async def test_by_every_combination_of_keys(conn: asyncpg.Connection) -> None:
    await add_users(conn, 3)
    await add_users(conn, 2, role="admin")
    await add_users(conn, 1, role="admin", status="suspended")
    assert await counts.total(conn, "users") == 6
    assert await counts.total(conn, "users", status="active") == 5
    assert await counts.total(conn, "users", role="admin") == 3
    assert await counts.total(conn, "users", role="admin", status="suspended") == 1
    assert await counts.total(conn, "users", role="moderator") == 0


async def test_null_is_a_value_of_its_own(conn: asyncpg.Connection) -> None:
    category = await conn.fetchval("INSERT INTO categories (name) VALUES ('x') RETURNING id")
    await conn.execute("INSERT INTO products (name, category_id) VALUES ('a', $1)", category)
    await conn.execute("INSERT INTO products (name) VALUES ('b'), ('c')")
    assert await counts.total(conn, "products", category_id=category) == 1
    assert await counts.total(conn, "products", category_id=None) == 2
    assert await counts.total(conn, "products", status="active") == 3


async def test_a_million_rows_at_once_are_one_change(conn: asyncpg.Connection) -> None:
    await conn.execute("INSERT INTO products (name) SELECT 'p' FROM generate_series(1, 1000)")
    records = [(f"n{n}", "active") for n in range(1000)]
    await conn.copy_records_to_table("products", records=records, columns=["name", "status"])
    assert await conn.fetchval("SELECT count(*) FROM count_changes") == 2
    assert await counts.total(conn, "products") == 2000


async def test_moves_with_a_change_of_key_only(conn: asyncpg.Connection) -> None:
    await add_users(conn, 4)
    await counts.fold(conn)
    await conn.execute("UPDATE users SET bio = 'x', status = status")
    assert await conn.fetchval("SELECT count(*) FROM count_changes") == 0
    await conn.execute("UPDATE users SET status = 'suspended' WHERE id % 2 = 0")
    assert await counts.total(conn, "users", status="active") == 2
    assert await counts.total(conn, "users", status="suspended") == 2


async def test_rows_that_go_with_others(conn: asyncpg.Connection) -> None:
    owner = await add_owner(conn)
    other = await add_owner(conn)
    for _ in range(3):
        await conn.execute(INSERT_TRACK, owner)
        await conn.execute(INSERT_TRACK, other)
    await conn.execute("DELETE FROM users WHERE id = $1", owner)
    assert await counts.total(conn, "tracks", visibility="public", status="processing") == 3
    await conn.execute("DELETE FROM users")
    assert await counts.total(conn, "tracks") == 0
    assert await counts.total(conn, "users") == 0


async def test_many_owners_gone_at_once(conn: asyncpg.Connection) -> None:
    for _ in range(5):
        owner = await add_owner(conn)
        await conn.execute(INSERT_TRACK, owner)
        await conn.execute(INSERT_TRACK, owner)
    await conn.execute("DELETE FROM users WHERE id <> $1", owner)
    assert await counts.total(conn, "tracks") == 2


async def test_conflicts_that_insert_nothing(conn: asyncpg.Connection) -> None:
    room = """
    INSERT INTO rooms (name, name_key) SELECT n, n FROM unnest($1::TEXT[]) AS n
    ON CONFLICT (name_key)
    """
    await conn.execute(room + "DO NOTHING", ["general", "a", "b"])
    assert await counts.total(conn, "rooms", is_private=False) == 3
    await conn.execute(room + "DO NOTHING", ["a", "b"])
    assert await counts.total(conn, "rooms", is_private=False) == 3
    await conn.execute(room + "DO UPDATE SET is_private = true", ["a", "c"])
    assert await counts.total(conn, "rooms", is_private=False) == 3
    assert await counts.total(conn, "rooms", is_private=True) == 1


async def test_an_emptied_table(conn: asyncpg.Connection) -> None:
    insert = "INSERT INTO products (name, status) VALUES ('a', $1), ('b', $1)"
    await conn.execute(insert, "active")
    await counts.fold(conn)
    await conn.execute(insert, "inactive")
    transaction = conn.transaction()
    await transaction.start()
    await conn.execute("TRUNCATE products CASCADE")
    assert await counts.total(conn, "products") == 0
    await conn.execute(insert, "active")
    assert await counts.total(conn, "products") == 2
    await transaction.rollback()
    assert await counts.total(conn, "products", status="active") == 2
    assert await counts.total(conn, "products", status="inactive") == 2
    await conn.execute("TRUNCATE categories CASCADE")
    assert await counts.total(conn, "products") == 0


async def test_what_is_rolled_back_was_never_there(conn: asyncpg.Connection) -> None:
    await add_users(conn, 2)
    async with conn.transaction():
        await add_users(conn, 3)
        with contextlib.suppress(asyncpg.UniqueViolationError):
            async with conn.transaction():
                await add_users(conn, 3)
                await conn.execute("UPDATE users SET username = 'same'")
    assert await counts.total(conn, "users", status="active") == 5


async def test_a_fold_broken_off_changes_nothing(
    conn: asyncpg.Connection, database_url: str
) -> None:
    await add_users(conn, 3)
    folding = await asyncpg.connect(database_url)
    await folding.execute("BEGIN")
    await counts.fold(folding)
    assert await counts.total(folding, "users") == 3
    assert await counts.total(conn, "users") == 3
    await counts.fold(conn)
    folding.terminate()
    assert await counts.total(conn, "users") == 3
    async with asyncio.timeout(30):
        while await conn.fetchval("SELECT count(*) FROM count_changes"):
            await counts.fold(conn)
    assert await counts.total(conn, "users") == 3


async def test_readers_fold_what_has_piled_up(
    conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "MAX_UNFOLDED", 5)
    monkeypatch.setattr(counts, "FOLDED_AT_ONCE", 2)
    for number in range(1, 10):
        await add_users(conn)
        assert await counts.total(conn, "users") == number
    assert await conn.fetchval("SELECT count(*) FROM count_changes") < 5


async def test_existing_rows_are_counted(conn: asyncpg.Connection, database_url: str) -> None:
    await conn.close()
    while "0006_counts" not in await migrate_down(database_url):
        pass
    conn = await asyncpg.connect(database_url)
    await add_users(conn, 3, status="suspended")
    await migrate_up(database_url)
    await add_users(conn, 1)
    assert await counts.total(conn, "users", status="suspended") == 3
    assert await counts.total(conn, "users") == 4
    await conn.close()


async def _write(url: str, over: asyncio.Event, seed: int) -> None:
    """Accounts come, change, go, and are given up, in the order of chance."""
    chance = random.Random(seed)
    conn = await asyncpg.connect(url)
    while not over.is_set():
        transaction = conn.transaction()
        await transaction.start()
        status = chance.choice(("active", "suspended"))
        await add_users(conn, chance.randint(1, 3), status=status)
        part, of = chance.randrange(4), f"u{chance.randint(1, 40)}-%"
        await conn.execute(
            "UPDATE users SET status = $1 WHERE id IN ("
            "  SELECT id FROM users WHERE username LIKE $3 AND id % 4 = $2 ORDER BY id"
            "  FOR UPDATE SKIP LOCKED)",
            chance.choice(("active", "suspended")),
            part,
            of,
        )
        await conn.execute(
            "DELETE FROM users WHERE id IN ("
            "  SELECT id FROM users WHERE username LIKE $1 ORDER BY id LIMIT 2"
            "  FOR UPDATE SKIP LOCKED)",
            of,
        )
        if chance.random() < 0.3:
            await transaction.rollback()
        else:
            await transaction.commit()
    await conn.close()


async def _fold(url: str, over: asyncio.Event, seed: int) -> None:
    """Half of the folds die before they commit."""
    chance = random.Random(seed)
    while not over.is_set():
        conn = await asyncpg.connect(url)
        if chance.random() < 0.5:
            await counts.fold(conn)
        else:
            await conn.execute("BEGIN")
            await counts.fold(conn)
        conn.terminate()


async def test_exact_at_every_moment_while_all_write(
    conn: asyncpg.Connection, database_url: str
) -> None:
    over, clock = asyncio.Event(), asyncio.get_running_loop().time
    async with asyncio.TaskGroup() as group:
        for seed in range(4):
            group.create_task(_write(database_url, over, seed))
        for seed in range(2):
            group.create_task(_fold(database_url, over, seed))
        compared, began = 0, clock()
        while compared < 20 or clock() < began + 2:
            there, counted = await conn.fetchrow(COMPARED)
            assert counted == there or (counted is None and there == 0)
            compared += 1
        over.set()
    there, counted = await conn.fetchrow(COMPARED)
    assert counted == there == await counts.total(conn, "users", status="active")
