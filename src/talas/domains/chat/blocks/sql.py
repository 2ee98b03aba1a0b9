"""Who has blocked whom."""

from datetime import datetime

import msgspec

from talas.core.database import Connection, as_rows


class Blocked(msgspec.Struct, frozen=True):
    """An account that one has blocked."""

    id: int
    username: str
    avatar: str | None
    blocked_at: datetime


LOCK_BLOCKER = """
SELECT
FROM users
WHERE id = $1
FOR NO KEY UPDATE
"""


async def lock_blocker(conn: Connection, user_id: int) -> None:
    """Until the transaction ends, nobody else adds to what the user blocks."""
    await conn.execute(LOCK_BLOCKER, user_id)


INSERT_BLOCK = """
INSERT INTO user_blocks (blocker_id, blocked_id)
VALUES ($1, $2)
ON CONFLICT (blocker_id, blocked_id) DO NOTHING
"""


async def insert_block(conn: Connection, blocker_id: int, blocked_id: int) -> None:
    """One that is there stays as it is."""
    await conn.execute(INSERT_BLOCK, blocker_id, blocked_id)


DELETE_BLOCK = """
DELETE FROM user_blocks
WHERE blocker_id = $1 AND blocked_id = $2
RETURNING true
"""


async def delete_block(conn: Connection, blocker_id: int, blocked_id: int) -> bool:
    """Whether it was there."""
    return bool(await conn.fetchval(DELETE_BLOCK, blocker_id, blocked_id))


SELECT_BLOCKS = """
SELECT u.id, u.username, u.avatar, b.created_at
FROM user_blocks AS b
JOIN users AS u ON u.id = b.blocked_id
WHERE b.blocker_id = $1 AND u.status <> 'deleted'
ORDER BY b.created_at DESC, b.blocked_id DESC
LIMIT $2 OFFSET $3
"""


async def select_blocks(
    conn: Connection, blocker_id: int, *, limit: int, offset: int
) -> list[Blocked]:
    return as_rows(Blocked, await conn.fetch(SELECT_BLOCKS, blocker_id, limit, offset))


COUNT_BLOCKS = """
SELECT count(*)
FROM user_blocks AS b
JOIN users AS u ON u.id = b.blocked_id
WHERE b.blocker_id = $1 AND u.status <> 'deleted'
"""


async def count_blocks(conn: Connection, blocker_id: int) -> int:
    return int(await conn.fetchval(COUNT_BLOCKS, blocker_id))
