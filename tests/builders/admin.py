"""Accounts of every role, and what administrators do with them."""

import itertools
from typing import Any

from tests.builders.products import run_sql
from tests.builders.users import Account
from tests.servers import ApiProcess

_numbers = itertools.count(1)
ROLES = ("user", "moderator", "admin", "super_admin")

INSERT_ACCOUNT = """
    INSERT INTO users (username, email, password_hash, role, status, created_at)
    VALUES ($1::TEXT, $1::TEXT || '@example.com', '', $2, $3, coalesce($4, now()))
    RETURNING id
"""


def create_account(
    api: ApiProcess,
    *,
    role: str = "user",
    status: str = "active",
    username: str | None = None,
    created_at: Any = None,
) -> int:
    """The id of an account that nobody signs in to."""
    name = username or f"plain{next(_numbers)}"
    [row] = run_sql(api, INSERT_ACCOUNT, name, role, status, created_at)
    user_id: int = row[0]
    return user_id


def change_account(api: ApiProcess, by: Account, user_id: int, **changes: Any) -> Any:
    return api.client.put(f"/admin/users/{user_id}", token=by.token, json=changes)


def state_of(api: ApiProcess, user_id: int) -> tuple[str, str]:
    """Role and status, as the database has them."""
    [row] = run_sql(api, "SELECT role, status FROM users WHERE id = $1", user_id)
    return row[0], row[1]
