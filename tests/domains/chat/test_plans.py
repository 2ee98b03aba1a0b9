"""Hot statements use an index, also where there is much to read."""

from datetime import UTC, datetime

import asyncpg
import pytest
from tests.builders.chat import unique_name
from tests.domains.chat.conftest import MakePerson

from talas.domains.chat import sql
from talas.domains.chat.access import name_key
from talas.domains.chat.histories import sql as histories

ROWS = 100_000


@pytest.fixture
async def filled(db: asyncpg.Connection, make_person: MakePerson) -> asyncpg.Connection:
    """Many rooms, conversations and messages; most messages are in room 1."""
    ann = await make_person()
    await db.execute(
        """
        INSERT INTO rooms (name, name_key) SELECT 'r' || n, 'r' || n FROM generate_series(1, 5000) n
        """
    )
    await db.execute(
        """
        INSERT INTO users (username, email, password_hash)
        SELECT 'u' || n, 'u' || n, '' FROM generate_series(1, 5000) AS n
        """
    )
    await db.execute(
        "INSERT INTO room_members (room_id, user_id) "
        "SELECT r.id, u.id FROM rooms r CROSS JOIN users u WHERE r.id % 50 = u.id % 50 LIMIT 100000"
    )
    await db.execute(
        "INSERT INTO conversations (user_low, user_high, seq) SELECT $1, id, 5 FROM users "
        "WHERE id > $1",
        ann.id,
    )
    await db.execute(
        f"""
        INSERT INTO messages (from_user, room, room_id, content, seq, client_id, timestamp)
        SELECT $1, 'x', 1 + (n % 5) / 4 * (n % 4000), 'hello', n, gen_random_uuid(),
            '2024-01-01'::timestamptz + n * interval '1 s'
        FROM generate_series(1, {ROWS}) AS n
        """,
        ann.id,
    )
    await db.execute(
        """
        INSERT INTO messages (from_user, to_user, conversation_id, content, seq, timestamp)
        SELECT user_low, user_high, id, 'hello', n, now()
        FROM conversations, generate_series(1, 5) AS n
        """
    )
    await db.execute(
        "INSERT INTO room_removals (room_id, user_id, removed_by) "
        "SELECT r.id, u.id, $1 FROM rooms r CROSS JOIN users u WHERE r.id % 500 = u.id % 500",
        ann.id,
    )
    await db.execute(
        "INSERT INTO user_blocks (blocker_id, blocked_id) "
        "SELECT a.id, b.id FROM users a CROSS JOIN users b "
        "WHERE a.id % 500 = b.id % 500 AND a.id <> b.id"
    )
    await db.execute("ANALYZE")
    return db


async def test_no_hot_statement_reads_a_whole_table(filled: asyncpg.Connection) -> None:
    instant = await filled.fetchval("SELECT '2024-01-01 12:00+00'::timestamptz")
    client_id = await filled.fetchval("SELECT client_id FROM messages WHERE seq = 500 LIMIT 1")
    user_id = await filled.fetchval("SELECT min(user_low) FROM conversations")
    hot: dict[str, tuple[object, ...]] = {
        sql.SELECT_ROOM: (name_key(unique_name("R")), user_id),
        sql.SELECT_SPEAKERS: ([1, 2], [user_id, user_id]),
        sql.LOCK_ROOMS: ([1, 2, 3],),
        sql.LOCK_CONVERSATIONS: ([user_id], [user_id + 1]),
        sql.SELECT_ACTIVE_NAMES: ([user_id],),
        sql.SELECT_IS_SUSPENDED: (user_id,),
        sql.SELECT_PEER: (user_id, user_id + 1),
        sql.SELECT_REPLIED: ([1, 2],),
        sql.SELECT_ALREADY_SENT: ([user_id], [client_id]),
        histories.SELECT_ROOM_HISTORY: (1, histories.ANY_ID, 50),
        histories.SELECT_ROOM_HISTORY_BEFORE: (1, instant, 50),
        histories.SELECT_CONVERSATION_HISTORY: (1, histories.ANY_ID, 50),
        histories.SELECT_CONVERSATION_HISTORY_BEFORE: (1, instant, 50),
        sql.SELECT_MESSAGE_EXISTS: (1, 1, datetime.now(UTC)),
    }
    for statement, arguments in hot.items():
        rows = await filled.fetch(f"EXPLAIN {statement}", *arguments)
        plan = "\n".join(row[0] for row in rows)
        assert "Seq Scan" not in plan, plan
        assert "Sort" not in plan or "history" not in statement, plan
