"""Who follows whom."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_rows
from talas.core.http.pagination import Window


class FollowRow(msgspec.Struct, frozen=True):
    """An account on either side, as everybody sees it."""

    id: int
    username: str
    first_name: str | None
    last_name: str | None
    avatar: str | None
    followed_at: dt.datetime


HOLD_ACCOUNTS = """
SELECT id
FROM users
WHERE id = ANY($1::INT[]) AND status = 'active'
ORDER BY id
FOR SHARE
"""


async def hold_accounts(conn: Connection, user_ids: list[int]) -> set[int]:
    """Those that are active, and until the transaction ends stay so and block nobody. In the order
    of ids, so that none of two who follow each other waits for the other."""
    return {record[0] for record in await conn.fetch(HOLD_ACCOUNTS, user_ids)}


SELECT_IS_ACTIVE = """
SELECT EXISTS (SELECT FROM users WHERE id = $1 AND status = 'active')
"""


async def select_is_active(conn: Connection, user_id: int) -> bool:
    return bool(await conn.fetchval(SELECT_IS_ACTIVE, user_id))


INSERT_FOLLOW = """
INSERT INTO follows (follower_id, user_id)
VALUES ($1, $2)
ON CONFLICT (follower_id, user_id) DO NOTHING
"""


async def insert_follow(conn: Connection, follower_id: int, user_id: int) -> None:
    """One that is there stays as it is."""
    await conn.execute(INSERT_FOLLOW, follower_id, user_id)


DELETE_FOLLOW = """
DELETE FROM follows
WHERE follower_id = $1 AND user_id = $2
RETURNING true
"""


async def delete_follow(conn: Connection, follower_id: int, user_id: int) -> bool:
    """Whether it was there."""
    return bool(await conn.fetchval(DELETE_FOLLOW, follower_id, user_id))


SELECT_FOLLOWS = """
SELECT EXISTS (SELECT FROM follows WHERE follower_id = $1 AND user_id = $2)
"""


async def select_follows(conn: Connection, follower_id: int, user_id: int) -> bool:
    return bool(await conn.fetchval(SELECT_FOLLOWS, follower_id, user_id))


COUNT_ALL_FOLLOWING = """
SELECT count(*)
FROM follows
WHERE follower_id = $1
"""


async def count_all_following(conn: Connection, follower_id: int) -> int:
    """Suspended accounts too."""
    return int(await conn.fetchval(COUNT_ALL_FOLLOWING, follower_id))


COUNT_FOLLOWING = """
SELECT count(*)
FROM follows AS f
JOIN users AS u ON u.id = f.user_id
WHERE f.follower_id = $1 AND u.status = 'active'
"""


async def count_following(conn: Connection, follower_id: int) -> int:
    return int(await conn.fetchval(COUNT_FOLLOWING, follower_id))


# S608 below: what is put together are constants of this file.
_PERSON = "u.id, u.username, u.first_name, u.last_name, u.avatar"
SELECT_FOLLOWING = f"""
SELECT {_PERSON}, f.created_at
FROM follows AS f
JOIN users AS u ON u.id = f.user_id
WHERE f.follower_id = $1 AND u.status = 'active'
ORDER BY f.created_at DESC, f.user_id DESC
LIMIT $2
OFFSET $3
"""  # noqa: S608


async def select_following(
    conn: Connection, follower_id: int, *, limit: int, offset: int
) -> list[FollowRow]:
    """Followed last first."""
    return as_rows(FollowRow, await conn.fetch(SELECT_FOLLOWING, follower_id, limit, offset))


def _select_followers(direction: str) -> str:
    """The page is found in the index alone; only its own people are read."""
    return f"""
WITH page AS (
  SELECT follower_id, created_at
  FROM follows
  WHERE user_id = $1 AND follower_active
  ORDER BY created_at {direction}, follower_id {direction}
  LIMIT $2
  OFFSET $3
)
SELECT {_PERSON}, page.created_at
FROM page
JOIN users AS u ON u.id = page.follower_id
ORDER BY page.created_at DESC, u.id DESC
"""  # noqa: S608


SELECT_FOLLOWERS = _select_followers("DESC")
SELECT_FOLLOWERS_FROM_END = _select_followers("ASC")


async def select_followers(conn: Connection, user_id: int, window: Window) -> list[FollowRow]:
    """Who followed last comes first."""
    statement = SELECT_FOLLOWERS_FROM_END if window.from_end else SELECT_FOLLOWERS
    return as_rows(FollowRow, await conn.fetch(statement, user_id, window.limit, window.offset))


DELETE_FOLLOWING = """
DELETE FROM follows
WHERE follower_id = $1
"""


async def delete_following(conn: Connection, follower_id: int) -> None:
    await conn.execute(DELETE_FOLLOWING, follower_id)


# What is locked goes with another account that ends, which would wait for this one in turn.
DELETE_FOLLOWERS = """
WITH gone AS (
  DELETE FROM follows
  WHERE (follower_id, user_id) IN (
    SELECT follower_id, user_id
    FROM follows
    WHERE user_id = $1
    LIMIT $2
    FOR UPDATE SKIP LOCKED
  )
  RETURNING follower_id
)
SELECT count(*) FROM gone
"""


async def delete_followers(conn: Connection, user_id: int, *, limit: int) -> int:
    """How many these were."""
    return int(await conn.fetchval(DELETE_FOLLOWERS, user_id, limit))
