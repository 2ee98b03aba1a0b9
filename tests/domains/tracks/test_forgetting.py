"""What goes with an account, where accounts end at once."""

import asyncio

import asyncpg
import pytest
from tests.conftest import MakeSettings

from talas.core.database import Database
from talas.core.permissions import Role
from talas.core.sessions import Actor
from talas.domains.listening import service as listening
from talas.domains.listening.comments import sql as comments
from talas.domains.listening.plays import sql as plays
from talas.domains.tracks import service

TRACKS = 200
SEED = """
INSERT INTO users (username, email, password_hash)
VALUES ('a', 'a', ''), ('b', 'b', ''), ('c', 'c', '');
INSERT INTO tracks (user_id, title, artist, container, media_type, filename, content_hash, size,
  storage_key)
SELECT 2, 't', 'a', 'wav', 'audio/wav', 'f', sha256(''), 1, 'tracks/' || n
FROM generate_series(1, 3) AS n;
INSERT INTO track_likes (user_id, track_id) VALUES (1, 1);
UPDATE tracks SET likes = 1 WHERE id = 1;
INSERT INTO track_plays (user_id, track_id, played_at) VALUES (1, 2, now());
INSERT INTO track_comments (user_id, track_id, content) VALUES (1, 3, 'x');
"""


@pytest.mark.parametrize("likes", [False, True])
async def test_two_who_hear_each_others_tracks_do_not_wait_for_each_other(
    database_url: str, likes: bool
) -> None:
    """Likes alone would let them come one after the other."""
    users = (1, 2)
    conns = [await asyncpg.connect(database_url) for _ in users]
    try:
        await conns[0].execute(
            "INSERT INTO users (username, email, password_hash) VALUES ('a', 'a', ''), "
            "('b', 'b', '');"
            "INSERT INTO tracks (user_id, title, artist, container, media_type, filename, "
            "content_hash, size, storage_key, likes) "
            "SELECT 1 + n % 2, 't', 'a', 'wav', 'audio/wav', 'f', sha256(''), 1, 'tracks/' || n, 2 "
            f"FROM generate_series(1, {TRACKS}) AS n;"
            "INSERT INTO track_likes (user_id, track_id) "
            "SELECT u.id, t.id FROM users AS u CROSS JOIN tracks AS t "
            f"WHERE t.id % 3 = 0 AND {likes};"
            "INSERT INTO track_plays (user_id, track_id, played_at) "
            "SELECT u.id, t.id, now() FROM users AS u CROSS JOIN tracks AS t WHERE t.id % 3 = 1;"
            "INSERT INTO track_comments (user_id, track_id, content) "
            "SELECT u.id, t.id, 'x' FROM users AS u CROSS JOIN tracks AS t WHERE t.id % 3 = 2"
        )

        async def end(conn: asyncpg.Connection, user_id: int) -> None:
            async with conn.transaction():
                await service.forget_user(conn, user_id)
                await listening.forget_user(conn, user_id)

        await asyncio.gather(*map(end, conns, users))
        assert await conns[0].fetchval("SELECT count(*) FROM tracks") == 0
        for table in ("track_likes", "track_plays", "track_comments"):
            assert await conns[0].fetchval(f"SELECT count(*) FROM {table}") == 0
    finally:
        for conn in conns:
            await conn.close()


async def test_others_go_on_listening_meanwhile(database_url: str) -> None:
    """To what the one who goes has liked, played or written about."""
    leaving, other = [await asyncpg.connect(database_url) for _ in range(2)]
    try:
        await leaving.execute(SEED)
        await other.execute("SET lock_timeout = '1s'")
        async with leaving.transaction():
            await service.forget_user(leaving, 1)
            await listening.forget_user(leaving, 1)
            for track_id in (1, 2, 3):
                assert await plays.insert_play(other, user_id=3, track_id=track_id, apart_s=30)
                await comments.insert_comment(
                    other, track_id=track_id, user_id=3, at_ms=None, content="Go on"
                )
            await other.execute("UPDATE tracks SET plays = plays + 1 WHERE id IN (2, 3)")
        assert await other.fetchval("SELECT sum(likes) FROM tracks") == 0
    finally:
        for conn in (leaving, other):
            await conn.close()


async def test_a_deletion_may_take_longer_than_other_statements(
    make_settings: MakeSettings,
) -> None:
    """Millions may have played the track; what comes after is bounded as before."""
    db = await Database.connect(make_settings().database, application="test", max_connections=1)
    try:
        async with db.transaction() as conn:
            await conn.execute(SEED)
            await service.delete_track(conn, Actor(2, "b", Role.USER, 1), 2)
            assert await conn.fetchval("SHOW statement_timeout") == "2min"
        async with db.connection() as conn:
            assert await conn.fetchval("SHOW statement_timeout") == "5s"
            assert await conn.fetchval("SELECT count(*) FROM track_plays") == 0
    finally:
        await db.close()
