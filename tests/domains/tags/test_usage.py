"""How much each tag is used, as far as the asker may know."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncpg
import pytest
from tests.builders.tags import (
    create_tagged_track,
    found_tags,
    listed_tags,
    run_sql,
    tag_track,
)
from tests.builders.users import create_user
from tests.servers import ApiProcess

from talas.core import counts
from talas.core.database import Connection
from talas.core.errors import NotFound
from talas.core.permissions import Role
from talas.domains.admin.service import Administrator
from talas.domains.tags import service
from talas.domains.tags.cleaning import delete_unused_tags
from talas.domains.tracks import service as tracks

MODERATOR = Administrator(1, "moderator", Role.MODERATOR, "127.0.0.1")
NAMES = [f"tag{number}" for number in range(6)]
CLEANING = 0.2
INSERT = """
    INSERT INTO tracks (
      user_id, title, artist, visibility, status, container, media_type, filename, content_hash,
      size, storage_key
    )
    VALUES ($1, 't', 'a', $2, $3, 'wav', 'audio/wav', 'f', sha256(''), 1, gen_random_uuid())
    RETURNING id
"""
MISCOUNTED = """
    SELECT g.name, g.usage_count, count(t.id)
    FROM tags AS g
    LEFT JOIN track_tags AS tt ON tt.tag_id = g.id
    LEFT JOIN tracks AS t
      ON t.id = tt.track_id AND t.status = 'ready' AND t.visibility = 'public'
    GROUP BY g.id
    HAVING g.usage_count <> count(t.id)
"""
NOT_DENSE = """
    SELECT track_id
    FROM track_tags
    GROUP BY track_id
    HAVING max(position) <> count(*) OR min(position) <> 1 OR count(DISTINCT position) <> count(*)
"""


def test_only_tracks_that_one_may_find_count(api: ApiProcess) -> None:
    ann, bob = create_user(api), create_user(api)
    for status, visibility, names in (
        ("ready", "public", ["u-techno", "u-dub"]),
        ("ready", "public", ["u-dub"]),
        ("ready", "public", ["u-ambient"]),
        ("ready", "unlisted", ["u-ambient"]),
        ("ready", "private", ["u-ambient", "u-secret"]),
        ("processing", "public", ["u-ambient"]),
        ("failed", "public", ["u-ambient"]),
        ("ready", "public", []),
    ):
        create_tagged_track(api, ann.token, ann.id, *names, status=status, visibility=visibility)
    shown = {"u-dub": 2, "u-ambient": 1, "u-techno": 1}
    own = {"u-ambient": 5, "u-dub": 2, "u-secret": 1, "u-techno": 1}
    for reader, expected in ((bob, shown), (ann, own)):
        listed = listed_tags(api, reader.token)
        assert [item for item in listed.items() if item[0].startswith("u-")] == [*expected.items()]
        assert [*found_tags(api, reader.token, q="u-").items()] == [*expected.items()]
    assert found_tags(api, bob.token, q="u-secret") == {}
    assert found_tags(api, bob.token, q="u-secrets") == {}


def test_follows_what_becomes_of_a_track(api: ApiProcess) -> None:
    ann, bob = create_user(api), create_user(api)
    track = create_tagged_track(api, ann.token, ann.id, "f-one", "f-two", status="processing")

    def seen() -> dict[str, int]:
        return found_tags(api, bob.token, q="f-")

    def put(**change: Any) -> None:
        path = f"/tracks/{track}"
        assert api.client.put(path, token=ann.token, json=change).status_code == 200

    assert seen() == {}
    run_sql(api, "UPDATE tracks SET status = 'ready' WHERE id = $1", track)
    assert seen() == {"f-one": 1, "f-two": 1}
    tag_track(api, ann.token, track, "f-two", "f-three")
    assert seen() == {"f-three": 1, "f-two": 1}
    put(visibility="private")
    assert seen() == {}
    put(visibility="public", tags=["f-one"])
    assert seen() == {"f-one": 1}
    put(visibility="unlisted", tags=["f-two"])
    assert seen() == {}
    put(visibility="public")
    assert api.client.delete(f"/tracks/{track}", token=ann.token).status_code == 200
    assert seen() == {}


def test_an_account_takes_its_uses_along(api: ApiProcess) -> None:
    ann, bob = create_user(api), create_user(api)
    for account in (ann, ann, bob):
        create_tagged_track(api, account.token, account.id, "a-shared", f"a-{account.username}")
    body = {"password": ann.password}
    answer = api.client.request("DELETE", "/users/me", token=ann.token, json=body)
    assert answer.status_code == 200
    assert found_tags(api, bob.token, q="a-") == {f"a-{bob.username}": 1, "a-shared": 1}


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database_url, min_size=8, max_size=8) as pool:
        await pool.execute(
            "INSERT INTO users (username, email, password_hash) "
            "SELECT 'u' || n, 'u' || n, '' FROM generate_series(1, 40) AS n"
        )
        await pool.execute("UPDATE users SET role = 'moderator' WHERE id = 1")
        yield pool


class Chaos:
    """Uploads, edits, visibility changes, merges, deletions and clean-ups, all at once."""

    def __init__(self, db: asyncpg.Pool, seed: int) -> None:
        self._db = db
        self._random = random.Random(seed)
        self._leaving = iter(range(2, 41))

    def _some_tags(self) -> list[str]:
        return self._random.sample(NAMES, self._random.randint(0, 4))

    async def upload(self, conn: Connection) -> None:
        status = self._random.choice(["processing", "ready"])
        visibility = self._random.choice(["public", "public", "private"])
        owner = self._random.randint(1, 40)
        track_id = await conn.fetchval(INSERT, owner, visibility, status)
        names = self._some_tags()
        await service.set_tags(conn, track_id, names)
        carried = await conn.fetchval(
            "SELECT count(*) FROM track_tags WHERE track_id = $1", track_id
        )
        assert carried == len(names)

    async def edit(self, conn: Connection) -> None:
        if track_id := await self._some_track(conn):
            await service.set_tags(conn, track_id, self._some_tags())

    async def show_or_hide(self, conn: Connection) -> None:
        if track_id := await self._some_track(conn):
            await service.set_tags(conn, track_id, self._some_tags())
            await conn.execute(
                "UPDATE tracks SET visibility = $2, status = 'ready' WHERE id = $1",
                track_id,
                self._random.choice(["public", "private", "unlisted"]),
            )

    async def delete(self, conn: Connection) -> None:
        if track_id := await self._some_track(conn):
            await conn.execute("DELETE FROM tracks WHERE id = $1", track_id)

    async def leave(self, conn: Connection) -> None:
        await tracks.forget_user(conn, next(self._leaving, 40))

    async def merge(self, conn: Connection) -> None:
        one, other = await self._two_tags(conn)
        await service.merge_tag(conn, MODERATOR, one, into_id=other)

    async def delete_tag(self, conn: Connection) -> None:
        one, _ = await self._two_tags(conn)
        await service.delete_tag(conn, MODERATOR, one)

    async def rename(self, conn: Connection) -> None:
        one, _ = await self._two_tags(conn)
        await service.rename_tag(conn, MODERATOR, one, f"renamed{self._random.random()}")

    async def _some_track(self, conn: Connection) -> int | None:
        track_ids = [row[0] for row in await conn.fetch("SELECT id FROM tracks")]
        if not track_ids:
            return None
        lock = "SELECT id FROM tracks WHERE id = $1 FOR UPDATE"
        track_id: int | None = await conn.fetchval(lock, self._random.choice(track_ids))
        return track_id

    async def _two_tags(self, conn: Connection) -> list[int]:
        tag_ids = [row[0] for row in await conn.fetch("SELECT id FROM tags")]
        return self._random.sample(tag_ids, 2) if len(tag_ids) > 1 else [1, 2]

    async def run(self, steps: int) -> None:
        acts: list[Callable[[Connection], Awaitable[None]]] = [
            *(self.upload,) * 8,
            *(self.edit,) * 8,
            *(self.show_or_hide,) * 6,
            *(self.delete,) * 3,
            *(self.merge,) * 2,
            self.leave,
            self.delete_tag,
            self.rename,
        ]
        for _ in range(steps):
            act = self._random.choice(acts)
            async with self._db.acquire() as conn:
                if self._random.random() < CLEANING:
                    await delete_unused_tags(conn)
                try:
                    async with conn.transaction():
                        await act(conn)
                except NotFound:
                    assert act in (self.merge, self.delete_tag, self.rename)


@pytest.mark.parametrize("seed", range(3))
async def test_counts_stay_true_whatever_happens_at_once(db: asyncpg.Pool, seed: int) -> None:
    """Nobody waits for each other in a circle either: that would be an error."""
    await asyncio.gather(*(Chaos(db, seed * 8 + number).run(60) for number in range(8)))
    assert await db.fetch(MISCOUNTED) == []
    assert await db.fetch(NOT_DENSE) == []
    assert await db.fetchval("SELECT max(usage_count) FROM tags") > 1
    async with db.acquire() as conn:
        used = await conn.fetchval("SELECT count(*) FROM tags WHERE usage_count > 0")
        assert await counts.total(conn, "tags", used=True) == used


async def test_a_merge_while_a_track_is_tagged(db: asyncpg.Pool) -> None:
    """Who tags a track with a name that is being merged away makes the tag anew."""
    async with db.acquire() as merging, db.acquire() as tagging:
        track_id = await tagging.fetchval(INSERT, 1, "public", "ready")
        await service.set_tags(tagging, track_id, ["dnb", "drum and bass"])
        other_id = await tagging.fetchval(INSERT, 1, "public", "ready")
        ids = [row[0] for row in await tagging.fetch("SELECT id FROM tags ORDER BY name")]
        merge = merging.transaction()
        await merge.start()
        await service.merge_tag(merging, MODERATOR, ids[0], into_id=ids[1])

        async def tag() -> None:
            async with tagging.transaction():
                await service.set_tags(tagging, other_id, ["dnb", "jungle"])

        waiting = asyncio.create_task(tag())
        await asyncio.wait([waiting], timeout=0.2)
        await merge.commit()
        await waiting
        assert await merging.fetch(MISCOUNTED) == []
        assert await merging.fetch(
            "SELECT g.name FROM track_tags JOIN tags AS g ON g.id = tag_id WHERE track_id = $1 "
            "ORDER BY position",
            other_id,
        ) == [("dnb",), ("jungle",)]


async def names_of(conn: Connection) -> list[str]:
    return [row[0] for row in await conn.fetch("SELECT name FROM tags ORDER BY name")]


async def test_tags_that_no_track_carries_go(db: asyncpg.Pool) -> None:
    async with db.acquire() as conn:
        for visibility in ("public", "private"):
            track_id = await conn.fetchval(INSERT, 1, visibility, "ready")
            await service.set_tags(conn, track_id, [f"old {visibility}", "old"])
            await service.set_tags(conn, track_id, [f"new {visibility}"])
        await conn.execute("INSERT INTO tags (name) SELECT 'x' || generate_series(1, 1200)")
        await delete_unused_tags(conn)
        assert await names_of(conn) == ["new private", "new public"]
        assert await conn.fetchval("SELECT count(*) FROM tag_spellings") == 2
        await tracks.forget_user(conn, 1)
        await delete_unused_tags(conn)
        assert await names_of(conn) == []


async def test_a_tag_that_an_upload_is_about_to_use_stays(db: asyncpg.Pool) -> None:
    async with db.acquire() as cleaning, db.acquire() as uploading:
        await cleaning.execute("INSERT INTO tags (name) VALUES ('waiting'), ('unused')")
        async with uploading.transaction():
            track_id = await uploading.fetchval(INSERT, 1, "private", "processing")
            await service.set_tags(uploading, track_id, ["waiting"])
            await delete_unused_tags(cleaning)
            assert await names_of(cleaning) == ["unused", "waiting"]
        await delete_unused_tags(cleaning)
        assert await names_of(cleaning) == ["waiting"]


async def test_an_upload_waits_for_a_cleaning_and_makes_its_tags_anew(db: asyncpg.Pool) -> None:
    async with db.acquire() as uploading, db.acquire() as cleaning:
        await cleaning.execute("INSERT INTO tags (name) VALUES ('unused')")
        track_id = await uploading.fetchval(INSERT, 1, "public", "ready")
        async with cleaning.transaction():
            await delete_unused_tags(cleaning)
            setting = asyncio.create_task(service.set_tags(uploading, track_id, ["unused"]))
            await asyncio.wait([setting], timeout=0.2)
        await setting
        await delete_unused_tags(cleaning)
        assert await names_of(cleaning) == ["unused"]
        assert await cleaning.fetchval("SELECT count(*) FROM track_tags") == 1
