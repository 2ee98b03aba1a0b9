"""Lists of a large catalogue read what they show, not all that there is."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from talas.domains.products import sql as products
from talas.domains.products.lists import sql

ROWS = 100_000
BRAND, CATEGORY = "brand 7", 7


@pytest.fixture
async def filled(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A catalogue with a hundred categories and a hundred brands."""
    conn = await asyncpg.connect(database_url)
    await conn.execute(
        "INSERT INTO categories (name) SELECT 'c' || n FROM generate_series(1, 100) AS n"
    )
    await conn.execute(
        f"""
        INSERT INTO products (name, brand, model, price, category_id, status)
        SELECT md5(n::TEXT), 'Brand ' || n % 100, 'm' || n, nullif(n % 5000, 0),
          1 + n * 7 % 100, CASE n % 50 WHEN 0 THEN 'inactive' ELSE 'active' END
        FROM generate_series(1, {ROWS}) AS n
        """
    )
    await conn.execute("ANALYZE")
    yield conn
    await conn.close()


def catalogue_arguments(by_category: bool, by_brand: bool) -> list[Any]:
    return [20, 0, *([CATEGORY] if by_category else []), *([BRAND] if by_brand else [])]


async def rows_read(conn: asyncpg.Connection, statement: str, arguments: list[Any]) -> float:
    """By the node of the plan that reads most."""
    plan = await conn.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)

    def most(node: dict[str, Any]) -> float:
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        return max([read * node["Actual Loops"], *map(most, node.get("Plans", []))])

    return most(json.loads(plan)[0]["Plan"])


async def test_no_page_reads_the_whole_catalogue(filled: asyncpg.Connection) -> None:
    statements: list[tuple[str, list[Any]]] = [
        (statement, catalogue_arguments(by_category, by_brand))
        for (_, by_category, by_brand, _), statement in sql.CATALOGUE_PAGES.items()
    ]
    statements += [
        (statement, catalogue_arguments(by_category, by_brand=False))
        for (_, by_category, _), statement in sql.PAGES.items()
    ]
    statements += [
        (sql.COUNT_OF_BRAND, [BRAND, None]),
        (sql.PAGE_OF_TEXT, [20, 0, "m99999", None, None]),
        (sql.COUNT_OF_TEXT, ["m99999", None, None]),
        (products.SELECT_NEWEST_PRODUCTS, [10]),
    ]
    for statement, arguments in statements:
        # A category, like a brand, has a thousand.
        assert await rows_read(filled, statement, arguments) <= 2500, statement
