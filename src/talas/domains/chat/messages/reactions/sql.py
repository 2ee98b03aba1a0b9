"""Who has reacted to messages, and with what."""

from datetime import datetime

import msgspec

from talas.core.database import Connection, as_rows
from talas.domains.chat.schemas import Reaction


class Reacting(msgspec.Struct, frozen=True):
    emoji: str
    user_id: int
    username: str
    avatar: str | None
    created_at: datetime


SELECT_HAS_REACTED = """
SELECT
  EXISTS (SELECT FROM message_reactions WHERE message_id = $1 AND emoji = $2 AND user_id = $3),
  EXISTS (SELECT FROM message_reactions WHERE message_id = $1 AND emoji = $2)
"""


async def select_has_reacted(
    conn: Connection, message_id: int, emoji: str, user_id: int
) -> tuple[bool, bool]:
    """Whether the user has so reacted, and whether anybody has."""
    row = await conn.fetchrow(SELECT_HAS_REACTED, message_id, emoji, user_id)
    assert row is not None
    return row[0], row[1]


# From one to the next along the key: many may have reacted with each.
COUNT_EMOJI = """
WITH RECURSIVE kinds AS (
  (
    SELECT emoji
    FROM message_reactions
    WHERE message_id = $1
    ORDER BY emoji
    LIMIT 1
  )
  UNION ALL
  SELECT (
    SELECT r.emoji
    FROM message_reactions AS r
    WHERE r.message_id = $1 AND r.emoji > kinds.emoji
    ORDER BY r.emoji
    LIMIT 1
  )
  FROM kinds
  WHERE kinds.emoji IS NOT NULL
)
SELECT count(emoji)
FROM kinds
"""


async def count_emoji(conn: Connection, message_id: int) -> int:
    """How many different ones the message has."""
    return int(await conn.fetchval(COUNT_EMOJI, message_id))


INSERT_REACTION = """
INSERT INTO message_reactions (message_id, emoji, user_id)
VALUES ($1, $2, $3)
"""


async def insert_reaction(conn: Connection, message_id: int, emoji: str, user_id: int) -> None:
    await conn.execute(INSERT_REACTION, message_id, emoji, user_id)


DELETE_REACTION = """
DELETE FROM message_reactions
WHERE message_id = $1 AND emoji = $2 AND user_id = $3
RETURNING true
"""


async def delete_reaction(conn: Connection, message_id: int, emoji: str, user_id: int) -> bool:
    """Whether it was there."""
    return bool(await conn.fetchval(DELETE_REACTION, message_id, emoji, user_id))


SELECT_REACTIONS = """
SELECT message_id, emoji, count(*), bool_or(user_id = $2)
FROM message_reactions
WHERE message_id = ANY($1::INT[])
GROUP BY message_id, emoji
ORDER BY message_id, min(created_at), emoji
"""


async def select_reactions(
    conn: Connection, message_ids: list[int], user_id: int
) -> dict[int, list[Reaction]]:
    """By message, in the order in which they were first used."""
    found: dict[int, list[Reaction]] = {}
    for message_id, emoji, number, mine in await conn.fetch(SELECT_REACTIONS, message_ids, user_id):
        found.setdefault(message_id, []).append(Reaction(emoji, number, mine))
    return found


SELECT_REACTING = """
SELECT r.emoji, u.id, u.username, u.avatar, r.created_at
FROM message_reactions AS r
JOIN users AS u ON u.id = r.user_id
WHERE r.message_id = $1 AND ($2::TEXT IS NULL OR r.emoji = $2)
ORDER BY r.emoji, r.user_id
LIMIT $3 OFFSET $4
"""


async def select_reacting(
    conn: Connection, message_id: int, emoji: str | None, *, limit: int, offset: int
) -> list[Reacting]:
    return as_rows(Reacting, await conn.fetch(SELECT_REACTING, message_id, emoji, limit, offset))


COUNT_REACTING = """
SELECT count(*)
FROM message_reactions
WHERE message_id = $1 AND ($2::TEXT IS NULL OR emoji = $2)
"""


async def count_reacting(conn: Connection, message_id: int, emoji: str | None) -> int:
    return int(await conn.fetchval(COUNT_REACTING, message_id, emoji))
