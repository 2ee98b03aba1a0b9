"""Accounts as far as signing in needs them, sessions, and failed logins."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_row, as_rows


class AccountRow(msgspec.Struct, frozen=True):
    id: int
    username: str
    email: str
    role: str
    status: str
    password_hash: str


class SessionRow(msgspec.Struct, frozen=True):
    """``generation`` counts rotations; ``generation_used``: the newest token came back."""

    id: int
    user_id: int
    username: str
    role: str
    status: str
    generation: int
    rotated_at: dt.datetime
    generation_used: bool
    expires_at: dt.datetime


class SessionListRow(msgspec.Struct, frozen=True):
    id: int
    created_at: dt.datetime
    last_used_at: dt.datetime
    expires_at: dt.datetime
    user_agent: str | None
    ip: str | None


class FailureCounts(msgspec.Struct, frozen=True):
    """How many failures the windows hold, and the age in seconds of the one that must leave."""

    of_account: int
    of_address: int
    account_age_s: float
    address_age_s: float


INSERT_USER = """
INSERT INTO users (username, email, password_hash, role)
VALUES ($1, $2, $3, $4)
RETURNING id
"""


async def insert_user(
    conn: Connection, *, username: str, email: str, password_hash: str, role: str
) -> int:
    """Raises asyncpg.UniqueViolationError when the name or the e-mail is taken."""
    user_id: int = await conn.fetchval(INSERT_USER, username, email, password_hash, role)
    return user_id


SELECT_TAKEN = """
SELECT
  EXISTS (SELECT FROM users WHERE lower(username) = lower($1)),
  EXISTS (SELECT FROM users WHERE lower(email) = lower($2))
"""


async def select_taken(conn: Connection, *, username: str, email: str) -> tuple[bool, bool]:
    [record] = await conn.fetch(SELECT_TAKEN, username, email)
    return record[0], record[1]


SELECT_ACCOUNT_BY_EMAIL = """
SELECT id, username, email, role, status, password_hash
FROM users
WHERE lower(email) = lower($1)
"""


async def select_account_by_email(conn: Connection, email: str) -> AccountRow | None:
    return as_row(AccountRow, await conn.fetchrow(SELECT_ACCOUNT_BY_EMAIL, email))


SELECT_ACCOUNT = """
SELECT id, username, email, role, status, password_hash
FROM users
WHERE id = $1
"""


async def select_account(conn: Connection, user_id: int) -> AccountRow | None:
    return as_row(AccountRow, await conn.fetchrow(SELECT_ACCOUNT, user_id))


SELECT_ACTIVE_ACCOUNT_FOR_UPDATE = """
SELECT id, username, email, role, status, password_hash
FROM users
WHERE id = $1 AND status = 'active'
FOR NO KEY UPDATE
"""


async def select_active_account_for_update(conn: Connection, user_id: int) -> AccountRow | None:
    return as_row(AccountRow, await conn.fetchrow(SELECT_ACTIVE_ACCOUNT_FOR_UPDATE, user_id))


UPDATE_PASSWORD = """
UPDATE users
SET password_hash = $3, updated_at = now()
WHERE id = $1 AND password_hash = $2 AND status = 'active'
RETURNING id
"""


async def update_password(conn: Connection, user_id: int, *, old_hash: str, new_hash: str) -> bool:
    """False when ``old_hash`` is not the account's hash any more."""
    return await conn.fetchval(UPDATE_PASSWORD, user_id, old_hash, new_hash) is not None


# The lock has a login wait for a suspension, a deletion or a change of the password that would
# not see its session.
INSERT_SESSION = """
INSERT INTO sessions (user_id, user_agent, ip, expires_at)
SELECT id, $2, $3, now() + make_interval(secs => $4)
FROM users
WHERE id = $1 AND password_hash = $5 AND status = 'active'
FOR SHARE
RETURNING id
"""


async def insert_session(
    conn: Connection,
    *,
    user_id: int,
    password_hash: str,
    user_agent: str | None,
    ip: str,
    lifetime_s: int,
) -> int | None:
    """None when the account is not active any more, or its password not what it was."""
    session_id: int | None = await conn.fetchval(
        INSERT_SESSION, user_id, user_agent, ip, lifetime_s, password_hash
    )
    return session_id


SELECT_SESSION_FOR_UPDATE = """
SELECT s.id, s.user_id, u.username, u.role, u.status,
  s.generation, s.rotated_at, s.generation_used, s.expires_at
FROM sessions AS s
JOIN users AS u ON u.id = s.user_id
WHERE s.id = $1
  AND s.ended_at IS NULL
  AND s.expires_at > now()
FOR UPDATE OF s
"""


async def select_session_for_update(conn: Connection, session_id: int) -> SessionRow | None:
    return as_row(SessionRow, await conn.fetchrow(SELECT_SESSION_FOR_UPDATE, session_id))


UPDATE_SESSION_USED = """
UPDATE sessions
SET last_used_at = now(), generation_used = true
WHERE id = $1
"""


async def update_session_used(conn: Connection, session_id: int) -> None:
    await conn.execute(UPDATE_SESSION_USED, session_id)


UPDATE_SESSION_ROTATED = """
UPDATE sessions
SET generation = generation + 1,
  rotated_at = now(),
  generation_used = false,
  last_used_at = now(),
  expires_at = now() + make_interval(secs => $2)
WHERE id = $1
RETURNING generation, rotated_at, expires_at
"""


async def update_session_rotated(
    conn: Connection, session_id: int, *, lifetime_s: int
) -> tuple[int, dt.datetime, dt.datetime]:
    [record] = await conn.fetch(UPDATE_SESSION_ROTATED, session_id, lifetime_s)
    return record[0], record[1], record[2]


UPDATE_SESSION_ENDED = """
UPDATE sessions
SET ended_at = now()
WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > now()
RETURNING id
"""


async def update_session_ended(conn: Connection, session_id: int, *, user_id: int) -> bool:
    ended = await conn.fetchval(UPDATE_SESSION_ENDED, session_id, user_id)
    return ended is not None


UPDATE_SESSIONS_ENDED = """
UPDATE sessions
SET ended_at = now()
WHERE user_id = $1 AND ended_at IS NULL AND id <> $2
RETURNING id
"""


async def update_sessions_ended(
    conn: Connection, user_id: int, *, but_session_id: int = 0
) -> list[int]:
    """Ends all of a user's sessions but one; the ids of those that it ended."""
    records = await conn.fetch(UPDATE_SESSIONS_ENDED, user_id, but_session_id)
    return [record[0] for record in records]


DELETE_SESSIONS = """
DELETE FROM sessions
WHERE user_id = $1
"""


async def delete_sessions(conn: Connection, user_id: int) -> None:
    await conn.execute(DELETE_SESSIONS, user_id)


DELETE_EXPIRED_SESSIONS = """
DELETE FROM sessions
WHERE expires_at < now() - $1::interval
"""


async def delete_expired_sessions(conn: Connection, *, kept: dt.timedelta) -> None:
    await conn.execute(DELETE_EXPIRED_SESSIONS, kept)


SELECT_SESSIONS = """
SELECT id, created_at, last_used_at, expires_at, user_agent, ip
FROM sessions
WHERE user_id = $1 AND ended_at IS NULL AND expires_at > now()
ORDER BY last_used_at DESC, id DESC
LIMIT $2 OFFSET $3
"""


async def select_sessions(
    conn: Connection, user_id: int, *, limit: int, offset: int
) -> list[SessionListRow]:
    return as_rows(SessionListRow, await conn.fetch(SELECT_SESSIONS, user_id, limit, offset))


COUNT_SESSIONS = """
SELECT count(*)
FROM sessions
WHERE user_id = $1 AND ended_at IS NULL AND expires_at > now()
"""


async def count_sessions(conn: Connection, user_id: int) -> int:
    total: int = await conn.fetchval(COUNT_SESSIONS, user_id)
    return total


# In the order of the keys, so that two who share both do not wait for each other.
LOCK_ATTEMPTS = """
SELECT pg_advisory_xact_lock(key)
FROM (
  SELECT hashtextextended(name, 0) AS key
  FROM unnest($1::TEXT[]) AS name
  ORDER BY key
) AS ordered
"""


async def lock_attempts(conn: Connection, names: list[str]) -> None:
    """Waits for whoever holds one of the names; they are held until the transaction ends."""
    await conn.execute(LOCK_ATTEMPTS, names)


# The failure that must leave its window before the next attempt is the limit-th newest.
SELECT_FAILURE_COUNTS = """
WITH account AS (
  SELECT failed_at
  FROM login_failures
  WHERE account_key = $1 AND failed_at > now() - make_interval(secs => $3)
  ORDER BY failed_at DESC
  LIMIT $5
), address AS (
  SELECT failed_at
  FROM login_failures
  WHERE address = $2 AND failed_at > now() - make_interval(secs => $4)
  ORDER BY failed_at DESC
  LIMIT $6
)
SELECT
  (SELECT count(*) FROM account),
  (SELECT count(*) FROM address),
  coalesce(extract(epoch FROM now() - (SELECT min(failed_at) FROM account)), 0)::float8,
  coalesce(extract(epoch FROM now() - (SELECT min(failed_at) FROM address)), 0)::float8
"""


async def select_failure_counts(
    conn: Connection,
    *,
    account_key: str,
    address: str,
    account_window_s: int,
    address_window_s: int,
    account_limit: int,
    address_limit: int,
) -> FailureCounts:
    [record] = await conn.fetch(
        SELECT_FAILURE_COUNTS,
        account_key,
        address,
        account_window_s,
        address_window_s,
        account_limit,
        address_limit,
    )
    return FailureCounts(*record)


INSERT_LOGIN_FAILURE = """
INSERT INTO login_failures (account_key, address)
VALUES ($1, $2)
"""


async def insert_login_failure(conn: Connection, *, account_key: str, address: str) -> None:
    await conn.execute(INSERT_LOGIN_FAILURE, account_key, address)


DELETE_LOGIN_FAILURES = """
DELETE FROM login_failures
WHERE account_key = $1
"""


async def delete_login_failures(conn: Connection, account_key: str) -> None:
    await conn.execute(DELETE_LOGIN_FAILURES, account_key)


DELETE_OLD_LOGIN_FAILURES = """
DELETE FROM login_failures
WHERE failed_at < now() - $1::interval
"""


async def delete_old_login_failures(conn: Connection, *, kept: dt.timedelta) -> None:
    await conn.execute(DELETE_OLD_LOGIN_FAILURES, kept)
