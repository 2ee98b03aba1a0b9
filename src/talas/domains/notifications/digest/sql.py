"""Whom to tell by mail of what they missed."""

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.domains.notifications.sql import HERE, ShownRow, shown


class PersonRow(msgspec.Struct, frozen=True):
    """``due``: is to be told now."""

    user_id: int
    due: bool


class RecipientRow(msgspec.Struct, frozen=True):
    username: str
    email: str


class DigestRow(ShownRow, frozen=True):
    """With how many there are of each kind, of all that belong into the mail."""

    dms: int
    mentions: int
    replies: int
    invitations: int


# S608 below: what is put together are constants of this file and of the one it imports.

# From one person to the next along the index, whatever each has missed. What is older than a week
# brings no mail by itself: that may be all there was before mail was set up.
SELECT_PEOPLE = f"""
WITH RECURSIVE people AS (
  (
    SELECT user_id
    FROM notifications
    WHERE read_at IS NULL AND mailed_at IS NULL AND user_id > $1
    ORDER BY user_id
    LIMIT 1
  )
  UNION ALL
  SELECT (
    SELECT n.user_id
    FROM notifications AS n
    WHERE n.read_at IS NULL AND n.mailed_at IS NULL AND n.user_id > people.user_id
    ORDER BY n.user_id
    LIMIT 1
  )
  FROM people
  WHERE people.user_id IS NOT NULL
), some_people AS (
  SELECT user_id
  FROM people
  WHERE user_id IS NOT NULL
  LIMIT $2
)
SELECT
  u.id,
  u.status = 'active'
    AND coalesce(own.email_digest, true)
    AND newest.created_at BETWEEN now() - interval '7 days' AND now() - make_interval(secs => $3)
    AND NOT EXISTS ({HERE} AND p.user_id = u.id AND p.room_id = 0)
FROM some_people AS s
JOIN users AS u ON u.id = s.user_id
LEFT JOIN chat_preferences AS own ON own.user_id = u.id
CROSS JOIN LATERAL (
  SELECT n.created_at
  FROM notifications AS n
  WHERE n.user_id = u.id AND n.read_at IS NULL AND n.mailed_at IS NULL
  ORDER BY n.created_at DESC
  LIMIT 1
) AS newest
ORDER BY u.id
"""  # noqa: S608


async def select_people(
    conn: Connection, *, after_id: int, limit: int, quiet_s: int
) -> list[PersonRow]:
    """Who has unread notifications that no mail told of, by id. Due are those who are active, want
    mails, are nowhere online, and were left alone for ``quiet_s``."""
    return as_rows(PersonRow, await conn.fetch(SELECT_PEOPLE, after_id, limit, quiet_s))


# A statement of its own, so that the next one sees what the last holder has marked.
TRY_LOCK_DIGEST = """
SELECT pg_try_advisory_xact_lock($1, $2)
"""
# Any number that nobody else locks with.
_LOCK = 0x6D61696C

# What the user is marking as read in this moment is left out.
UPDATE_MAILED = """
WITH claimed AS (
  SELECT id
  FROM notifications
  WHERE user_id = $1 AND read_at IS NULL AND mailed_at IS NULL
    AND NOT EXISTS (
      SELECT
      FROM notifications AS newer
      WHERE newer.user_id = $1 AND newer.read_at IS NULL AND newer.mailed_at IS NULL
        AND newer.created_at > now() - make_interval(secs => $2)
    )
  ORDER BY id
  FOR UPDATE SKIP LOCKED
)
UPDATE notifications AS n
SET mailed_at = now()
FROM claimed
WHERE n.id = claimed.id
RETURNING n.id
"""
UPDATE_NOT_MAILED = """
UPDATE notifications
SET mailed_at = NULL
WHERE id = ANY($1::bigint[])
"""
SELECT_RECIPIENT = """
SELECT username, email
FROM users
WHERE id = $1 AND status = 'active'
"""
# Only what the reader may still see, and nothing from whom they have blocked since.
SELECT_DIGEST = f"""{
    shown(
        "notifications",
        "count(*) FILTER (WHERE n.kind = 'dm') OVER ()",
        "count(*) FILTER (WHERE n.kind = 'mention') OVER ()",
        "count(*) FILTER (WHERE n.kind = 'reply') OVER ()",
        "count(*) FILTER (WHERE n.kind = 'invitation') OVER ()",
    )
}
WHERE n.id = ANY($1::bigint[])
  AND (m.id IS NOT NULL OR (n.message_id IS NULL AND r.id IS NOT NULL))
  AND NOT EXISTS (
    SELECT FROM user_blocks AS b WHERE b.blocker_id = n.user_id AND b.blocked_id = n.actor_id
  )
ORDER BY n.id DESC
LIMIT $2
"""


async def update_mailed(conn: Connection, user_id: int, *, quiet_s: int) -> list[int]:
    """Ids of what is to be told of now, and is marked as told of; none if the user was not left
    alone after all, or another worker is at it. In a transaction."""
    if not await conn.fetchval(TRY_LOCK_DIGEST, _LOCK, user_id):
        return []
    return [row[0] for row in await conn.fetch(UPDATE_MAILED, user_id, quiet_s)]


async def update_not_mailed(conn: Connection, notification_ids: list[int]) -> None:
    await conn.execute(UPDATE_NOT_MAILED, notification_ids)


async def select_recipient(conn: Connection, user_id: int) -> RecipientRow | None:
    return as_row(RecipientRow, await conn.fetchrow(SELECT_RECIPIENT, user_id))


async def select_digest(
    conn: Connection, notification_ids: list[int], *, limit: int
) -> list[DigestRow]:
    """The newest of these, newest first."""
    return as_rows(DigestRow, await conn.fetch(SELECT_DIGEST, notification_ids, limit))


UPSERT_NO_DIGEST = """
INSERT INTO chat_preferences (user_id, email_digest)
SELECT id, false
FROM users
WHERE id = $1
ON CONFLICT (user_id) DO UPDATE SET email_digest = false
"""


async def upsert_no_digest(conn: Connection, user_id: int) -> None:
    await conn.execute(UPSERT_NO_DIGEST, user_id)
