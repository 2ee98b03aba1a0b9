"""What those published whom one follows."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_rows
from talas.domains.tracks import visibility


class FeedRow(msgspec.Struct, frozen=True):
    track_id: int
    published_at: dt.datetime


# One look into the index for each who is followed. A page ends after $2 + $3 tracks, so it holds
# nothing of who is not among the $2 + $3 that published last, and of each no more than so many.
# S608 below: what is put together are constants of this file and of visibility.
SELECT_PAGE = f"""
WITH publishers AS MATERIALIZED (
  SELECT f.user_id
  FROM follows AS f
  CROSS JOIN LATERAL (
    SELECT coalesce(t.published_at, t.created_at) AS published_at, t.id
    FROM tracks AS t
    WHERE t.user_id = f.user_id AND {visibility.SHARED}
    ORDER BY coalesce(t.published_at, t.created_at) DESC, t.id DESC
    LIMIT 1
  ) AS newest
  WHERE f.follower_id = $1
  ORDER BY newest.published_at DESC, newest.id DESC
  LIMIT $2::BIGINT + $3::BIGINT
)
SELECT found.id, found.published_at
FROM publishers AS p
CROSS JOIN LATERAL (
  SELECT t.id, coalesce(t.published_at, t.created_at) AS published_at
  FROM tracks AS t
  WHERE t.user_id = p.user_id AND {visibility.SHARED}
  ORDER BY coalesce(t.published_at, t.created_at) DESC, t.id DESC
  LIMIT $2::BIGINT + $3::BIGINT
) AS found
ORDER BY found.published_at DESC, found.id DESC
LIMIT $2
OFFSET $3
"""  # noqa: S608


async def select_page(
    conn: Connection, follower_id: int, *, limit: int, offset: int
) -> list[FeedRow]:
    """Published last first."""
    return as_rows(FeedRow, await conn.fetch(SELECT_PAGE, follower_id, limit, offset))


# The triggers of migration 0013 keep how many tracks each user shares, as core.counts does.
COUNT_PUBLISHED = """
SELECT coalesce(sum(known.tracks), 0)::BIGINT
FROM follows AS f
CROSS JOIN LATERAL (
  SELECT total
  FROM counts
  WHERE relation = 'shared_tracks' AND key = jsonb_build_object('user_id', f.user_id)
  UNION ALL
  SELECT change
  FROM count_changes
  WHERE relation = 'shared_tracks' AND key = jsonb_build_object('user_id', f.user_id)
) AS known (tracks)
WHERE f.follower_id = $1
"""


async def count_published(conn: Connection, follower_id: int) -> int:
    return int(await conn.fetchval(COUNT_PUBLISHED, follower_id))
