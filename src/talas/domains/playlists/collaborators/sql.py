"""Who works on a playlist beside its owner."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_row, as_rows


class Collaborator(msgspec.Struct, frozen=True):
    user_id: int
    username: str
    avatar: str | None
    added_at: dt.datetime


# S608 below: what is put together are constants of this file.
_COLLABORATORS = """
SELECT u.id, u.username, u.avatar, c.created_at
FROM playlist_collaborators AS c
JOIN users AS u ON u.id = c.user_id
WHERE c.playlist_id = $1 AND u.status = 'active'
"""

SELECT_COLLABORATORS = f"""
{_COLLABORATORS}
ORDER BY c.created_at, u.id
LIMIT $2 OFFSET $3
"""

SELECT_COLLABORATOR = f"""
{_COLLABORATORS}
  AND u.id = $2
"""

COUNT_COLLABORATORS = """
SELECT count(*)
FROM playlist_collaborators AS c
JOIN users AS u ON u.id = c.user_id
WHERE c.playlist_id = $1 AND u.status = 'active'
"""


async def select_collaborators(
    conn: Connection, playlist_id: int, *, limit: int, offset: int
) -> list[Collaborator]:
    """Those with an active account, in the order in which they came."""
    records = await conn.fetch(SELECT_COLLABORATORS, playlist_id, limit, offset)
    return as_rows(Collaborator, records)


async def select_collaborator(
    conn: Connection, playlist_id: int, user_id: int
) -> Collaborator | None:
    return as_row(Collaborator, await conn.fetchrow(SELECT_COLLABORATOR, playlist_id, user_id))


async def count_collaborators(conn: Connection, playlist_id: int) -> int:
    return int(await conn.fetchval(COUNT_COLLABORATORS, playlist_id))


# Nobody is suspended or deleted while being added.
HOLD_ADDABLE = """
SELECT true
FROM users AS u
WHERE u.id = $2
  AND u.status = 'active'
  AND NOT EXISTS (SELECT FROM user_blocks AS b WHERE b.blocker_id = u.id AND b.blocked_id = $1)
FOR SHARE OF u
"""


async def hold_addable(conn: Connection, user_id: int, *, by_id: int) -> bool:
    """Whether the account is active, and has not blocked ``by_id``."""
    return bool(await conn.fetchval(HOLD_ADDABLE, by_id, user_id))


COUNT_ALL = """
SELECT count(*)
FROM playlist_collaborators
WHERE playlist_id = $1
"""


async def count_all(conn: Connection, playlist_id: int) -> int:
    """Those whose account is suspended too."""
    return int(await conn.fetchval(COUNT_ALL, playlist_id))


INSERT_COLLABORATOR = """
INSERT INTO playlist_collaborators (playlist_id, user_id)
VALUES ($1, $2)
ON CONFLICT DO NOTHING
"""


async def insert_collaborator(conn: Connection, playlist_id: int, user_id: int) -> None:
    """Who is one stays one."""
    await conn.execute(INSERT_COLLABORATOR, playlist_id, user_id)


DELETE_COLLABORATOR = """
DELETE FROM playlist_collaborators
WHERE playlist_id = $1 AND user_id = $2
RETURNING true
"""


async def delete_collaborator(conn: Connection, playlist_id: int, user_id: int) -> bool:
    """Whether they were one."""
    return bool(await conn.fetchval(DELETE_COLLABORATOR, playlist_id, user_id))
