"""Who likes what."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_rows
from talas.domains.tracks import visibility


class LikeRow(msgspec.Struct, frozen=True):
    track_id: int
    liked_at: dt.datetime


LOCK_TRACK = """
SELECT true
FROM tracks
WHERE id = $1
FOR NO KEY UPDATE
"""


async def lock_track(conn: Connection, track_id: int) -> bool:
    """Whether it is there. Before anything of it is touched, as by who deletes it: so none of two
    waits for the other."""
    return bool(await conn.fetchval(LOCK_TRACK, track_id))


INSERT_LIKE = """
WITH added AS (
  INSERT INTO track_likes (user_id, track_id)
  VALUES ($1, $2)
  ON CONFLICT (user_id, track_id) DO NOTHING
  RETURNING track_id
)
UPDATE tracks AS t
SET likes = t.likes + 1
FROM added
WHERE t.id = added.track_id
"""


async def insert_like(conn: Connection, *, user_id: int, track_id: int) -> None:
    """One that is there stays as it is. The track's count follows."""
    await conn.execute(INSERT_LIKE, user_id, track_id)


DELETE_LIKE = """
WITH taken AS (
  DELETE FROM track_likes
  WHERE user_id = $1 AND track_id = $2
  RETURNING track_id
)
UPDATE tracks AS t
SET likes = t.likes - 1
FROM taken
WHERE t.id = taken.track_id
RETURNING true
"""


async def delete_like(conn: Connection, *, user_id: int, track_id: int) -> bool:
    """Whether it was there. The track's count follows."""
    return bool(await conn.fetchval(DELETE_LIKE, user_id, track_id))


SELECT_LIKES = """
SELECT likes
FROM tracks
WHERE id = $1
"""


async def select_likes(conn: Connection, track_id: int) -> int:
    likes: int = await conn.fetchval(SELECT_LIKES, track_id)
    return likes


# S608 below: what is put together are constants of this file.
# What one liked and may no longer see is found in an index of the few such tracks.
_SEEN = f"""l.user_id = $1
  AND NOT EXISTS (
    SELECT
    FROM tracks AS t
    WHERE t.id = l.track_id AND {visibility.WITHHELD}
  )"""  # noqa: S608
SELECT_PAGE = f"""
SELECT l.track_id, l.created_at
FROM track_likes AS l
WHERE {_SEEN}
ORDER BY l.created_at DESC, l.track_id DESC
LIMIT $2
OFFSET $3
"""  # noqa: S608


async def select_page(conn: Connection, user_id: int, *, limit: int, offset: int) -> list[LikeRow]:
    """Newest first: those of tracks that the user may see."""
    return as_rows(LikeRow, await conn.fetch(SELECT_PAGE, user_id, limit, offset))


COUNT_SEEN = f"""
SELECT count(*)
FROM track_likes AS l
WHERE {_SEEN}
"""  # noqa: S608


async def count_seen(conn: Connection, user_id: int) -> int:
    count: int = await conn.fetchval(COUNT_SEEN, user_id)
    return count
