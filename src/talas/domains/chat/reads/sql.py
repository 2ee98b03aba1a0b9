"""Read marks, and what a user prefers in chat."""

import msgspec

from talas.core.database import Connection, as_row


class Preferences(msgspec.Struct, frozen=True):
    """``share_reads``: whether the other side of a conversation learns what was read.
    ``email_digest``: whether what stays unread is told of by e-mail."""

    share_reads: bool
    email_digest: bool


class RoomMark(msgspec.Struct, frozen=True):
    """Locked. ``seq`` is the room's."""

    read_seq: int
    seq: int


LOCK_ROOM_MARK = """
SELECT m.read_seq, r.seq
FROM room_members AS m
JOIN rooms AS r ON r.id = m.room_id
WHERE m.room_id = $1 AND m.user_id = $2
FOR NO KEY UPDATE OF m
"""


async def lock_room_mark(conn: Connection, room_id: int, user_id: int) -> RoomMark | None:
    """None for who is no member."""
    return as_row(RoomMark, await conn.fetchrow(LOCK_ROOM_MARK, room_id, user_id))


UPDATE_ROOM_MARK = """
UPDATE room_members
SET read_seq = $3
WHERE room_id = $1 AND user_id = $2
"""


async def update_room_mark(conn: Connection, room_id: int, user_id: int, seq: int) -> None:
    await conn.execute(UPDATE_ROOM_MARK, room_id, user_id, seq)


UPSERT_CONVERSATION_MARK = """
INSERT INTO conversation_reads AS known (conversation_id, user_id, read_seq)
SELECT id, $2, least($3::BIGINT, seq)
FROM conversations
WHERE id = $1
ON CONFLICT (conversation_id, user_id) DO UPDATE SET read_seq = excluded.read_seq
WHERE known.read_seq < excluded.read_seq
RETURNING read_seq
"""


async def upsert_conversation_mark(
    conn: Connection, conversation_id: int, user_id: int, seq: int
) -> int | None:
    """The mark, no higher than the conversation's ``seq``; None where it was there already."""
    moved: int | None = await conn.fetchval(UPSERT_CONVERSATION_MARK, conversation_id, user_id, seq)
    return moved


SELECT_CONVERSATION_MARK = """
SELECT read_seq
FROM conversation_reads
WHERE conversation_id = $1 AND user_id = $2
"""


async def select_conversation_mark(conn: Connection, conversation_id: int, user_id: int) -> int:
    return int(await conn.fetchval(SELECT_CONVERSATION_MARK, conversation_id, user_id) or 0)


# S608 below: what is put together are constants of this file. In the order of ids, as all who lock
# several.
def _update_notifications(place: str) -> str:
    return f"""
UPDATE notifications
SET read_at = now()
WHERE id IN (
  SELECT n.id
  FROM notifications AS n
  JOIN messages AS m ON m.id = n.message_id
  WHERE n.user_id = $1 AND n.read_at IS NULL AND m.{place} = $2 AND m.seq <= $3
  ORDER BY n.id
  FOR NO KEY UPDATE OF n
)
"""  # noqa: S608


UPDATE_ROOM_NOTIFICATIONS = _update_notifications("room_id")
UPDATE_CONVERSATION_NOTIFICATIONS = _update_notifications("conversation_id")


async def update_room_notifications(conn: Connection, user_id: int, room_id: int, seq: int) -> None:
    """What tells of messages of the room up to ``seq`` is read."""
    await conn.execute(UPDATE_ROOM_NOTIFICATIONS, user_id, room_id, seq)


async def update_conversation_notifications(
    conn: Connection, user_id: int, conversation_id: int, seq: int
) -> None:
    """As ``update_room_notifications``."""
    await conn.execute(UPDATE_CONVERSATION_NOTIFICATIONS, user_id, conversation_id, seq)


SELECT_SHARES_READS = """
SELECT coalesce((SELECT share_reads FROM chat_preferences WHERE user_id = $1), true)
  AND NOT EXISTS (
    SELECT
    FROM user_blocks
    WHERE (blocker_id, blocked_id) IN (($1, $2), ($2, $1))
  )
"""


async def select_shares_reads(conn: Connection, reader_id: int, other_id: int) -> bool:
    """Whether the other one learns what the reader has read: not who has blocked or is blocked."""
    return bool(await conn.fetchval(SELECT_SHARES_READS, reader_id, other_id))


SELECT_PREFERENCES = """
SELECT share_reads, email_digest
FROM chat_preferences
WHERE user_id = $1
"""


async def select_preferences(conn: Connection, user_id: int) -> Preferences | None:
    """None where nothing was ever changed."""
    return as_row(Preferences, await conn.fetchrow(SELECT_PREFERENCES, user_id))


UPSERT_PREFERENCES = """
INSERT INTO chat_preferences AS known (user_id, share_reads, email_digest)
VALUES ($1, coalesce($2, true), coalesce($3, true))
ON CONFLICT (user_id) DO UPDATE
SET share_reads = coalesce($2, known.share_reads),
  email_digest = coalesce($3, known.email_digest)
RETURNING share_reads, email_digest
"""


async def upsert_preferences(
    conn: Connection, user_id: int, *, share_reads: bool | None, email_digest: bool | None
) -> Preferences:
    """What is None stays."""
    record = await conn.fetchrow(UPSERT_PREFERENCES, user_id, share_reads, email_digest)
    preferences = as_row(Preferences, record)
    assert preferences is not None
    return preferences
