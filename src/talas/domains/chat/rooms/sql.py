"""Rooms: their list, what is told of each, and how they change."""

from datetime import datetime
from typing import Any

import msgspec

from talas.core.database import Connection, as_row, as_rows, has_trigrams
from talas.core.http.pagination import Page, Window
from talas.core.trigrams import may_contain


class ListedRoom(msgspec.Struct, frozen=True):
    """As one user sees it. ``unread`` counts what others have said since the user has read, up to
    1,000; ``role`` is null for who is no member. ``history`` says from where on members see what
    was said: from the start, or from their joining."""

    id: int
    name: str
    description: str | None
    is_private: bool
    member_count: int
    created_by: int | None
    created_at: datetime
    unread: int
    role: str | None
    closed: bool
    history: str
    slow_mode_s: int


class DetailedRoom(ListedRoom, frozen=True):
    """``kind`` is room or group; only a group has a ``title``. ``seq`` counts what has happened in
    the room, ``read_seq`` says how far the user has read; ``muted_until`` is null when over."""

    kind: str
    title: str | None
    seq: int
    read_seq: int | None
    muted_until: datetime | None


# S608 below: what is put together are constants of this file.


def unread(room: str, member: str) -> str:
    """The column that counts what others have said since a member has read, up to 1,000; the
    arguments are aliases of ``rooms`` and ``room_members``. One's own messages are passed over, so
    what is read is bounded beside what is counted."""
    return f"""(
    SELECT count(*)
    FROM (
      SELECT
      FROM (
        SELECT said.from_user, said.deleted_at
        FROM messages AS said
        WHERE said.room_id = {room}.id AND said.seq > {member}.read_seq
        ORDER BY said.seq
        LIMIT 2000
      ) AS since
      WHERE since.from_user <> {member}.user_id AND since.deleted_at IS NULL
      LIMIT 1000
    ) AS unread
  )"""  # noqa: S608


_COLUMNS = f"""
  r.id, r.name, r.description, r.is_private, 0, r.created_by, r.created_at, {unread("r", "mine")},
  mine.role, r.closed_at IS NOT NULL, r.history, r.slow_mode_s"""
_MINE = "LEFT JOIN room_members AS mine ON mine.room_id = r.id AND mine.user_id = $1"


def _select_rooms(direction: str) -> str:
    """Public rooms along their index, and the user's private ones by their memberships."""
    return f"""
WITH page AS (
  (
    SELECT r.id
    FROM rooms AS r
    WHERE NOT r.is_private AND r.kind = 'room'
    ORDER BY r.id {direction}
    LIMIT $2::BIGINT + $3::BIGINT
  )
  UNION ALL
  (
    SELECT r.id
    FROM room_members AS mine
    JOIN rooms AS r ON r.id = mine.room_id
    WHERE mine.user_id = $1 AND r.is_private AND r.kind = 'room'
    ORDER BY r.id {direction}
    LIMIT $2::BIGINT + $3::BIGINT
  )
  ORDER BY id {direction}
  LIMIT $2
  OFFSET $3
)
SELECT {_COLUMNS}
FROM page
JOIN rooms AS r ON r.id = page.id
{_MINE}
ORDER BY r.id
"""  # noqa: S608


SELECT_ROOMS = _select_rooms("ASC")
SELECT_ROOMS_FROM_END = _select_rooms("DESC")

COUNT_PRIVATE_ROOMS = """
SELECT count(*)
FROM room_members AS mine
JOIN rooms AS r ON r.id = mine.room_id
WHERE mine.user_id = $1 AND r.is_private AND r.kind = 'room'
"""

_MATCHES = """r.kind = 'room'
  AND (NOT r.is_private OR EXISTS (
    SELECT FROM room_members AS mine WHERE mine.room_id = r.id AND mine.user_id = $1
  ))
  AND (
    strpos(lower(r.name), lower($2)) > 0
    OR strpos(lower(r.description), lower($2)) > 0
  )"""
_MAY_MATCH = may_contain("r.name || E'\\n' || coalesce(r.description, '')", "$2")


def _search_rooms(condition: str) -> str:
    """All that match are looked up before the page is cut: walking along the ids until it is full
    would read the whole table for a rare term."""
    return f"""
WITH found AS MATERIALIZED (
  SELECT r.id
  FROM rooms AS r
  WHERE {condition}
), page AS (
  SELECT id
  FROM found
  ORDER BY id
  LIMIT $3 OFFSET $4
)
SELECT {_COLUMNS}, (SELECT count(*) FROM found)
FROM page
JOIN rooms AS r ON r.id = page.id
{_MINE}
ORDER BY r.id
"""  # noqa: S608


def _count_found_rooms(condition: str) -> str:
    return f"""
SELECT count(*)
FROM rooms AS r
WHERE {condition}
"""  # noqa: S608


SEARCH_ROOMS = _search_rooms(f"{_MAY_MATCH}\n  AND {_MATCHES}")
SEARCH_ROOMS_BY_SHORT_TERM = _search_rooms(_MATCHES)
COUNT_FOUND_ROOMS = _count_found_rooms(f"{_MAY_MATCH}\n  AND {_MATCHES}")
COUNT_FOUND_ROOMS_BY_SHORT_TERM = _count_found_rooms(_MATCHES)

COUNT_CREATED = """
SELECT count(*)
FROM rooms r
WHERE r.created_by = $1 AND r.kind = $2
  AND EXISTS (SELECT FROM room_members m WHERE m.room_id = r.id AND m.user_id = $1)
"""

INSERT_ROOM = """
INSERT INTO rooms (name, name_key, description, is_private, created_by)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name_key) DO NOTHING
RETURNING
  id, name, description, is_private, 1, created_by, created_at, 0, 'owner', false, history,
  slow_mode_s
"""

SELECT_ROOMS_BY_IDS = f"""
SELECT {_COLUMNS}
FROM rooms AS r
{_MINE}
WHERE r.id = ANY($2::INT[])
  AND r.kind = 'room'
  AND (NOT r.is_private OR mine.user_id IS NOT NULL)
"""  # noqa: S608

SELECT_DETAILS = f"""
SELECT {_COLUMNS}, r.kind, r.title, r.seq, mine.read_seq,
  CASE WHEN mine.muted_until > clock_timestamp() THEN mine.muted_until END
FROM rooms AS r
{_MINE}
WHERE r.id = $2
"""  # noqa: S608

UPDATE_ROOM = """
UPDATE rooms
SET name = $2, name_key = $3, description = $4, is_private = $5, history = $6, slow_mode_s = $7,
  title = $8
WHERE id = $1
"""

UPDATE_CLOSED = """
UPDATE rooms
SET closed_at = CASE WHEN $2 THEN clock_timestamp() END
WHERE id = $1
"""

UPDATE_DELETED = """
UPDATE rooms
SET kind = 'deleted', name_key = 'deleted:' || id
WHERE id = $1
"""

DELETE_SOME_MEMBERS = """
DELETE FROM room_members
WHERE room_id = $1 AND user_id = ANY(ARRAY(
  SELECT user_id
  FROM room_members
  WHERE room_id = $1
  LIMIT $2
))
"""

DELETE_INVITES = """
DELETE FROM room_invites
WHERE room_id = $1
"""

DELETE_REMOVALS = """
DELETE FROM room_removals
WHERE room_id = $1
"""

DELETE_MUTES = """
DELETE FROM room_mutes
WHERE room_id = $1
"""

DELETE_SOME_NOTIFICATIONS = """
DELETE FROM notifications
WHERE id = ANY(ARRAY(
  SELECT id
  FROM notifications
  WHERE room_id = $1
  LIMIT $2
))
"""

SELECT_DELETED_ROOMS = """
SELECT id
FROM rooms
WHERE kind = 'deleted' AND id > $1
ORDER BY id
LIMIT $2
"""

DELETE_SOME_EVENTS = """
DELETE FROM chat_events
WHERE id = ANY(ARRAY(
  SELECT id
  FROM chat_events
  WHERE room_id = $1
  LIMIT $2
))
"""

DELETE_SOME_MESSAGES = """
DELETE FROM messages
WHERE id = ANY(ARRAY(
  SELECT id
  FROM messages
  WHERE room_id = $1
  LIMIT $2
))
"""

DELETE_ROOM = """
DELETE FROM rooms
WHERE id = $1 AND kind = 'deleted'
"""

DELETE_ENDED_MUTES = """
DELETE FROM room_mutes
WHERE muted_until < now()
"""


async def select_rooms_by_ids(
    conn: Connection, room_ids: list[int], *, user_id: int
) -> list[ListedRoom]:
    """Those with these ids that the user may find; without their members' number, which is 0."""
    return as_rows(ListedRoom, await conn.fetch(SELECT_ROOMS_BY_IDS, user_id, room_ids))


async def select_rooms(conn: Connection, window: Window, *, user_id: int) -> list[ListedRoom]:
    """Without their members' number, which is 0."""
    statement = SELECT_ROOMS_FROM_END if window.from_end else SELECT_ROOMS
    return as_rows(ListedRoom, await conn.fetch(statement, user_id, window.limit, window.offset))


async def count_private_rooms(conn: Connection, user_id: int) -> int:
    """Those that the user is a member of."""
    return int(await conn.fetchval(COUNT_PRIVATE_ROOMS, user_id))


async def search_rooms(
    conn: Connection, term: str, page: Page, *, user_id: int
) -> tuple[list[ListedRoom], int | None]:
    """As ``select_rooms``, and how many match: None where the page is empty. A term of fewer than
    three characters reads the whole table."""
    statement = SEARCH_ROOMS if has_trigrams(term) else SEARCH_ROOMS_BY_SHORT_TERM
    rows = await conn.fetch(statement, user_id, term, page.limit, page.offset)
    total: int | None = rows[0][-1] if rows else None
    return [ListedRoom(*row[:-1]) for row in rows], total


async def count_found_rooms(conn: Connection, term: str, *, user_id: int) -> int:
    """As ``search_rooms``."""
    statement = COUNT_FOUND_ROOMS if has_trigrams(term) else COUNT_FOUND_ROOMS_BY_SHORT_TERM
    return int(await conn.fetchval(statement, user_id, term))


async def count_created(conn: Connection, user_id: int, kind: str) -> int:
    """Rooms of the kind (room, group) that the user has opened and that were not deleted."""
    return int(await conn.fetchval(COUNT_CREATED, user_id, kind))


async def insert_room(
    conn: Connection,
    name: str,
    name_key: str,
    description: str | None,
    is_private: bool,
    created_by: int,
) -> ListedRoom | None:
    """None where the name is taken."""
    row = await conn.fetchrow(INSERT_ROOM, name, name_key, description, is_private, created_by)
    return as_row(ListedRoom, row)


async def select_details(conn: Connection, room_id: int, *, user_id: int) -> DetailedRoom | None:
    """Without its members' number, which is 0."""
    return as_row(DetailedRoom, await conn.fetchrow(SELECT_DETAILS, user_id, room_id))


async def update_room(
    conn: Connection, room_id: int, name_key: str, fields: dict[str, Any]
) -> None:
    """``fields`` are name, description, is_private, history, slow_mode_s and title. Raises
    asyncpg.UniqueViolationError when the name is taken."""
    await conn.execute(
        UPDATE_ROOM,
        room_id,
        fields["name"],
        name_key,
        fields["description"],
        fields["is_private"],
        fields["history"],
        fields["slow_mode_s"],
        fields["title"],
    )


async def update_closed(conn: Connection, room_id: int, *, closed: bool) -> None:
    await conn.execute(UPDATE_CLOSED, room_id, closed)


async def update_deleted(conn: Connection, room_id: int) -> None:
    """Nobody finds the room any more, and its name is free."""
    await conn.execute(UPDATE_DELETED, room_id)


async def delete_some_members(conn: Connection, room_id: int, limit: int) -> int:
    return _affected(await conn.execute(DELETE_SOME_MEMBERS, room_id, limit))


async def delete_some_notifications(conn: Connection, room_id: int, limit: int) -> int:
    return _affected(await conn.execute(DELETE_SOME_NOTIFICATIONS, room_id, limit))


async def delete_doors(conn: Connection, room_id: int) -> None:
    """Invitations, and who is kept out or silent."""
    await conn.execute(DELETE_INVITES, room_id)
    await conn.execute(DELETE_REMOVALS, room_id)
    await conn.execute(DELETE_MUTES, room_id)


async def select_deleted_rooms(conn: Connection, *, after: int, limit: int) -> list[int]:
    return [row[0] for row in await conn.fetch(SELECT_DELETED_ROOMS, after, limit)]


async def delete_some_events(conn: Connection, room_id: int, limit: int) -> int:
    return _affected(await conn.execute(DELETE_SOME_EVENTS, room_id, limit))


async def delete_some_messages(conn: Connection, room_id: int, limit: int) -> int:
    """What hangs on them goes with them."""
    return _affected(await conn.execute(DELETE_SOME_MESSAGES, room_id, limit))


async def delete_room(conn: Connection, room_id: int) -> None:
    """One that is deleted already, and has no messages left."""
    await conn.execute(DELETE_ROOM, room_id)


async def delete_ended_mutes(conn: Connection) -> None:
    await conn.execute(DELETE_ENDED_MUTES)


def _affected(status: str) -> int:
    """Of what asyncpg says of a statement, ``DELETE 17``."""
    return int(status.rpartition(" ")[2])
