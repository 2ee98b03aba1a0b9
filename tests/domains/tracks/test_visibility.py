"""The statements and the code say the same of who sees what."""

import asyncpg

from talas.domains.tracks import access, sql
from talas.domains.tracks.visibility import SEEN, SHARED, WITHHELD

OWNER, STRANGER = 1, 2
SEED = """
INSERT INTO users (username, email, password_hash) VALUES ('a', 'a', ''), ('b', 'b', '');
INSERT INTO tracks (user_id, title, artist, container, media_type, filename, content_hash, size,
  storage_key, status, visibility)
SELECT 1, 't', 'a', 'wav', 'audio/wav', 'f', sha256(''), 1, status || visibility, status, visibility
FROM unnest('{processing,ready,failed}'::TEXT[]) AS status,
  unnest('{public,unlisted,private}'::TEXT[]) AS visibility
"""


async def test_statements_and_code_agree(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    try:
        await conn.execute(SEED)
        for viewer_id in (OWNER, STRANGER):
            records = await conn.fetch(
                f"SELECT t.id, {SEEN}, {WITHHELD}, {SHARED} FROM tracks AS t", viewer_id
            )
            assert len(records) == 9
            for track_id, seen, withheld, shared in records:
                track = await sql.select_media(conn, track_id)
                assert track is not None
                assert seen is access.may_see(track, viewer_id) is not withheld
                assert shared is (track.status == "ready" and track.visibility == "public")
            listed = {OWNER: 9, STRANGER: 2}
            assert sum(seen for _, seen, *_ in records) == listed[viewer_id]
    finally:
        await conn.close()
