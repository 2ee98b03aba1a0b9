"""Roles, statuses, and the log of who changed them."""

import datetime as dt
from typing import Any

import msgspec

from talas.core.database import Connection, as_row, as_rows


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


# Whoever takes or gives super_admin holds all of these rows, in one order: two who demote
# each other at once come one after the other.
SELECT_SUPER_ADMINS_FOR_UPDATE = """
SELECT id
FROM users
WHERE role = 'super_admin' AND status = 'active'
ORDER BY id
FOR UPDATE
"""


async def select_super_admins_for_update(conn: Connection) -> list[int]:
    records = await conn.fetch(SELECT_SUPER_ADMINS_FOR_UPDATE)
    return [record[0] for record in records]


SELECT_ACCOUNT_FOR_UPDATE = """
SELECT id, username, role, status
FROM users
WHERE id = $1 AND status <> 'deleted'
FOR UPDATE
"""


async def select_account_for_update(conn: Connection, user_id: int) -> AccountState | None:
    return as_row(AccountState, await conn.fetchrow(SELECT_ACCOUNT_FOR_UPDATE, user_id))


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
