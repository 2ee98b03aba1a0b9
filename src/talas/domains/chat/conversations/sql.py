"""Conversations as one of the two sees them."""

import msgspec

from talas.core.database import Connection
from talas.domains.chat.sql import Message

MAX_UNREAD = 1000


class Talk(msgspec.Struct, frozen=True):
    """A conversation with the other side's account. ``unread`` looks at MAX_UNREAD messages."""

    seq: int
    read_seq: int
    unread: int
    user_id: int
    username: str
    avatar: str | None


_COLUMNS = len(Talk.__struct_fields__)

_MINE = """mine AS MATERIALIZED (
  SELECT id, seq, user_high AS other_id
  FROM conversations
  WHERE user_low = $1 AND seq > 0
  UNION ALL
  SELECT id, seq, user_low
  FROM conversations
  WHERE user_high = $1 AND user_low <> $1 AND seq > 0
)"""

# S608 below: what is put together are constants of this file. The newest message of each is one
# step along an index.
SELECT_TALKS = f"""
WITH {_MINE}, page AS MATERIALIZED (
  SELECT mine.id, mine.seq, mine.other_id, newest.id AS last_id
  FROM mine
  CROSS JOIN LATERAL (
    SELECT id
    FROM messages
    WHERE conversation_id = mine.id
    ORDER BY id DESC
    LIMIT 1
  ) AS newest
  ORDER BY newest.id DESC
  LIMIT $2 OFFSET $3
)
SELECT page.seq, coalesce(mark.read_seq, 0), (
    SELECT count(*)
    FROM (
      SELECT from_user, deleted_at
      FROM messages
      WHERE conversation_id = page.id AND seq > coalesce(mark.read_seq, 0)
      ORDER BY seq DESC
      LIMIT {MAX_UNREAD}
    ) AS latest
    WHERE latest.from_user <> $1 AND latest.deleted_at IS NULL
  ),
  other.id, other.username, other.avatar,
  m.id, m.seq, m.room_id, m.conversation_id, m.room, m.from_user, author.username, m.to_user,
  m.content, m."timestamp", m.client_id, m.reply_to, m.edited_at, m.deleted_at, m.pinned_at,
  m.attachments, m.mentions
FROM page
JOIN users AS other ON other.id = page.other_id
JOIN messages AS m ON m.id = page.last_id
JOIN users AS author ON author.id = m.from_user
LEFT JOIN conversation_reads AS mark ON mark.conversation_id = page.id AND mark.user_id = $1
ORDER BY page.last_id DESC
"""  # noqa: S608


async def select_talks(
    conn: Connection, user_id: int, *, limit: int, offset: int
) -> list[tuple[Talk, Message]]:
    """Each with its newest message, the newest first."""
    rows = await conn.fetch(SELECT_TALKS, user_id, limit, offset)
    return [(Talk(*row[:_COLUMNS]), Message(*row[_COLUMNS:])) for row in rows]


COUNT_TALKS = f"""
WITH {_MINE}
SELECT count(*)
FROM mine
"""  # noqa: S608


async def count_talks(conn: Connection, user_id: int) -> int:
    return int(await conn.fetchval(COUNT_TALKS, user_id))
