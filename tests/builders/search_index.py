"""Rows written straight into the database, and what an index on disk holds."""

import asyncio
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import tantivy
from tests.servers import ApiProcess

from talas.domains.search import documents, generations

WITHIN_S = 60.0
_numbers = itertools.count(1)


def run(url: str, statement: str, *arguments: Any) -> Any:
    """The value that one statement returns, committed."""

    async def fetched() -> Any:
        conn = await asyncpg.connect(url)
        try:
            return await conn.fetchval(statement, *arguments)
        finally:
            await conn.close()

    return asyncio.run(fetched())


def insert_user(url: str, *, username: str | None = None, status: str = "active") -> int:
    username = username or f"indexed{os.getpid()}x{next(_numbers)}"
    statement = """
        INSERT INTO users (username, email, password_hash, status)
        VALUES ($1::text, $1::text || '@example.com', 'x', $2) RETURNING id
    """
    return int(run(url, statement, username, status))


def insert_tracks(
    url: str, user_id: int, count: int = 1, *, title: str = "A track", visibility: str = "public"
) -> list[int]:
    statement = """
        WITH made AS (
          INSERT INTO tracks (user_id, title, artist, container, media_type, filename,
            content_hash, size, storage_key, status, visibility)
          SELECT $1, $3 || ' ' || n, 'somebody', 'wav', 'audio/wav', 'a.wav', sha256('x'), 1,
            gen_random_uuid()::text, 'ready', $4
          FROM generate_series(1, $2) AS n
          RETURNING id
        )
        SELECT array_agg(id) FROM made
    """
    return [*run(url, statement, user_id, count, title, visibility)]


def index_folder(api: ApiProcess) -> Path:
    return api.data_dir / "search"


def indexed_keys(folder: Path) -> set[str] | None:
    """Of every document; None where there is no index that could be read."""
    generation = generations.current(folder)
    if generation is None or not tantivy.Index.exists(str(generation)):
        return None
    index = tantivy.Index.open(str(generation))
    documents.register(index)
    index.reload()
    searcher = index.searcher()
    hits = searcher.search(tantivy.Query.all_query(), limit=max(1, searcher.num_docs)).hits
    keys = [searcher.doc(address)["key"][0] for _, address in hits]
    assert len(keys) == len(set(keys)), "something is indexed twice"
    return set(keys) - {"stamp:"}


def expected_keys(url: str) -> set[str]:
    """Of everything in the database that somebody may find."""
    statement = """
        SELECT array_agg(key) FROM (
          SELECT 'users:' || id AS key FROM users WHERE status = 'active'
          UNION ALL SELECT 'products:' || id FROM products WHERE status = 'active'
          UNION ALL SELECT 'files:' || id FROM files
          UNION ALL SELECT 'tracks:' || id FROM tracks
          UNION ALL SELECT 'rooms:' || id FROM rooms
        ) AS all_keys
    """
    return set(run(url, statement) or ())


def wait_for(condition: Callable[[], bool], *, within_s: float = WITHIN_S) -> float:
    """How long it took, in seconds. A folder that changes under the hands is looked at again."""
    began = time.monotonic()
    while True:
        try:
            if condition():
                return time.monotonic() - began
            problem = ""
        except (ValueError, OSError) as error:
            problem = f": {error}"
        assert time.monotonic() - began < within_s, f"it has not come to that{problem}"
        time.sleep(0.05)


def wait_until_same(url: str, folder: Path, *, within_s: float = WITHIN_S) -> float:
    """Until the index holds what the database does."""
    return wait_for(lambda: indexed_keys(folder) == expected_keys(url), within_s=within_s)
