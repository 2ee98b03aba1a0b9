"""Accounts as their owners and others see them."""

import datetime as dt

from talas.core.database import Connection, as_row, as_rows, has_trigrams
from talas.core.http.pagination import Window
from talas.core.trigrams import account_contains, account_may_contain
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


# S608 below: what is put together are constants of this file.
def _select_users(direction: str) -> str:
    """The page is found in the index alone; only its own rows are read."""
    return f"""
WITH page AS (
  SELECT id
  FROM users
  WHERE status = 'active'
    AND id <> $1
  ORDER BY id {direction}
  LIMIT $2
  OFFSET $3
)
SELECT u.id, u.username, u.email, u.first_name, u.last_name, u.avatar
FROM page
JOIN users AS u ON u.id = page.id
ORDER BY u.id
"""  # noqa: S608


SELECT_USERS = _select_users("ASC")
SELECT_USERS_FROM_END = _select_users("DESC")


async def select_users(conn: Connection, window: Window, *, but_user_id: int) -> list[UserSummary]:
    statement = SELECT_USERS_FROM_END if window.from_end else SELECT_USERS
    records = await conn.fetch(statement, but_user_id, window.limit, window.offset)
    return as_rows(UserSummary, records)


SELECT_USERS_BY_IDS = """
SELECT id, username, email, first_name, last_name, avatar
FROM users
WHERE id = ANY($1::INT[]) AND status = 'active'
"""


async def select_users_by_ids(conn: Connection, user_ids: list[int]) -> list[UserSummary]:
    return as_rows(UserSummary, await conn.fetch(SELECT_USERS_BY_IDS, user_ids))


_MATCHES_SHORT = f"""status = 'active'
  AND id <> $1
  AND {account_contains("$2")}"""
_MATCHES = f"""{account_may_contain("$2")}
  AND {_MATCHES_SHORT}"""


def _search_users(condition: str) -> str:
    """All that match are looked up before the page is cut: walking along the ids until it is full
    would read the whole table for a rare term."""
    return f"""
WITH found AS MATERIALIZED (
  SELECT id
  FROM users
  WHERE {condition}
), page AS (
  SELECT id
  FROM found
  ORDER BY id
  LIMIT $3
  OFFSET $4
)
SELECT u.id, u.username, u.email, u.first_name, u.last_name, u.avatar,
  (SELECT count(*) FROM found)
FROM page
JOIN users AS u ON u.id = page.id
ORDER BY u.id
"""  # noqa: S608


def _count_found_users(condition: str) -> str:
    return f"""
SELECT count(*)
FROM users
WHERE {condition}
"""  # noqa: S608


SEARCH_USERS = _search_users(_MATCHES)
SEARCH_USERS_BY_SHORT_TERM = _search_users(_MATCHES_SHORT)
COUNT_FOUND_USERS = _count_found_users(_MATCHES)
COUNT_FOUND_USERS_BY_SHORT_TERM = _count_found_users(_MATCHES_SHORT)


async def search_users(
    conn: Connection, term: str, *, but_user_id: int, limit: int, offset: int
) -> tuple[list[UserSummary], int | None]:
    """The page, and how many match: None where the page is empty. A term of fewer than three
    characters reads the whole table."""
    statement = SEARCH_USERS if has_trigrams(term) else SEARCH_USERS_BY_SHORT_TERM
    records = await conn.fetch(statement, but_user_id, term, limit, offset)
    total: int | None = records[0][-1] if records else None
    return [UserSummary(*record[:-1]) for record in records], total


async def count_found_users(conn: Connection, term: str, *, but_user_id: int) -> int:
    """As ``search_users``."""
    statement = COUNT_FOUND_USERS if has_trigrams(term) else COUNT_FOUND_USERS_BY_SHORT_TERM
    total: int = await conn.fetchval(statement, but_user_id, term)
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
