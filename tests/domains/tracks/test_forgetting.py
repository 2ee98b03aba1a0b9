"""What goes with an account, where accounts end at once."""

import asyncio

import asyncpg

from talas.domains.listening import service as listening
from talas.domains.tracks import service

TRACKS = 200


async def test_two_who_hear_each_others_tracks_do_not_wait_for_each_other(
    database_url: str,
) -> None:
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
            "SELECT u.id, t.id FROM users AS u CROSS JOIN tracks AS t WHERE t.id % 3 = 0;"
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
