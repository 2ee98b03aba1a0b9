"""The log of changes: whole, in the order of commits, and no longer than it must be."""

import asyncpg
import pytest
from tests.builders.search_index import insert_user

from talas.domains.search import sql


@pytest.fixture
def user_id(database_url: str) -> int:
    return insert_user(database_url)


async def move_all(conn: asyncpg.Connection) -> None:
    while await sql.move_intake(conn, limit=10):
        pass


async def log_of(conn: asyncpg.Connection) -> list[tuple[int, str, int]]:
    changes = await sql.select_log(conn, after=0, limit=1000)
    return [(change.position, change.kind, change.id) for change in changes]


async def test_positions_follow_without_a_gap_and_name_each_thing_once(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    await move_all(conn)
    begin = (await sql.select_source(conn)).position
    for name in ("a", "b", "b", "c"):
        await conn.execute("UPDATE rooms SET description = $1 WHERE id = 1", name)
    assert await sql.move_intake(conn, limit=10) == begin + 1
    assert await sql.move_intake(conn, limit=10) is None
    assert (await log_of(conn))[-1] == (begin + 1, "rooms", 1)
    assert [position for position, _, _ in await log_of(conn)] == [*range(1, begin + 2)]
    await conn.close()


async def test_one_moves_and_the_other_does_not_wait(database_url: str, user_id: int) -> None:
    one, two = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    transaction = one.transaction()
    await transaction.start()
    moved = await sql.move_intake(one, limit=1)
    assert moved is not None
    assert await sql.move_intake(two, limit=100) is None
    assert (await sql.select_source(two)).has_intake
    await transaction.rollback()
    await move_all(two)
    assert ("users", user_id) in [(kind, row_id) for _, kind, row_id in await log_of(two)]
    assert not (await sql.select_source(two)).has_intake
    await one.close()
    await two.close()


async def test_it_is_forgotten_by_age_and_by_number(database_url: str, user_id: int) -> None:
    conn = await asyncpg.connect(database_url)
    insert = "INSERT INTO rooms (name, name_key) SELECT 'r' || n, 'r' || n "
    await conn.execute(insert + "FROM generate_series(1, 30) AS n")
    await move_all(conn)
    end = (await sql.select_source(conn)).position
    assert await sql.forget_log(conn, older_than_s=3600, beyond=end, step=5) is None
    assert await sql.forget_log(conn, older_than_s=3600, beyond=20, step=5) == 5
    assert await sql.forget_log(conn, older_than_s=3600, beyond=20, step=100) == end - 20
    assert await sql.forget_log(conn, older_than_s=3600, beyond=20, step=100) is None
    assert (await sql.select_source(conn)).forgotten == end - 20
    assert [position for position, _, _ in await log_of(conn)] == [*range(end - 19, end + 1)]
    await conn.execute("UPDATE search_log SET moved_at = now() - interval '2 hours'")
    assert await sql.forget_log(conn, older_than_s=3600, beyond=end, step=100) == end
    assert await log_of(conn) == []
    await conn.close()
