"""What is asked with every message, with every look at the bell, and every minute, reads little of
a table in which everybody has much."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.waiting import vacuum

from talas.domains.notifications import sql
from talas.domains.notifications.digest import sql as digest

PEOPLE, EACH = 200, 150
# Who has much and read nearly all of it; most of the others have read nothing.
READER = 7


@pytest.fixture
async def filled(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database_url)
    await conn.execute(
        f"""
        INSERT INTO users (username, email, password_hash)
        SELECT 'u' || n, 'u' || n, '' FROM generate_series(1, {PEOPLE}) AS n;
        INSERT INTO conversations (user_low, user_high, seq)
        SELECT 1, n, {EACH} FROM generate_series(2, {PEOPLE}) AS n;
        INSERT INTO messages (from_user, to_user, conversation_id, content, seq)
        SELECT 1, c.user_high, c.id, 'said', n
        FROM generate_series(1, {EACH}) AS n, conversations AS c;
        INSERT INTO notifications (user_id, kind, actor_id, message_id, read_at, created_at)
        SELECT to_user, 'dm', 1, id,
          CASE WHEN to_user = {READER} AND seq < {EACH} - 10 THEN now() END,
          now() - make_interval(hours => 1 + {EACH} - seq::int)
        FROM messages;
        INSERT INTO chat_nodes VALUES (gen_random_uuid());
        INSERT INTO chat_presence SELECT id, 0, n
        FROM chat_nodes, generate_series(1, {PEOPLE}, 2) AS n;
        """
    )
    await conn.execute("ANALYZE")
    await vacuum(conn, "notifications")
    yield conn
    await conn.close()


async def rows_read(conn: asyncpg.Connection, statement: str, *arguments: Any) -> float:
    """By the node of the plan that reads most; nothing is changed."""
    transaction = conn.transaction()
    await transaction.start()
    plan = await conn.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)
    await transaction.rollback()

    def most(node: dict[str, Any]) -> float:
        removed = node.get("Rows Removed by Filter", 0)
        removed += node.get("Rows Removed by Index Recheck", 0)
        read = (node["Actual Rows"] + removed) * node["Actual Loops"]
        return max([read, *map(most, node.get("Plans", []))])

    return most(json.loads(plan)[0]["Plan"])


Case = tuple[str, tuple[Any, ...], float]
CASES: list[Case] = [
    (sql.SELECT_PAGE, (READER, 20, 0), 21),
    (sql.SELECT_PAGE, (READER, 20, EACH - 20), EACH),
    (sql.SELECT_UNREAD_PAGE, (READER, 20, 0), 21),
    (sql.SELECT_UNREAD_PAGE, (8, 20, 0), 21),
    (sql.SELECT_SHOWN, ([5, 50, 500],), 3),
    (sql.COUNT_ALL, (READER,), EACH),
    (sql.COUNT_UNREAD, (READER,), 11),
    (sql.COUNT_UNREAD_AT_MOST, (8, 100), 100),
    (sql.UPDATE_READ, (77, READER), 1),
    (sql.UPDATE_READ_UP_TO, (8, 2**62, 50), 51),
    (sql.DELETE_OLD, (90, 100), 1),
    (digest.UPDATE_MAILED, (READER, 60), 11),
    # A few looks for each person, whatever each has missed.
    (digest.SELECT_PEOPLE, (0, 50, 60), PEOPLE),
    (digest.SELECT_PEOPLE, (PEOPLE - 50, 1000, 60), PEOPLE),
    (sql.INSERT_NOTIFICATIONS, ([8, 9, READER], ["dm"] * 3, [1] * 3, [None] * 3, [1, 2, 3]), 6),
]


async def test_each_reads_about_what_it_answers(filled: asyncpg.Connection) -> None:
    too_much = [
        (statement, arguments, read)
        for statement, arguments, most in CASES
        if (read := await rows_read(filled, statement, *arguments)) > most
    ]
    assert too_much == []
