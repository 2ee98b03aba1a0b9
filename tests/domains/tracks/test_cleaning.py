"""Rows without files, files without rows, and what is older than anybody asks for."""

import datetime as dt
import os
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from tests.conftest import MakeSettings

from talas.core import reconciling
from talas.core.database import Database
from talas.core.storage import Storage
from talas.domains.auth import cleaning as auth_cleaning
from talas.domains.tracks import cleaning

HOUR = dt.timedelta(hours=1)


@pytest.fixture
async def db(make_settings: MakeSettings) -> AsyncIterator[Database]:
    db = await Database.connect(make_settings().database, application="test", max_connections=2)
    yield db
    await db.close()


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage.in_folder(tmp_path / "uploads")


async def _insert_track(
    db: Database, key: str, *, status: str = "ready", age: dt.timedelta = dt.timedelta(0)
) -> int:
    async with db.connection() as conn:
        user_id = await conn.fetchval(
            "INSERT INTO users (username, email, password_hash) VALUES ($1, $1, 'x') RETURNING id",
            key[-40:],
        )
        track_id: int = await conn.fetchval(
            "INSERT INTO tracks (user_id, title, artist, status, container, media_type, filename, "
            "content_hash, size, storage_key, created_at) "
            "VALUES ($1, 't', 'a', $2, 'wav', 'audio/wav', 'f', $3, 1, $4, now() - $5::interval) "
            "RETURNING id",
            user_id,
            status,
            bytes(32),
            key,
            age,
        )
        return track_id


async def _put_old(storage: Storage, key: str) -> None:
    await storage.put(key, b"x")
    path = storage.local_path(key)
    assert path is not None
    os.utime(path, (0, 0))


async def test_only_old_objects_without_a_track_are_deleted(db: Database, storage: Storage) -> None:
    known, orphan, young, half = (f"tracks/{number:032x}" for number in range(4))
    for folder in (known, orphan):
        await _put_old(storage, f"{folder}/original")
        await _put_old(storage, f"{folder}/waveform.png")
    await storage.put(f"{young}/original", b"x")
    await _put_old(storage, f"{half}/original")
    await storage.put(f"{half}/waveform.png", b"x")
    await _put_old(storage, "avatars/1.jpg")
    await _insert_track(db, f"{known}/original")
    assert await cleaning.delete_orphans(db, storage, older_than=HOUR) == 1
    left = {item.key.rpartition("/")[0] async for item in storage.list_under("")}
    assert left == {known, young, half, "avatars"}


async def test_many_orphans(
    db: Database, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "_BATCH", 5)
    for number in range(23):
        await _put_old(storage, f"tracks/{number:032x}/original")
        await _put_old(storage, f"tracks/{number:032x}/waveform.dat")
    await _insert_track(db, f"tracks/{7:032x}/original")
    assert await cleaning.delete_orphans(db, storage, older_than=HOUR) == 22


async def test_a_track_without_its_file_fails(db: Database, storage: Storage) -> None:
    lost = await _insert_track(db, "tracks/lost/original")
    await _insert_track(db, "tracks/whole/original")
    await storage.put("tracks/whole/original", b"x")
    assert await cleaning.fail_tracks_without_file(db, storage) == 1
    assert await cleaning.fail_tracks_without_file(db, storage) == 0
    async with db.connection() as conn:
        rows = await conn.fetch("SELECT id, error FROM tracks WHERE status = 'failed'")
    assert [(row[0], row[1]) for row in rows] == [(lost, cleaning.FILE_LOST)]


async def test_a_track_that_waits_too_long_gets_one_job(db: Database) -> None:
    await _insert_track(db, "tracks/a/original", status="processing", age=HOUR)
    await _insert_track(db, "tracks/b/original", status="processing")
    await _insert_track(db, "tracks/c/original", status="ready", age=HOUR)
    for _ in range(2):
        await cleaning.requeue_stalled(db)
    async with db.connection() as conn:
        assert await conn.fetchval("SELECT count(*) FROM pgqueuer") == 1


async def test_expired_sessions_and_old_failures_are_forgotten(database_url: str) -> None:
    conn = await asyncpg.connect(database_url)
    try:
        await conn.execute(
            "INSERT INTO users (username, email, password_hash) VALUES ('a', 'a', 'x');"
            "INSERT INTO sessions (user_id, expires_at, ended_at) VALUES "
            "(1, now() - interval '25 hours', NULL), (1, now() - interval '23 hours', NULL), "
            "(1, now() + interval '1 day', now());"
            "INSERT INTO login_failures (account_key, address, failed_at) VALUES "
            "('a', 'b', now() - interval '25 hours'), ('a', 'b', now());"
        )
        await auth_cleaning.delete_expired_sessions(conn)
        await auth_cleaning.delete_old_login_failures(conn)
        assert await conn.fetchval("SELECT array_agg(id ORDER BY id) FROM sessions") == [2, 3]
        assert await conn.fetchval("SELECT count(*) FROM login_failures") == 1
    finally:
        await conn.close()
