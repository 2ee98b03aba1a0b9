"""What one person's gear costs where others have much."""

import asyncpg
import pytest

from talas.domains.user_products import sql

ROWS = 100_000
OWNER = 7


@pytest.fixture
async def filled(database_url: str) -> asyncpg.Connection:
    """Much gear, files and documents of others; of OWNER a little."""
    conn = await asyncpg.connect(database_url)
    await conn.execute(
        f"""
        INSERT INTO users (username, email, password_hash)
        SELECT 'u' || n, 'u' || n, '' FROM generate_series(1, 1000) AS n;
        INSERT INTO products (name) SELECT 'p' || n FROM generate_series(1, 1000) AS n;
        INSERT INTO user_products (user_id, product_id, warranty_expires)
        SELECT 1 + n % 1000, 1 + n / 1000, '2024-01-01'::DATE + n % 3000
        FROM generate_series(0, {ROWS - 1}) AS n;
        INSERT INTO files (product_id, filename, type, mime_type, size, content_hash, storage_key)
        SELECT id, 'f', 'manual', 'text/plain', 1, sha256(''), id FROM user_products;
        INSERT INTO product_docs
          (product_id, filename, type, mime_type, size, content_hash, storage_key)
        SELECT 1 + n % 1000, 'f', 'manual', 'text/plain', 1, sha256(''), n
        FROM generate_series(1, {ROWS}) AS n;
        ANALYZE
        """
    )
    return conn


async def test_no_statement_reads_what_is_not_the_owners(filled: asyncpg.Connection) -> None:
    gear_id = await filled.fetchval("SELECT min(id) FROM user_products WHERE user_id = $1", OWNER)
    statements: dict[str, tuple[object, ...]] = {
        sql.SELECT_GEAR: (gear_id, OWNER),
        sql.LOCK_GEAR: (gear_id, OWNER),
        sql.SELECT_PAGE: (OWNER, None, 20, 0),
        sql.COUNT_GEAR: (OWNER, "sold"),
        sql.SELECT_WARRANTIES: (OWNER, 30, "expiring", 20, 0),
        sql.COUNT_WARRANTIES: (OWNER, 30, None),
        sql.SELECT_EXPIRIES: (OWNER, 1000),
        sql.SELECT_HAS_FILES: (gear_id,),
        sql.DELETE_GEAR: (gear_id,),
        sql.LOCK_GEAR_OF_USER: (OWNER,),
        sql.DELETE_GEAR_OF_USER: (OWNER,),
    }
    try:
        for statement, arguments in statements.items():
            rows = await filled.fetch(f"EXPLAIN {statement}", *arguments)
            plan = "\n".join(row[0] for row in rows)
            for table in ("user_products", "files", "product_docs"):
                assert f"Seq Scan on {table}" not in plan, plan
    finally:
        await filled.close()


async def test_files_are_counted_only_for_the_page(filled: asyncpg.Connection) -> None:
    """Sorted first, then counted: not for all gear that somebody has."""
    try:
        await filled.execute(
            "INSERT INTO products (name) SELECT 'q' || n FROM generate_series(1, 3000) AS n"
        )
        await filled.execute(
            "INSERT INTO user_products (user_id, product_id, warranty_expires) "
            "SELECT $1, id, '2024-01-01'::DATE + id FROM products WHERE name LIKE 'q%'",
            OWNER,
        )
        await filled.execute("ANALYZE")
        explain = f"EXPLAIN (ANALYZE, TIMING OFF) {sql.SELECT_WARRANTIES}"
        rows = await filled.fetch(explain, OWNER, 30, None, 20, 0)
        plan = "\n".join(row[0] for row in rows)
        counts = plan.partition("SubPlan")[2]
        assert "loops=20)" in counts, plan
    finally:
        await filled.close()
