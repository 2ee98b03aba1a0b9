"""Accounts as their owners and others see them."""

import datetime as dt

from talas.core.database import Connection, as_row, as_rows
from talas.domains.users.schemas import (
    OwnProfile,
    UpdatedProfile,
    UserProfile,
    UserSummary,
)

SELECT_OWN_PROFILE = """
SELECT id, username, email, role, first_name, last_name, bio, avatar, created_at, updated_at
FROM users
WHERE id = $1 AND status = 'active'
"""


async def select_own_profile(conn: Connection, user_id: int) -> OwnProfile | None:
    return as_row(OwnProfile, await conn.fetchrow(SELECT_OWN_PROFILE, user_id))


SELECT_USER_PROFILE = """
SELECT id, username, email, first_name, last_name, bio, avatar, created_at
FROM users
WHERE id = $1 AND status = 'active'
"""


async def select_user_profile(conn: Connection, user_id: int) -> UserProfile | None:
    return as_row(UserProfile, await conn.fetchrow(SELECT_USER_PROFILE, user_id))


SELECT_USERS = """
SELECT id, username, email, first_name, last_name, avatar
FROM users
WHERE status = 'active'
  AND id <> $1
ORDER BY id
LIMIT $2 OFFSET $3
"""


async def select_users(
    conn: Connection, *, but_user_id: int, limit: int, offset: int
) -> list[UserSummary]:
    return as_rows(UserSummary, await conn.fetch(SELECT_USERS, but_user_id, limit, offset))


COUNT_USERS = """
SELECT count(*)
FROM users
WHERE status = 'active'
  AND id <> $1
"""


async def count_users(conn: Connection, *, but_user_id: int) -> int:
    total: int = await conn.fetchval(COUNT_USERS, but_user_id)
    return total


_MATCHES = """(
    strpos(lower(username), lower($2)) > 0
    OR strpos(lower(email), lower($2)) > 0
    OR strpos(lower(concat_ws(' ', first_name, last_name)), lower($2)) > 0
  )"""

SEARCH_USERS = f"""
SELECT id, username, email, first_name, last_name, avatar
FROM users
WHERE status = 'active'
  AND id <> $1
  AND {_MATCHES}
ORDER BY id
LIMIT $3 OFFSET $4
"""  # noqa: S608 (a constant of this file)


async def search_users(
    conn: Connection, term: str, *, but_user_id: int, limit: int, offset: int
) -> list[UserSummary]:
    records = await conn.fetch(SEARCH_USERS, but_user_id, term, limit, offset)
    return as_rows(UserSummary, records)


COUNT_FOUND_USERS = f"""
SELECT count(*)
FROM users
WHERE status = 'active'
  AND id <> $1
  AND {_MATCHES}
"""  # noqa: S608 (a constant of this file)


async def count_found_users(conn: Connection, term: str, *, but_user_id: int) -> int:
    total: int = await conn.fetchval(COUNT_FOUND_USERS, but_user_id, term)
    return total


UPDATE_PROFILE = """
UPDATE users
SET first_name = CASE WHEN $2 THEN $3 ELSE first_name END,
  last_name = CASE WHEN $4 THEN $5 ELSE last_name END,
  bio = CASE WHEN $6 THEN $7 ELSE bio END,
  updated_at = now()
WHERE id = $1 AND status = 'active'
RETURNING id, username, first_name, last_name, bio
"""


async def update_profile(
    conn: Connection, user_id: int, changes: dict[str, str | None]
) -> UpdatedProfile | None:
    """Fields that ``changes`` does not hold stay as they are."""
    arguments: list[bool | str | None] = []
    for field in ("first_name", "last_name", "bio"):
        arguments += [field in changes, changes.get(field)]
    return as_row(UpdatedProfile, await conn.fetchrow(UPDATE_PROFILE, user_id, *arguments))


UPDATE_AVATAR = """
UPDATE users
SET avatar = $2, updated_at = now()
WHERE id = $1 AND status = 'active'
RETURNING true
"""


async def update_avatar(conn: Connection, user_id: int, avatar: str | None) -> bool:
    """False when the account is not active any more."""
    updated: bool | None = await conn.fetchval(UPDATE_AVATAR, user_id, avatar)
    return updated is not None


SELECT_AVATAR_INSTANT = """
SELECT updated_at
FROM users
WHERE id = $1 AND status = 'active' AND avatar IS NOT NULL
"""


async def select_avatar_instant(conn: Connection, user_id: int) -> dt.datetime | None:
    """An instant after which the avatar has not changed; None where there is none."""
    changed_at: dt.datetime | None = await conn.fetchval(SELECT_AVATAR_INSTANT, user_id)
    return changed_at


# ':' stands in no username that can be registered.
ANONYMISE_USER = """
UPDATE users
SET username = 'deleted:' || id,
  email = 'deleted:' || id,
  password_hash = '',
  role = 'user',
  status = 'deleted',
  first_name = NULL,
  last_name = NULL,
  bio = NULL,
  avatar = NULL,
  updated_at = now()
WHERE id = $1
"""


async def anonymise_user(conn: Connection, user_id: int) -> None:
    await conn.execute(ANONYMISE_USER, user_id)
