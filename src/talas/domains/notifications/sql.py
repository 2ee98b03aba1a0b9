"""Notifications: what concerns a user who was not there."""

from datetime import datetime

import msgspec

from talas.core.database import Connection, as_rows


class InsertedRow(msgspec.Struct, frozen=True):
    id: int
    user_id: int
    kind: str


class ShownRow(msgspec.Struct, frozen=True):
    """``room`` is None in a conversation and where the user may not see the room; ``message_id``,
    ``seq`` and ``excerpt`` are where there is no message that the user may see."""

    id: int
    kind: str
    created_at: datetime
    read_at: datetime | None
    from_id: int
    from_username: str
    room: str | None
    title: str | None
    message_id: int | None
    seq: int | None
    excerpt: str | None


# What a chat process said of its sockets counts as long as it is seen. The clock is read anew: a
# transaction may have waited for a lock.
HERE = """
SELECT
FROM chat_presence AS p
JOIN chat_nodes AS c ON c.id = p.node_id
WHERE c.seen_at > clock_timestamp() - interval '20 s'
"""

# Of a room that shows only what came after joining, who is no member sees nothing.
INSERT_NOTIFICATIONS = f"""
INSERT INTO notifications (user_id, kind, actor_id, room_id, message_id)
SELECT new.user_id, new.kind, new.actor_id, new.room_id, new.message_id
FROM unnest($1::int[], $2::text[], $3::int[], $4::int[], $5::int[]) WITH ORDINALITY
  AS new (user_id, kind, actor_id, room_id, message_id, place)
JOIN users AS u ON u.id = new.user_id AND u.status = 'active'
LEFT JOIN rooms AS r ON r.id = new.room_id
LEFT JOIN room_members AS m ON m.room_id = new.room_id AND m.user_id = new.user_id
WHERE NOT EXISTS ({HERE} AND p.user_id = new.user_id AND p.room_id = coalesce(new.room_id, 0))
  AND NOT EXISTS (
    SELECT FROM user_blocks AS b
    WHERE b.blocker_id = new.user_id AND b.blocked_id = new.actor_id
  )
  AND (
    new.room_id IS NULL
    OR m.user_id IS NOT NULL
    OR (NOT r.is_private AND r.history = 'start' AND r.kind <> 'deleted')
  )
ORDER BY new.place
ON CONFLICT (user_id, message_id) WHERE message_id IS NOT NULL DO NOTHING
RETURNING id, user_id, kind
"""  # noqa: S608 (a constant of this file)


async def insert_notifications(
    conn: Connection,
    *,
    user_ids: list[int],
    kinds: list[str],
    actor_ids: list[int],
    room_ids: list[int | None],
    message_ids: list[int],
) -> list[InsertedRow]:
    """Those that came into being: for active users who are not there (in the
    room, or anywhere for a direct message), may read the message, and have not blocked its author.
    A message that a user was notified of notifies no second time."""
    rows = await conn.fetch(INSERT_NOTIFICATIONS, user_ids, kinds, actor_ids, room_ids, message_ids)
    return as_rows(InsertedRow, rows)


INSERT_INVITATION = """
INSERT INTO notifications (user_id, kind, actor_id, room_id)
SELECT $1, 'invitation', $2, $3
WHERE NOT EXISTS (
  SELECT
  FROM notifications
  WHERE room_id = $3 AND user_id = $1 AND kind = 'invitation' AND read_at IS NULL
)
RETURNING id
"""


async def insert_invitation(
    conn: Connection, user_id: int, *, actor_id: int, room_id: int
) -> int | None:
    """None where one to this room waits to be read."""
    notification_id: int | None = await conn.fetchval(INSERT_INVITATION, user_id, actor_id, room_id)
    return notification_id


# S608 below: what is put together are constants of this file.
def shown(notifications: str, *more: str) -> str:
    """As far as the user may see it now: rooms and messages out of sight are as if not there."""
    return f"""
SELECT
  n.id, n.kind, n.created_at, n.read_at, n.actor_id, u.username, r.name, r.title, m.id, m.seq,
  {", ".join(("left(m.content, 201)", *more))}
FROM {notifications} AS n
JOIN users AS u ON u.id = n.actor_id
LEFT JOIN room_members AS own ON own.room_id = n.room_id AND own.user_id = n.user_id
LEFT JOIN rooms AS r
  ON r.id = n.room_id AND r.kind <> 'deleted' AND (NOT r.is_private OR own.user_id IS NOT NULL)
LEFT JOIN messages AS m
  ON m.id = n.message_id AND m.deleted_at IS NULL
    AND (n.room_id IS NULL OR r.id IS NOT NULL)
    AND (n.room_id IS NULL OR r.history = 'start' OR m.seq > own.joined_seq)
"""  # noqa: S608


def _page(condition: str) -> str:
    """What comes before the page is passed over along the index, before anything is joined."""
    rows = f"""(
  SELECT *
  FROM notifications
  WHERE {condition}
  ORDER BY id DESC
  LIMIT $2 OFFSET $3
)"""  # noqa: S608
    return f"""{shown(rows)}
ORDER BY n.id DESC
"""


SELECT_SHOWN = f"""{shown("notifications")}
WHERE n.id = ANY($1::bigint[])
ORDER BY n.id
"""
SELECT_PAGE = _page("user_id = $1")
SELECT_UNREAD_PAGE = _page("user_id = $1 AND read_at IS NULL")


async def select_shown(conn: Connection, notification_ids: list[int]) -> list[ShownRow]:
    return as_rows(ShownRow, await conn.fetch(SELECT_SHOWN, notification_ids))


async def select_page(
    conn: Connection, user_id: int, *, unread: bool, limit: int, offset: int
) -> list[ShownRow]:
    """Newest first; ``unread`` leaves out what was read."""
    statement = SELECT_UNREAD_PAGE if unread else SELECT_PAGE
    return as_rows(ShownRow, await conn.fetch(statement, user_id, limit, offset))


COUNT_ALL = """
SELECT count(*)
FROM notifications
WHERE user_id = $1
"""
COUNT_UNREAD = """
SELECT count(*)
FROM notifications
WHERE user_id = $1 AND read_at IS NULL
"""
COUNT_UNREAD_AT_MOST = """
SELECT count(*)
FROM (SELECT FROM notifications WHERE user_id = $1 AND read_at IS NULL LIMIT $2) AS unread
"""


async def count_notifications(conn: Connection, user_id: int, *, unread: bool) -> int:
    return int(await conn.fetchval(COUNT_UNREAD if unread else COUNT_ALL, user_id))


async def count_unread(conn: Connection, user_id: int, *, at_most: int) -> int:
    return int(await conn.fetchval(COUNT_UNREAD_AT_MOST, user_id, at_most))


UPDATE_READ = """
UPDATE notifications
SET read_at = coalesce(read_at, now())
WHERE id = $1 AND user_id = $2
RETURNING id
"""


async def update_read(conn: Connection, notification_id: int, *, user_id: int) -> bool:
    """Whether there is such a one of the user's."""
    return await conn.fetchval(UPDATE_READ, notification_id, user_id) is not None


UPDATE_READ_UP_TO = """
WITH chosen AS (
  SELECT id
  FROM notifications
  WHERE user_id = $1 AND read_at IS NULL AND id <= $2
  ORDER BY id
  LIMIT $3
  FOR UPDATE
), updated AS (
  UPDATE notifications AS n
  SET read_at = now()
  FROM chosen
  WHERE n.id = chosen.id
  RETURNING n.id
)
SELECT count(*) FROM updated
"""


async def update_read_up_to(conn: Connection, user_id: int, newest: int, *, limit: int) -> int:
    """How many these were, the oldest first; at most ``limit``."""
    return int(await conn.fetchval(UPDATE_READ_UP_TO, user_id, newest, limit))


DELETE_OLD = """
WITH old AS (
  SELECT id
  FROM notifications
  WHERE created_at < now() - make_interval(days => $1)
  ORDER BY created_at
  LIMIT $2
  FOR UPDATE SKIP LOCKED
), deleted AS (
  DELETE FROM notifications AS n
  USING old
  WHERE n.id = old.id
  RETURNING n.id
)
SELECT count(*) FROM deleted
"""


async def delete_old(conn: Connection, *, days: int, limit: int) -> int:
    """How many these were."""
    return int(await conn.fetchval(DELETE_OLD, days, limit))
