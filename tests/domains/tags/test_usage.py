"""How much each tag is used, as far as the asker may know."""

import asyncpg

from talas.domains.tags import service

OWNER, STRANGER = 1, 2


async def test_only_tracks_that_one_may_find_count(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    try:
        await conn.execute(
            "INSERT INTO users (username, email, password_hash) VALUES ('a', 'a', ''), "
            "('b', 'b', '')"
        )
        for number, (status, visibility, names) in enumerate(
            [
                ("ready", "public", ["techno", "dub"]),
                ("ready", "public", ["dub"]),
                ("ready", "public", ["ambient"]),
                ("ready", "unlisted", ["ambient"]),
                ("ready", "private", ["ambient", "secret"]),
                ("processing", "public", ["ambient"]),
                ("ready", "public", []),
            ],
            start=1,
        ):
            await conn.execute(
                "INSERT INTO tracks (user_id, title, artist, visibility, status, container, "
                "media_type, filename, content_hash, size, storage_key) "
                "VALUES (1, 't', 'a', $1, $2, 'wav', 'audio/wav', 'f', sha256(''), 1, $3)",
                visibility,
                status,
                f"tracks/{number}/original",
            )
            await service.set_tags(conn, number, names)

        async def most_used(viewer_id: int, limit: int = 10) -> list[tuple[str, int]]:
            found = await service.list_most_used(conn, viewer_id, limit=limit)
            return [(tag.name, tag.usage_count) for tag in found]

        assert await most_used(STRANGER) == [("dub", 2), ("ambient", 1), ("techno", 1)]
        assert await most_used(STRANGER, 1) == [("dub", 2)]
        assert await most_used(OWNER) == [("ambient", 4), ("dub", 2), ("secret", 1), ("techno", 1)]
    finally:
        await conn.close()
