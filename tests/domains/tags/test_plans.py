"""Tags are not all read through on every letter that somebody types."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.waiting import vacuum

from talas.domains.tags import sql

TAGS = 20_000
VIEWER = 1


@pytest.fixture
async def filled(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Tags of which few are used much; the viewer has some private tracks."""
    conn = await asyncpg.connect(database_url)
    await conn.execute(
        "INSERT INTO users (username, email, password_hash) VALUES ('a', 'a', ''), ('b', 'b', '')"
    )
    await conn.execute(
        f"""
        INSERT INTO tags (name, usage_count)
        SELECT translate(md5(n::TEXT), '0123456789', 'ghijklmnop'), 1 + {TAGS} / n
        FROM generate_series(1, {TAGS}) AS n
        """
    )
    await conn.execute(
        """
        INSERT INTO tracks (
          user_id, title, artist, visibility, status, container, media_type, filename,
          content_hash, size, storage_key
        )
        SELECT 1 + n % 2, 't', 'a', 'private', 'ready', 'wav', 'audio/wav', 'f', sha256(''), 1, n
        FROM generate_series(1, 100) AS n
        """
    )
    await conn.execute(
        "INSERT INTO track_tags (track_id, tag_id, position) SELECT id, id * 7, 1 FROM tracks"
    )
    await conn.execute("ANALYZE")
    await vacuum(conn, "tags")
    yield conn
    await conn.close()


async def rows_read(conn: asyncpg.Connection, statement: str, *arguments: Any) -> float:
    """By the node of the plan that reads most."""
    plan = await conn.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments)

    def most(node: dict[str, Any]) -> float:
        removed = node.get("Rows Removed by Filter", 0)
        removed += node.get("Rows Removed by Index Recheck", 0)
        read = (node["Actual Rows"] + removed) * node["Actual Loops"]
        return max([read, *map(most, node.get("Plans", []))])

    return most(json.loads(plan)[0]["Plan"])


async def test_no_tag_statement_reads_all_tags(filled: asyncpg.Connection) -> None:
    name = await filled.fetchval("SELECT name FROM tags WHERE id = 17777")
    for statement, arguments, most in (
        (sql.SELECT_TAGS_BY_USAGE, (VIEWER, 20, 0), 500),
        (sql.COUNT_TAGS_OF_OWN_ONLY, (VIEWER,), 500),
        (sql.SELECT_TAGS_BY_IDS, (VIEWER, [5, 6]), 500),
        (sql.SELECT_UNUSED_TAGS, (0, 500), 500),
        (sql.SELECT_TAGS_BY_PREFIX, (VIEWER, "a", 20), 500),
        (sql.SELECT_TAGS_BY_PREFIX, (VIEWER, "ab", 20), 1_500),
        # The letter that most begin with has a sixteenth of them.
        (sql.SELECT_TAGS_BY_PREFIX, (VIEWER, "axyz", 20), 3_000),
        (sql.SELECT_TAGS_SPELT_LIKE, (VIEWER, name[1:], 2, 100), 500),
        (sql.SELECT_TAGS_SPELT_LIKE, (VIEWER, "abcdefg", 1, 100), 500),
    ):
        assert await rows_read(filled, statement, *arguments) <= most, (statement, arguments)
