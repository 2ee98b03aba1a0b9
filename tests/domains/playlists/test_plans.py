"""The statements of playlists read about as many rows as they answer, where there is much to
read."""

import json
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from tests.conftest import TestServer
from tests.core.test_plans import by_sort, is_greedy, nodes
from tests.waiting import vacuum

from talas.domains.playlists import sql
from talas.domains.playlists.collaborators import sql as collaborators
from talas.domains.playlists.lists import sql as lists
from talas.domains.playlists.order import sql as order

VIEWER, OWNER = 7, 11
SEED = """
ALTER TABLE users DISABLE TRIGGER USER;
ALTER TABLE tracks DISABLE TRIGGER USER;
ALTER TABLE playlists DISABLE TRIGGER USER;
-- Indexes of words take longer to follow so many rows than to be built on them.
DROP INDEX users_trigrams_idx, tracks_trigrams_idx, playlists_trigrams_idx;
INSERT INTO users (username, email, password_hash)
SELECT 'u' || n, n || '@e.org', '' FROM generate_series(1, 6000) AS n;
INSERT INTO tracks (
  user_id, title, artist, container, media_type, filename, content_hash, size, storage_key,
  visibility, status, duration_ms
)
SELECT 1 + n % 6000, 't', 'a', 'wav', 'audio/wav', 'a.wav', sha256('a'), 1, n, 'public', 'ready',
  1000
FROM generate_series(1, 6000) AS n;
-- The oldest third is not public.
INSERT INTO playlists (user_id, title, visibility, updated_at)
SELECT 1 + n % 3000, left(md5(n::TEXT), 12),
  CASE WHEN n < 5000 THEN 'private' ELSE 'public' END, now() - n * 7919 % 15000 * interval '1 s'
FROM generate_series(1, 15000) AS n;
INSERT INTO playlist_tracks (playlist_id, position, track_id, added_by)
SELECT 1 + n % 15000, n / 15000, 1 + n * 31 % 6000, 1 + n % 3000
FROM generate_series(0, 59999) AS n;
INSERT INTO playlist_collaborators (playlist_id, user_id)
SELECT n, 1 + n * 3 % 6000 FROM generate_series(1, 15000) AS n;
CREATE INDEX playlists_trigrams_idx ON playlists
USING gin (trigrams(title || E'\\n' || description) COLLATE "C");
"""
NEW_ENTRIES = (1, [1, 2], [5, 6])
HOT = [
    *by_sort(lists.PAGES, VIEWER, 20, 40),
    *by_sort(lists.PAGES_FROM_END, VIEWER, 20, 40),
    (lists.COUNT_UNSHARED, (VIEWER,)),
    *by_sort(lists.FIND_MINE, VIEWER, 20, 0, None, None),
    *by_sort(lists.FIND_MINE, VIEWER, 20, 0, OWNER, "ab"),
    *by_sort(lists.FIND_OF_USER, VIEWER, 20, 0, OWNER, None),
    *by_sort(lists.FIND_OF_USER, VIEWER, 20, 0, OWNER, "ab12c"),
    *by_sort(lists.FIND_TEXT, VIEWER, 20, 0, None, "ab12c"),
    (sql.SELECT_PLAYLISTS, (VIEWER, [*range(100, 120)])),
    (sql.COUNT_HEARD, (VIEWER, [*range(100, 120)])),
    (sql.LOCK_PLAYLIST, (1,)),
    (sql.LOCK_PLAYLISTS_OF_USER, (OWNER,)),
    (sql.COUNT_PLAYLISTS_OF_USER, (OWNER,)),
    (sql.FORGET_ADDED_BY_USER, (OWNER,)),
    (sql.DELETE_COLLABORATIONS_OF_USER, (OWNER,)),
    (order.SELECT_ENTRIES, (VIEWER, 1)),
    (order.SELECT_HEARD, (VIEWER, 1)),
    (order.SELECT_HEARD_ENTRIES, (VIEWER, 1, 20, 0)),
    (order.SELECT_EXPORT, (VIEWER, 1)),
    (order.HOLD_HEARD_TRACKS, (VIEWER, [1, 2, 3])),
    (order.COUNT_ENTRIES, (1,)),
    (order.UPDATE_POSITIONS, NEW_ENTRIES),
    (order.DELETE_OTHER_ENTRIES, (1, [1, 2])),
    (order.DELETE_HEARD_ENTRY, (VIEWER, 1, 1)),
    (collaborators.SELECT_COLLABORATORS, (1, 20, 0)),
    (collaborators.COUNT_COLLABORATORS, (1,)),
]


@pytest.fixture(scope="module")
def filled_url(test_server: TestServer) -> Iterator[str]:
    url = test_server.create_database()
    yield url
    test_server.drop_database(url)


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(filled_url, server_settings={"jit": "off"})
    if not await conn.fetchval("SELECT EXISTS (SELECT FROM users)"):
        await conn.execute(SEED)
        await vacuum(conn)
    yield conn
    await conn.close()


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_no_statement_reads_much_more_than_it_answers(
    filled: asyncpg.Connection, plans: str
) -> None:
    await filled.execute(f"SET plan_cache_mode = {plans}")
    greedy = []
    for statement, arguments in HOT:
        async with filled.transaction():
            explained = await filled.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}", *arguments
            )
        (plan,) = json.loads(explained)
        greedy += [
            (node["Node Type"], node.get("Relation Name"), node.get("Index Name"), statement)
            for node in nodes(plan["Plan"])
            if "Scan" in node["Node Type"] and is_greedy(node)
        ]
    assert greedy == []


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_counting_reads_indexes_alone(filled: asyncpg.Connection, plans: str) -> None:
    """A page of long playlists would join hundreds of thousands of tracks."""
    await filled.execute(f"SET plan_cache_mode = {plans}")
    explained = await filled.fetchval(
        f"EXPLAIN (FORMAT JSON) {sql.COUNT_HEARD}", VIEWER, [*range(100, 200)]
    )
    (plan,) = json.loads(explained)
    scans = {
        node["Index Name"]: node["Node Type"]
        for node in nodes(plan["Plan"])
        if "Scan" in node["Node Type"]
    }
    assert scans == {
        "playlist_tracks_order_idx": "Index Only Scan",
        "tracks_withheld_idx": "Index Only Scan",
    }
