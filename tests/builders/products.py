"""Staff, and what they put into the catalogue."""

import asyncio
import itertools
import json
from typing import Any

import asyncpg
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

_numbers = itertools.count(1)


def run_sql(api: ApiProcess, statement: str, *arguments: Any) -> list[asyncpg.Record]:
    async def run() -> list[asyncpg.Record]:
        conn = await asyncpg.connect(api.database_url)
        try:
            records: list[asyncpg.Record] = await conn.fetch(statement, *arguments)
            return records
        finally:
            await conn.close()

    return asyncio.run(run())


def create_staff(api: ApiProcess, *, role: str = "admin") -> Account:
    account = create_user(api)
    run_sql(api, "UPDATE users SET role = $2 WHERE id = $1", account.id, role)
    return account


def create_category(
    api: ApiProcess, token: str, *, name: str | None = None, description: str | None = None
) -> dict[str, Any]:
    body = {"name": name or f"Category {next(_numbers)}", "description": description}
    answer = api.client.post("/admin/categories", token=token, json=body)
    assert answer.status_code == 201, answer.text
    category: dict[str, Any] = answer.json()["data"]
    return category


def create_product(
    api: ApiProcess, token: str, *, name: str | None = None, **fields: Any
) -> dict[str, Any]:
    body = {"name": name or f"Product {next(_numbers)}", **fields}
    answer = api.client.post("/admin/products", token=token, json=body)
    assert answer.status_code == 201, answer.text
    product: dict[str, Any] = answer.json()["data"]
    return product


def own_product(api: ApiProcess, user_id: int, product_id: int) -> None:
    insert = "INSERT INTO user_products (user_id, product_id) VALUES ($1, $2)"
    run_sql(api, insert, user_id, product_id)


def audit_of(api: ApiProcess, target_type: str, target_id: int) -> list[dict[str, Any]]:
    """What was done to it, oldest first: action, actor_id, address, before, after."""
    select = """
        SELECT action, actor_id, address, before, after FROM audit_log
        WHERE target_type = $1 AND target_id = $2 ORDER BY id
    """
    rows = [dict(record) for record in run_sql(api, select, target_type, target_id)]
    for row in rows:
        row["before"], row["after"] = json.loads(row["before"]), json.loads(row["after"])
    return rows
