"""The lists' statements read about as many rows as they answer, where there is much to read.

A page is found along an index that has its order, a search by an index that has its words; only
what a user has or what matches is ever sorted.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest
from tests.conftest import TestServer
from tests.waiting import vacuum

from talas.core import counts
from talas.domains.chat.groups import sql as groups
from talas.domains.chat.members import sql as members
from talas.domains.chat.rooms import sql as rooms
from talas.domains.following import sql as follows
from talas.domains.following.feed import sql as feed
from talas.domains.listening.comments import sql as comments
from talas.domains.listening.likes import sql as likes
from talas.domains.listening.plays import sql as plays
from talas.domains.tracks.lists import sql as tracks
from talas.domains.users import sql as users

ROWS = 100_000
FEW = 2_000
VIEWER, OWNER = 7, 11
COMMON_TAG, RARE_TAG = "tag-1", "tag-900"
TRIGRAM_INDEXES = """
SELECT indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND indexname LIKE '%\\_trigrams\\_idx'
"""
SEED = f"""
ALTER TABLE users DISABLE TRIGGER USER;
ALTER TABLE tracks DISABLE TRIGGER USER;
ALTER TABLE track_tags DISABLE TRIGGER USER;
ALTER TABLE rooms DISABLE TRIGGER USER;
ALTER TABLE room_members DISABLE TRIGGER USER;
ALTER TABLE track_comments DISABLE TRIGGER USER;
ALTER TABLE follows DISABLE TRIGGER USER;

-- Half of the accounts are suspended, half of the rooms private: the oldest.
INSERT INTO users (username, email, password_hash, first_name, status)
SELECT 'u' || n, left(md5(n::TEXT), 12) || '@e.org', '', 'Ann',
  CASE WHEN n BETWEEN 20 AND {ROWS // 2} THEN 'suspended' ELSE 'active' END
FROM generate_series(1, {ROWS}) AS n;

-- The viewer has many that are shared, the owner many that are not: the newest.
INSERT INTO tracks (
  user_id, title, artist, container, media_type, filename, content_hash, size, storage_key,
  visibility, status, plays, likes, published_at
)
SELECT
  CASE WHEN n <= 5000 THEN {VIEWER} WHEN n > {ROWS - 5000} THEN {OWNER} ELSE 1 + n % 1000 END,
  left(md5(n::TEXT), 12), 'someone', 'wav', 'audio/wav', 'a.wav', sha256('a'), 1, n,
  CASE WHEN n % 10 = 0 OR n > {ROWS - 5000} THEN 'private' ELSE 'public' END, 'ready',
  n * 31 % 9973, n * 37 % 997, now() - make_interval(secs => n * 7919 % 100003)
FROM generate_series(1, {ROWS}) AS n;

INSERT INTO tags (name) SELECT 'tag-' || n FROM generate_series(1, 10001) AS n;
-- Every fourth track has the first tag; every other tag has ten.
INSERT INTO track_tags (track_id, tag_id, position)
SELECT id, 1, 0 FROM tracks WHERE id % 4 = 0
UNION ALL
SELECT id, 2 + id % 10000, 1 FROM tracks;

INSERT INTO rooms (name, name_key, is_private)
SELECT left(md5(n::TEXT), 12), n, n <= {ROWS // 2} FROM generate_series(1, {ROWS}) AS n;
INSERT INTO room_members (room_id, user_id)
SELECT id, 1 + id % 10000 FROM rooms UNION ALL SELECT 1, n FROM generate_series(10001, 50000) AS n;

-- The listener likes and has heard much, and follows some; the owner is followed by many, and one
-- track is talked of.
INSERT INTO track_likes (user_id, track_id)
SELECT CASE WHEN id % 4 = 3 THEN {VIEWER} ELSE 1 + id % 1000 END, id FROM tracks WHERE id % 5 = 0;
INSERT INTO track_plays (user_id, track_id, played_at)
SELECT user_id, track_id, created_at FROM track_likes;
INSERT INTO track_comments (track_id, user_id, at_ms, content)
SELECT CASE WHEN id % 2 = 0 THEN 1 ELSE id END, 1 + id % 1000, id, 'x'
FROM tracks
WHERE id % 5 = 0;
INSERT INTO follows (follower_id, user_id)
SELECT n, {OWNER} FROM generate_series(50001, 60000) AS n
UNION ALL SELECT {VIEWER}, n FROM generate_series(100, 129) AS n;
INSERT INTO counts
SELECT 'shared_tracks', jsonb_build_object('user_id', user_id), count(*)
FROM tracks
WHERE status = 'ready' AND visibility = 'public'
GROUP BY user_id;
INSERT INTO count_changes SELECT 'other', '{{}}', 1 FROM generate_series(1, {FEW}) AS n;
"""

Arguments = tuple[object, ...]


@pytest.fixture(scope="module")
def filled_url(test_server: TestServer) -> Iterator[str]:
    url = test_server.create_database()
    yield url
    test_server.drop_database(url)


@pytest.fixture
async def filled(filled_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(filled_url, server_settings={"jit": "off"})
    if not await conn.fetchval("SELECT EXISTS (SELECT FROM users)"):
        await fill(conn)
    yield conn
    await conn.close()


async def fill(conn: asyncpg.Connection) -> None:
    """An index of words takes longer to follow so many rows than to be built on them."""
    indexes = await conn.fetch(TRIGRAM_INDEXES)
    for name, _ in indexes:
        await conn.execute(f"DROP INDEX {name}")
    await conn.execute(SEED)
    for _, definition in indexes:
        await conn.execute(definition)
    await vacuum(conn)


def by_sort(statements: dict[str, str], *arguments: object) -> list[tuple[str, Arguments]]:
    return [(statement, arguments) for statement in statements.values()]


HOT: list[tuple[str, Arguments]] = [
    (counts.SELECT_TOTAL, ("tracks", '{"status": "ready"}')),
    (counts.SELECT_TOTALS, ("room_members", "room_id", [1, 2, 3], "{}")),
    (users.SELECT_USERS, (VIEWER, 20, 40)),
    (users.SELECT_USERS_FROM_END, (VIEWER, 20, 40)),
    (users.SEARCH_USERS, (VIEWER, "ab12c", 20, 0)),
    (users.COUNT_FOUND_USERS, (VIEWER, "ab12c")),
    *by_sort(tracks.PAGES, VIEWER, 20, 40),
    *by_sort(tracks.PAGES_FROM_END, VIEWER, 20, 40),
    (tracks.COUNT_UNSHARED, (VIEWER,)),
    *by_sort(tracks.PAGES_OF_USER, VIEWER, 20, 0, OWNER, None),
    *by_sort(tracks.PAGES_OF_USER, VIEWER, 20, 0, OWNER, COMMON_TAG),
    (tracks.COUNT_OF_USER, (VIEWER, OWNER, None)),
    (tracks.COUNT_OF_USER, (VIEWER, OWNER, COMMON_TAG)),
    (tracks.PAGES_OF_TAG["newest"], (VIEWER, 20, 0, COMMON_TAG)),
    *by_sort(tracks.PAGES_OF_TAG, VIEWER, 20, 0, RARE_TAG),
    *by_sort(tracks.PAGES_OF_COMMON_TAG, VIEWER, 20, 0, COMMON_TAG),
    (tracks.COUNT_OF_TAG, (VIEWER, COMMON_TAG)),
    *by_sort(tracks.PAGES_OF_TEXT, VIEWER, 20, 0, "ab12c", None, None),
    *by_sort(tracks.PAGES_OF_TEXT, VIEWER, 20, 0, "ab12c", OWNER, COMMON_TAG),
    (tracks.COUNT_OF_TEXT, (VIEWER, "ab12c", None, None)),
    (rooms.SELECT_ROOMS, (VIEWER, 20, 40)),
    (rooms.SELECT_ROOMS_FROM_END, (VIEWER, 20, 40)),
    (rooms.COUNT_PRIVATE_ROOMS, (VIEWER,)),
    (rooms.SEARCH_ROOMS, (VIEWER, "ab12c", 20, 0)),
    (rooms.COUNT_FOUND_ROOMS, (VIEWER, "ab12c")),
    (rooms.SELECT_DETAILS, (VIEWER, 1)),
    (members.SELECT_MEMBERS, (1, 20, 40)),
    (members.SELECT_MEMBERS_FROM_END, (1, 20, 40)),
    (members.SELECT_HEIR, (1,)),
    (members.SELECT_HAS_MEMBERS, (1,)),
    (members.SELECT_MEMBERSHIPS, (VIEWER,)),
    (groups.SELECT_GROUPS, (VIEWER, 20, 0)),
    (likes.SELECT_PAGE, (VIEWER, 20, 0)),
    (plays.SELECT_PAGE, (VIEWER, 20, 0)),
    *by_sort(comments.PAGES, 1, 20, 40),
    *by_sort(comments.PAGES_FROM_END, 1, 20, 40),
    (follows.SELECT_FOLLOWERS, (OWNER, 20, 40)),
    (follows.SELECT_FOLLOWERS_FROM_END, (OWNER, 20, 40)),
    (follows.SELECT_FOLLOWING, (VIEWER, 20, 0)),
    (follows.COUNT_FOLLOWING, (VIEWER,)),
    (feed.SELECT_PAGE, (VIEWER, 20, 0)),
    (feed.COUNT_PUBLISHED, (VIEWER,)),
    (groups.COUNT_GROUPS, (VIEWER,)),
]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def rows_read(node: dict[str, Any]) -> int:
    """What the node took out of a table or an index, over all its loops."""
    each = node["Actual Rows"] + sum(
        node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck")
    )
    return int(each * node["Actual Loops"])


def blocks_read(node: dict[str, Any]) -> int:
    """By the node itself."""
    own, *parts = (
        part["Shared Hit Blocks"] + part["Shared Read Blocks"]
        for part in (node, *node.get("Plans", ()))
    )
    return int(own - sum(parts))


def is_greedy(node: dict[str, Any]) -> bool:
    """Reads many rows, or far more of an index than a way down to each."""
    rows = rows_read(node)
    return rows > FEW or blocks_read(node) > 100 + 5 * (rows + node["Actual Loops"])


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_no_list_reads_much_more_than_it_answers(
    filled: asyncpg.Connection, plans: str
) -> None:
    await filled.execute(f"SET plan_cache_mode = {plans}")
    greedy = []
    for statement, arguments in HOT:
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
