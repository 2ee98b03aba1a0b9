"""Messages after they were sent: what is changed of them, and what belongs to them."""

from datetime import datetime

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.domains.chat.sql import SELECT_MESSAGES, Message


class HeldConversation(msgspec.Struct, frozen=True):
    """Locked. ``blocked``: the other side has blocked who asks."""

    id: int
    user_low: int
    user_high: int
    seq: int
    blocked: bool


class EarlierContent(msgspec.Struct, frozen=True):
    """What a message said before, and when that was replaced."""

    content: str
    edited_at: datetime


LOCK_CONVERSATION = """
SELECT c.id, c.user_low, c.user_high, c.seq,
  EXISTS (
    SELECT
    FROM user_blocks AS b
    WHERE b.blocker_id = c.user_low + c.user_high - $2 AND b.blocked_id = $2
  )
FROM conversations AS c
WHERE c.id = $1
FOR NO KEY UPDATE OF c
"""


async def lock_conversation(
    conn: Connection, conversation_id: int, user_id: int
) -> HeldConversation | None:
    """Until the transaction ends, nothing else takes a ``seq`` of it. Who asks is one of the two;
    None where there is no such conversation."""
    record = await conn.fetchrow(LOCK_CONVERSATION, conversation_id, user_id)
    return as_row(HeldConversation, record)


SELECT_ROLE = """
SELECT role
FROM room_members
WHERE room_id = $1 AND user_id = $2
"""


async def select_role(conn: Connection, room_id: int, user_id: int) -> str | None:
    """None for who is no member."""
    role: str | None = await conn.fetchval(SELECT_ROLE, room_id, user_id)
    return role


COUNT_EDITS = """
SELECT count(*)
FROM message_edits
WHERE message_id = $1
"""


async def count_edits(conn: Connection, message_id: int) -> int:
    return int(await conn.fetchval(COUNT_EDITS, message_id))


UPDATE_CONTENT = """
WITH earlier AS (
  INSERT INTO message_edits (message_id, content, edited_at)
  SELECT id, content, clock_timestamp()
  FROM messages
  WHERE id = $1
)
UPDATE messages
SET content = $2, mentions = $3, edited_at = clock_timestamp()
WHERE id = $1
"""


async def update_content(
    conn: Connection, message_id: int, content: str, mentions: list[int] | None
) -> None:
    """Keeps what it said before."""
    await conn.execute(UPDATE_CONTENT, message_id, content, mentions)


# Who is mentioned no more must not be told of it any longer.
DELETE_OTHER_MENTIONS = """
WITH gone AS (
  DELETE FROM message_mentions
  WHERE message_id = $1 AND user_id <> ALL($2::INT[])
  RETURNING user_id
)
DELETE FROM notifications AS n
USING gone
WHERE n.message_id = $1 AND n.user_id = gone.user_id AND n.kind = 'mention'
"""


async def delete_other_mentions(conn: Connection, message_id: int, user_ids: list[int]) -> None:
    """All but those of these users, and the notifications of them."""
    await conn.execute(DELETE_OTHER_MENTIONS, message_id, user_ids)


# One statement with all that hangs on the message: the row stays as its tombstone.
UPDATE_DELETED = """
WITH edits AS (
  DELETE FROM message_edits
  WHERE message_id = $1
), reactions AS (
  DELETE FROM message_reactions
  WHERE message_id = $1
), mentions AS (
  DELETE FROM message_mentions
  WHERE message_id = $1
), uploads AS (
  DELETE FROM message_uploads
  WHERE message_id = $1
), told AS (
  DELETE FROM notifications
  WHERE message_id = $1
)
UPDATE messages
SET content = '', attachments = NULL, mentions = NULL, pinned_at = NULL,
  deleted_at = clock_timestamp()
WHERE id = $1
"""


async def update_deleted(conn: Connection, message_id: int) -> None:
    """Nothing stays of what it said, of its edits, reactions, mentions and notifications."""
    await conn.execute(UPDATE_DELETED, message_id)


UPDATE_PINNED = """
UPDATE messages
SET pinned_at = CASE WHEN $2 THEN clock_timestamp() END
WHERE id = $1
"""


async def update_pinned(conn: Connection, message_id: int, *, pinned: bool) -> None:
    await conn.execute(UPDATE_PINNED, message_id, pinned)


# S608 below: what is put together are constants of this file.
def _count_pins(place: str) -> str:
    return f"""
SELECT count(*)
FROM messages
WHERE {place} = $1 AND pinned_at IS NOT NULL
"""  # noqa: S608


COUNT_ROOM_PINS = _count_pins("room_id")
COUNT_CONVERSATION_PINS = _count_pins("conversation_id")


async def count_room_pins(conn: Connection, room_id: int) -> int:
    return int(await conn.fetchval(COUNT_ROOM_PINS, room_id))


async def count_conversation_pins(conn: Connection, conversation_id: int) -> int:
    return int(await conn.fetchval(COUNT_CONVERSATION_PINS, conversation_id))


def _select_pins(place: str) -> str:
    return f"""
{SELECT_MESSAGES}
WHERE m.{place} = $1 AND m.pinned_at IS NOT NULL AND m.seq > $2
ORDER BY m.pinned_at DESC, m.id DESC
"""


SELECT_ROOM_PINS = _select_pins("room_id")
SELECT_CONVERSATION_PINS = _select_pins("conversation_id")


async def select_room_pins(conn: Connection, room_id: int, visible_from: int) -> list[Message]:
    """Pinned last first; those with a higher ``seq`` than this."""
    return as_rows(Message, await conn.fetch(SELECT_ROOM_PINS, room_id, visible_from))


async def select_conversation_pins(conn: Connection, conversation_id: int) -> list[Message]:
    """Pinned last first."""
    return as_rows(Message, await conn.fetch(SELECT_CONVERSATION_PINS, conversation_id, 0))


SELECT_BY_IDS = f"""
{SELECT_MESSAGES}
WHERE m.id = ANY($1::INT[])
ORDER BY m.id DESC
"""


async def select_by_ids(conn: Connection, message_ids: list[int]) -> list[Message]:
    """Newest first; who may see them is for who asks."""
    return as_rows(Message, await conn.fetch(SELECT_BY_IDS, message_ids))


SELECT_EDITS = """
SELECT content, edited_at
FROM message_edits
WHERE message_id = $1
ORDER BY id
"""


async def select_edits(conn: Connection, message_id: int) -> list[EarlierContent]:
    """Oldest first."""
    return as_rows(EarlierContent, await conn.fetch(SELECT_EDITS, message_id))


# The newest of the messages that mention the user, whatever place they stand in; what the user may
# see no longer is left out, and what was deleted mentions nobody.
_VISIBLE_MENTIONS = """
FROM message_mentions AS mine
JOIN messages AS m ON m.id = mine.message_id
JOIN rooms AS r ON r.id = m.room_id
LEFT JOIN room_members AS seat ON seat.room_id = r.id AND seat.user_id = mine.user_id
WHERE mine.user_id = $1 AND m.deleted_at IS NULL AND r.kind <> 'deleted'
  AND (NOT r.is_private OR seat.role IS NOT NULL)
  AND (r.history = 'start' OR m.seq > seat.joined_seq)
"""

SELECT_MENTIONS_OF = f"""
WITH page AS (
  SELECT mine.message_id AS id
  {_VISIBLE_MENTIONS}
  ORDER BY mine.message_id DESC
  LIMIT $2 OFFSET $3
)
{SELECT_MESSAGES}
JOIN page ON page.id = m.id
ORDER BY m.id DESC
"""


async def select_mentions_of(
    conn: Connection, user_id: int, *, limit: int, offset: int
) -> list[Message]:
    """Newest first."""
    return as_rows(Message, await conn.fetch(SELECT_MENTIONS_OF, user_id, limit, offset))


COUNT_MENTIONS_OF = f"""
SELECT count(*)
{_VISIBLE_MENTIONS}
"""


async def count_mentions_of(conn: Connection, user_id: int) -> int:
    return int(await conn.fetchval(COUNT_MENTIONS_OF, user_id))


# Who is no member of a room that shows only what came after joining sees nothing of it yet.
SELECT_MENTIONED = """
SELECT asked.room_id, asked.name, u.id
FROM unnest($1::INT[], $2::TEXT[]) AS asked (room_id, name)
JOIN users AS u ON lower(u.username) = asked.name AND u.status = 'active'
JOIN rooms AS r ON r.id = asked.room_id
WHERE (NOT r.is_private AND r.history = 'start')
  OR EXISTS (SELECT FROM room_members AS m WHERE m.room_id = r.id AND m.user_id = u.id)
"""


async def select_mentioned(
    conn: Connection, asked: list[tuple[int, str]]
) -> dict[tuple[int, str], int]:
    """For pairs of a room and a username in small letters: those active users who may read what is
    said there now."""
    rows = await conn.fetch(
        SELECT_MENTIONED, [room_id for room_id, _ in asked], [name for _, name in asked]
    )
    return {(row[0], row[1]): row[2] for row in rows}


# A retry finds them there; in the order of the key, as all who write many.
INSERT_MENTIONS = """
INSERT INTO message_mentions (user_id, message_id)
SELECT new.user_id, new.message_id
FROM unnest($1::INT[], $2::INT[]) AS new (user_id, message_id)
ORDER BY new.user_id, new.message_id
ON CONFLICT (user_id, message_id) DO NOTHING
"""


async def insert_mentions(conn: Connection, user_ids: list[int], message_ids: list[int]) -> None:
    await conn.execute(INSERT_MENTIONS, user_ids, message_ids)
