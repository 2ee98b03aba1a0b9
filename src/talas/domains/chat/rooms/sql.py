"""The list of rooms, and rooms that are new."""

from datetime import datetime

import msgspec

from talas.core.database import Connection, as_row, as_rows, has_trigrams
from talas.core.http.pagination import Page, Window
from talas.core.trigrams import may_contain


class ListedRoom(msgspec.Struct, frozen=True):
    id: int
    name: str
    description: str | None
    is_private: bool
    member_count: int
    created_by: int | None
    created_at: datetime


# S608 below: what is put together are constants of this file.
_COLUMNS = "r.id, r.name, r.description, r.is_private, 0, r.created_by, r.created_at"


def _select_rooms(direction: str) -> str:
    """Public rooms along their index, and the user's private ones by their memberships."""
    return f"""
WITH page AS (
  (
    SELECT r.id
    FROM rooms AS r
    WHERE NOT r.is_private
    ORDER BY r.id {direction}
    LIMIT $2::BIGINT + $3::BIGINT
  )
  UNION ALL
  (
    SELECT r.id
    FROM room_members AS mine
    JOIN rooms AS r ON r.id = mine.room_id
    WHERE mine.user_id = $1 AND r.is_private
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
ORDER BY r.id
"""  # noqa: S608


SELECT_ROOMS = _select_rooms("ASC")
SELECT_ROOMS_FROM_END = _select_rooms("DESC")

COUNT_PRIVATE_ROOMS = """
SELECT count(*)
FROM room_members AS mine
JOIN rooms AS r ON r.id = mine.room_id
WHERE mine.user_id = $1 AND r.is_private
"""

_MATCHES = """(NOT r.is_private OR EXISTS (
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
  SELECT {_COLUMNS}
  FROM rooms AS r
  WHERE {condition}
)
SELECT *, (SELECT count(*) FROM found)
FROM found
ORDER BY id
LIMIT $3 OFFSET $4
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

INSERT_ROOM = """
INSERT INTO rooms (name, name_key, description, is_private, created_by)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name_key) DO NOTHING
RETURNING id, name, description, is_private, 1, created_by, created_at
"""


SELECT_ROOMS_BY_IDS = f"""
SELECT {_COLUMNS}
FROM rooms AS r
WHERE r.id = ANY($2::INT[]) AND (NOT r.is_private OR EXISTS (
    SELECT FROM room_members AS mine WHERE mine.room_id = r.id AND mine.user_id = $1
  ))
"""  # noqa: S608


async def select_rooms_by_ids(
    conn: Connection, room_ids: list[int], *, user_id: int
) -> list[ListedRoom]:
    """As ``select_rooms``, of those with these ids."""
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
