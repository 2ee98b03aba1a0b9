"""What was heard: the listeners' histories, and the plays that tracks do not count yet."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_rows
from talas.domains.tracks import visibility


class PlayRow(msgspec.Struct, frozen=True):
    id: int
    track_id: int
    played_at: dt.datetime


INSERT_PLAY = """
WITH played AS (
  INSERT INTO track_plays (user_id, track_id, played_at)
  SELECT $1, t.id, clock_timestamp()
  FROM tracks AS t
  WHERE t.id = $2
    AND NOT EXISTS (
      SELECT
      FROM track_plays_unfolded AS p
      WHERE p.track_id = $2
        AND p.user_id = $1
        AND p.played_at > clock_timestamp() - make_interval(secs => $3)
    )
  FOR KEY SHARE OF t
  RETURNING track_id, user_id, played_at
)
INSERT INTO track_plays_unfolded (track_id, user_id, played_at)
SELECT track_id, user_id, played_at
FROM played
RETURNING true
"""


async def insert_play(conn: Connection, *, user_id: int, track_id: int, apart_s: float) -> bool:
    """False where the last one is not so many seconds ago; ``apart_s`` is at most what
    ``fold_plays`` leaves. The listener is locked."""
    return bool(await conn.fetchval(INSERT_PLAY, user_id, track_id, apart_s))


# S608 below: what is put together are constants of this file.
# What one heard and may no longer see is found in an index of the few such tracks.
_SEEN = f"""p.user_id = $1
  AND NOT EXISTS (
    SELECT
    FROM tracks AS t
    WHERE t.id = p.track_id AND {visibility.WITHHELD}
  )"""  # noqa: S608
SELECT_PAGE = f"""
SELECT p.id, p.track_id, p.played_at
FROM track_plays AS p
WHERE {_SEEN}
ORDER BY p.id DESC
LIMIT $2
OFFSET $3
"""  # noqa: S608


async def select_page(conn: Connection, user_id: int, *, limit: int, offset: int) -> list[PlayRow]:
    """Newest first: those of tracks that the user may see."""
    return as_rows(PlayRow, await conn.fetch(SELECT_PAGE, user_id, limit, offset))


COUNT_SEEN = f"""
SELECT count(*)
FROM track_plays AS p
WHERE {_SEEN}
"""  # noqa: S608


async def count_seen(conn: Connection, user_id: int) -> int:
    count: int = await conn.fetchval(COUNT_SEEN, user_id)
    return count


DELETE_PLAY = """
DELETE FROM track_plays
WHERE id = $1 AND user_id = $2
RETURNING true
"""


async def delete_play(conn: Connection, play_id: int, *, user_id: int) -> bool:
    """Whether it was there. What the track counts stays."""
    return bool(await conn.fetchval(DELETE_PLAY, play_id, user_id))


DELETE_PLAYS = """
WITH gone AS (
  DELETE FROM track_plays
  WHERE id IN (SELECT id FROM track_plays WHERE user_id = $1 ORDER BY id LIMIT $2)
  RETURNING id
)
SELECT count(*) FROM gone
"""


async def delete_plays(conn: Connection, user_id: int, *, limit: int) -> int:
    """How many these were: of all that the user has heard, the oldest."""
    return int(await conn.fetchval(DELETE_PLAYS, user_id, limit))


SELECT_UNFOLDED = """
SELECT DISTINCT track_id
FROM track_plays_unfolded
WHERE track_id > $1 AND played_at <= clock_timestamp() - make_interval(secs => $2)
ORDER BY track_id
LIMIT $3
"""


async def select_unfolded(
    conn: Connection, after_id: int, *, older_s: float, limit: int
) -> list[int]:
    """The tracks that have plays to fold, in the order of their ids."""
    records = await conn.fetch(SELECT_UNFOLDED, after_id, older_s, limit)
    return [record[0] for record in records]


LOCK_TRACKS = """
SELECT
FROM tracks
WHERE id = ANY($1::INT[])
ORDER BY id
FOR NO KEY UPDATE
"""


async def lock_tracks(conn: Connection, track_ids: list[int]) -> None:
    """In the order in which everybody locks many."""
    await conn.execute(LOCK_TRACKS, track_ids)


FOLD_PLAYS = """
WITH folded AS (
  DELETE FROM track_plays_unfolded
  WHERE track_id = ANY($1::INT[]) AND played_at <= clock_timestamp() - make_interval(secs => $2)
  RETURNING track_id
), sums AS (
  SELECT track_id, count(*) AS plays
  FROM folded
  GROUP BY track_id
)
UPDATE tracks AS t
SET plays = t.plays + sums.plays
FROM sums
WHERE t.id = sums.track_id
"""


async def fold_plays(conn: Connection, track_ids: list[int], *, older_s: float) -> None:
    """Those of a deleted track go without a trace."""
    await conn.execute(FOLD_PLAYS, track_ids, older_s)
