"""Roles, statuses, and the log of who changed them."""

import datetime as dt
from typing import Any

import msgspec

from talas.core.database import Connection, as_row, as_rows, has_trigrams
from talas.core.filters import for_each_filter, given_filters
from talas.core.trigrams import account_contains, account_may_contain
from talas.domains.admin.schemas import AccountFilter, AuditFilter, ManagedAccount


class AccountState(msgspec.Struct, frozen=True):
    id: int
    username: str
    role: str
    status: str


class AccountListRow(msgspec.Struct, frozen=True):
    id: int
    username: str
    email: str
    role: str
    status: str
    created_at: dt.datetime


class AuditRow(msgspec.Struct, frozen=True):
    """``before`` and ``after`` as JSON."""

    id: int
    actor_id: int | None
    actor_name: str | None
    action: str
    target_type: str | None
    target_id: int | None
    before: str | None
    after: str | None
    address: str | None
    created_at: dt.datetime


# "roles" in ASCII.
_ROLES_KEY = 0x726F6C6573
HOLD_ROLES = """
SELECT pg_advisory_xact_lock($1)
"""


async def hold_roles(conn: Connection) -> None:
    """Until the transaction ends nobody else gives or takes a role, suspends, or deletes the
    account of a super_admin.

    The rows themselves would not do: which of them there are to be locked, and in what order,
    changes with what those do who came before, and two would wait for each other.
    """
    await conn.execute(HOLD_ROLES, _ROLES_KEY)


SELECT_SUPER_ADMINS = """
SELECT id
FROM users
WHERE role = 'super_admin' AND status = 'active'
ORDER BY id
"""


async def select_super_admins(conn: Connection) -> list[int]:
    """The active ones. Who holds the roles knows that they stay so."""
    return [record[0] for record in await conn.fetch(SELECT_SUPER_ADMINS)]


SELECT_ACCOUNT_FOR_UPDATE = """
SELECT id, username, role, status
FROM users
WHERE id = $1 AND status <> 'deleted'
FOR UPDATE
"""


async def select_account_for_update(conn: Connection, user_id: int) -> AccountState | None:
    return as_row(AccountState, await conn.fetchrow(SELECT_ACCOUNT_FOR_UPDATE, user_id))


SELECT_ACTIVE_ROLE_FOR_SHARE = """
SELECT role
FROM users
WHERE id = $1 AND status = 'active'
FOR SHARE
"""


async def select_active_role_for_share(conn: Connection, user_id: int) -> str | None:
    """Neither the role nor the status changes until the transaction ends."""
    role: str | None = await conn.fetchval(SELECT_ACTIVE_ROLE_FOR_SHARE, user_id)
    return role


SELECT_ID_BY_NAME = """
SELECT id
FROM users
WHERE lower(username) = lower($1) OR lower(email) = lower($1)
ORDER BY lower(username) = lower($1) DESC
LIMIT 1
"""


async def select_id_by_name(conn: Connection, name: str) -> int | None:
    user_id: int | None = await conn.fetchval(SELECT_ID_BY_NAME, name)
    return user_id


SELECT_ACCOUNTS = """
SELECT id, username, email, role, status, created_at
FROM users
WHERE status <> 'deleted'
ORDER BY id
"""


async def select_accounts(conn: Connection) -> list[AccountListRow]:
    return as_rows(AccountListRow, await conn.fetch(SELECT_ACCOUNTS))


# S608 below: what is put together are constants of this file.
_COLUMNS = """id, username, email, role, status, first_name, last_name, avatar, created_at,
  updated_at"""

SELECT_ACCOUNT = f"""
SELECT {_COLUMNS}
FROM users
WHERE id = $1 AND status <> 'deleted'
"""  # noqa: S608


async def select_account(conn: Connection, user_id: int) -> ManagedAccount | None:
    return as_row(ManagedAccount, await conn.fetchrow(SELECT_ACCOUNT, user_id))


def _list_accounts(condition: str) -> str:
    return f"""
SELECT {_COLUMNS}
FROM users
WHERE status <> 'deleted' AND {condition}
ORDER BY id
LIMIT $1 OFFSET $2
"""  # noqa: S608


SELECT_MANAGED_ACCOUNTS = for_each_filter(("role", "status"), _list_accounts)


async def select_managed_accounts(
    conn: Connection, wanted: AccountFilter, *, limit: int, offset: int
) -> list[ManagedAccount]:
    filters = given_filters(wanted)
    statement = SELECT_MANAGED_ACCOUNTS[tuple(filters)]
    return as_rows(ManagedAccount, await conn.fetch(statement, limit, offset, *filters.values()))


_WANTED_ACCOUNTS = """status <> 'deleted'
  AND ($1::TEXT IS NULL OR role = $1)
  AND ($2::TEXT IS NULL OR status = $2)"""
_MATCHES_SHORT = f"{account_contains('$3')}\n  AND {_WANTED_ACCOUNTS}"
_MATCHES = f"{account_may_contain('$3')}\n  AND {_MATCHES_SHORT}"


def _search(condition: str) -> str:
    """The page and, in each of its rows, how many match: all of them are looked at anyway."""
    return f"""
WITH found AS MATERIALIZED (
  SELECT {_COLUMNS}
  FROM users
  WHERE {condition}
)
SELECT (SELECT count(*) FROM found), page.*
FROM (SELECT * FROM found ORDER BY id LIMIT $4 OFFSET $5) AS page
RIGHT JOIN (SELECT) AS always ON true
"""  # noqa: S608


SEARCH_ACCOUNTS = _search(_MATCHES)
SEARCH_ACCOUNTS_BY_SHORT_TERM = _search(_MATCHES_SHORT)


async def search_accounts(
    conn: Connection, term: str, wanted: AccountFilter, *, limit: int, offset: int
) -> tuple[list[ManagedAccount], int]:
    """The page, and how many match. A term of fewer than three characters reads the whole
    table."""
    statement = SEARCH_ACCOUNTS if has_trigrams(term) else SEARCH_ACCOUNTS_BY_SHORT_TERM
    records = await conn.fetch(statement, wanted.role, wanted.status, term, limit, offset)
    found = [ManagedAccount(*record[1:]) for record in records if record[1] is not None]
    return found, records[0][0]


SELECT_NEW_USERS_TODAY = """
SELECT count(*)
FROM users
WHERE status <> 'deleted' AND created_at >= date_trunc('day', now(), 'UTC')
"""


async def select_new_users_today(conn: Connection) -> int:
    """Since midnight in UTC."""
    count: int = await conn.fetchval(SELECT_NEW_USERS_TODAY)
    return count


SELECT_LIVE_SESSIONS = """
SELECT count(*)
FROM sessions
WHERE ended_at IS NULL AND expires_at > now()
"""


async def select_live_sessions(conn: Connection) -> int:
    count: int = await conn.fetchval(SELECT_LIVE_SESSIONS)
    return count


UPDATE_ACCOUNT_STATE = """
UPDATE users
SET role = $2, status = $3, updated_at = now()
WHERE id = $1
"""


async def update_account_state(conn: Connection, user_id: int, *, role: str, status: str) -> None:
    await conn.execute(UPDATE_ACCOUNT_STATE, user_id, role, status)


INSERT_AUDIT = """
INSERT INTO audit_log
  (actor_id, actor_name, action, target_type, target_id, before, after, address)
VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb, $8)
"""


async def insert_audit(
    conn: Connection,
    *,
    actor_id: int | None,
    actor_name: str,
    action: str,
    target_type: str,
    target_id: int,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    address: str,
) -> None:
    await conn.execute(
        INSERT_AUDIT,
        actor_id,
        actor_name,
        action,
        target_type,
        target_id,
        msgspec.json.encode(before).decode(),
        msgspec.json.encode(after).decode(),
        address,
    )


def _list_audit(condition: str) -> str:
    """The page is found in an index alone; only its own rows are read."""
    return f"""
WITH page AS (
  SELECT id
  FROM audit_log
  WHERE {condition}
  ORDER BY id DESC
  LIMIT $1 OFFSET $2
)
SELECT a.id, a.actor_id, a.actor_name, a.action, a.target_type, a.target_id, a.before, a.after,
  a.address, a.created_at
FROM page
JOIN audit_log AS a ON a.id = page.id
ORDER BY a.id DESC
"""  # noqa: S608


SELECT_AUDIT = for_each_filter(("actor_id", "action", "target_type", "target_id"), _list_audit)


async def select_audit(
    conn: Connection, wanted: AuditFilter, *, limit: int, offset: int
) -> list[AuditRow]:
    filters = given_filters(wanted)
    statement = SELECT_AUDIT[tuple(filters)]
    return as_rows(AuditRow, await conn.fetch(statement, limit, offset, *filters.values()))


COUNT_AUDIT_OF_TARGET = """
SELECT count(*)
FROM audit_log
WHERE target_type = $1
  AND target_id = $2
  AND ($3::INT IS NULL OR actor_id = $3)
  AND ($4::TEXT IS NULL OR action = $4)
"""


async def count_audit_of_target(conn: Connection, wanted: AuditFilter) -> int:
    """What was done to one thing is little; for other filters there are kept counts."""
    total: int = await conn.fetchval(
        COUNT_AUDIT_OF_TARGET,
        wanted.target_type,
        wanted.target_id,
        wanted.actor_id,
        wanted.action,
    )
    return total
