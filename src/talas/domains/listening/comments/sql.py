"""Comments on tracks, some of them at a place of the waveform."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.core.http.pagination import Window


class CommentRow(msgspec.Struct, frozen=True):
    """``at_ms``: milliseconds from the track's beginning."""

    id: int
    track_id: int
    at_ms: int | None
    content: str
    created_at: dt.datetime
    author_id: int
    username: str
    avatar: str | None


class HeldRow(msgspec.Struct, frozen=True):
    """A comment with who may have a say in it."""

    author_id: int
    owner_id: int
    content: str


# S608 below: what is put together are constants of this file.
_COLUMNS = "c.id, c.track_id, c.at_ms, c.content, c.created_at, u.id, u.username, u.avatar"


def _page(order: str, shown: str) -> str:
    """The page is cut along the index that has the order; authors are looked up for it alone."""
    return f"""
WITH page AS (
  SELECT id
  FROM track_comments
  WHERE track_id = $1
  ORDER BY {order}
  LIMIT $2
  OFFSET $3
)
SELECT {_COLUMNS}
FROM page
JOIN track_comments AS c ON c.id = page.id
JOIN users AS u ON u.id = c.user_id
ORDER BY {shown}
"""  # noqa: S608


# Those at no place come after the track's end.
_SHOWN = {"newest": "c.id DESC", "at": "c.at_ms, c.id"}
SORTS = tuple(_SHOWN)
PAGES = {
    "newest": _page("id DESC", _SHOWN["newest"]),
    "at": _page("at_ms, id", _SHOWN["at"]),
}
PAGES_FROM_END = {
    "newest": _page("id", _SHOWN["newest"]),
    "at": _page("at_ms DESC, id DESC", _SHOWN["at"]),
}


async def select_page(
    conn: Connection, window: Window, *, track_id: int, sort: str
) -> list[CommentRow]:
    """``sort`` is one of SORTS."""
    statement = (PAGES_FROM_END if window.from_end else PAGES)[sort]
    return as_rows(CommentRow, await conn.fetch(statement, track_id, window.limit, window.offset))


INSERT_COMMENT = f"""
WITH c AS (
  INSERT INTO track_comments (track_id, user_id, at_ms, content)
  SELECT t.id, $2, $3, $4
  FROM tracks AS t
  WHERE t.id = $1
  FOR KEY SHARE
  RETURNING id, track_id, user_id, at_ms, content, created_at
)
SELECT {_COLUMNS}
FROM c
JOIN users AS u ON u.id = c.user_id
"""  # noqa: S608


async def insert_comment(
    conn: Connection, *, track_id: int, user_id: int, at_ms: int | None, content: str
) -> CommentRow | None:
    """None where the track is gone."""
    record = await conn.fetchrow(INSERT_COMMENT, track_id, user_id, at_ms, content)
    return as_row(CommentRow, record)


SELECT_HELD = """
SELECT c.user_id, t.user_id, c.content
FROM track_comments AS c
JOIN tracks AS t ON t.id = c.track_id
WHERE c.id = $1 AND c.track_id = $2
FOR UPDATE OF c
"""


async def select_held(conn: Connection, comment_id: int, *, track_id: int) -> HeldRow | None:
    """Locked until the transaction ends."""
    return as_row(HeldRow, await conn.fetchrow(SELECT_HELD, comment_id, track_id))


DELETE_COMMENT = """
DELETE FROM track_comments
WHERE id = $1
"""


async def delete_comment(conn: Connection, comment_id: int) -> None:
    await conn.execute(DELETE_COMMENT, comment_id)


DELETE_COMMENTS_OF_USER = """
DELETE FROM track_comments
WHERE user_id = $1
"""


async def delete_comments_of_user(conn: Connection, user_id: int) -> None:
    await conn.execute(DELETE_COMMENTS_OF_USER, user_id)
