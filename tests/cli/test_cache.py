"""``talas cache``, as one types it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from tests.servers import environment_of

from talas.core.disk_cache import DiskCache

ZERO, ONE = "0" * 32, "1" * 32


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    made = DiskCache(tmp_path / "data" / "cache", 64 * 2**20)
    for key in (ZERO, ONE):
        made.put(f"{key}/aac64-1-100/0.m4s", bytes(1_000_000))
    return made


def talas(database_url: str, data_dir: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "talas", "cache", *words],
        env=environment_of(database_url, data_dir, CACHE_SIZE=str(64 * 2**20), COLUMNS="100"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def test_stats_and_clear(cache: DiskCache, tmp_path: Path) -> None:
    """Neither asks a database."""
    nowhere = "postgres://localhost:1/nothing"
    code, said = talas(nowhere, tmp_path / "data", "stats")
    assert code == 0, said
    assert str(cache.root) in said
    assert "2.0 MB of 67.1 MB (3.0 %)" in said
    assert talas(nowhere, tmp_path / "data", "clear") == (0, "removed 2.0 MB\n")
    assert cache.usage().files == 0


def test_one_track_can_be_cleared(cache: DiskCache, database_url: str, tmp_path: Path) -> None:
    asyncio.run(_insert(database_url, f"tracks/{ONE}/original"))
    data_dir = tmp_path / "data"
    assert talas(database_url, data_dir, "clear", "--track", "1") == (0, "removed 1.0 MB\n")
    assert cache.folders() == [ZERO]
    code, said = talas(database_url, data_dir, "clear", "--track", "2")
    assert (code, said) == (1, "talas: There is no track 2\n")


async def _insert(database_url: str, storage_key: str) -> None:
    conn = await asyncpg.connect(database_url)
    await conn.execute(
        "INSERT INTO users (username, email, password_hash) VALUES ('a', 'a', '');"
        "INSERT INTO tracks (user_id, title, artist, container, media_type, filename, "
        "content_hash, size, storage_key) "
        f"SELECT id, 't', 'a', 'wav', 'audio/wav', 'f', sha256(''), 1, '{storage_key}' FROM users"
    )
    await conn.close()
