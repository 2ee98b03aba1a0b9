"""The api is killed, or loses its database, at every step of an upload: never a row without its
file, and after cleaning never a file without its row."""

import asyncio
import contextlib
import datetime as dt
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.builders.storage import stored_files
from tests.builders.tracks import create_track, multipart, post_track, wav
from tests.builders.users import create_user
from tests.servers import ApiProcess, api_process
from tests.waiting import wait_until

from talas.core.database import Database
from talas.core.settings import load_settings
from talas.core.storage import Storage
from talas.domains.tracks.cleaning import delete_orphans

CONTENT = wav(seconds=60)


@pytest.fixture
def short_lived_api(module_database_url: str, tmp_path: Path) -> Iterator[ApiProcess]:
    with api_process(module_database_url, tmp_path) as process:
        yield process


def _begin_upload(api: ApiProcess, token: str, *, sent: int | None) -> socket.socket:
    """An upload of which ``sent`` bytes have been sent; None: all."""
    body = multipart(CONTENT)
    head = (
        "POST /api/v1/tracks HTTP/1.1\r\nHost: x\r\n"
        f"Content-Length: {len(body)}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: multipart/form-data; boundary=XyZ\r\n\r\n"
    )
    connection = socket.create_connection(api.address, timeout=60)
    connection.sendall(head.encode() + body[:sent])
    return connection


@contextlib.contextmanager
def _tracks_locked(url: str) -> Iterator[None]:
    """Nobody can insert a track meanwhile."""
    loop = asyncio.new_event_loop()
    conn = loop.run_until_complete(asyncpg.connect(url))
    loop.run_until_complete(conn.execute("BEGIN; LOCK TABLE tracks IN EXCLUSIVE MODE"))
    try:
        yield
    finally:
        loop.run_until_complete(conn.close())
        loop.close()


def _objects(api: ApiProcess) -> set[str]:
    root = api.data_dir / "uploads"
    return {str(path.relative_to(root)) for path in stored_files(api)}


async def _rows(url: str) -> set[str]:
    conn = await asyncpg.connect(url)
    try:
        return {row[0] for row in await conn.fetch("SELECT storage_key FROM tracks")}
    finally:
        await conn.close()


async def _clean(api: ApiProcess) -> None:
    settings = load_settings(_env_file=None, database_url=api.database_url)
    db = await Database.connect(settings.database, application="test", max_connections=1)
    storage = Storage.in_folder(api.data_dir / "uploads")
    await delete_orphans(db, storage, older_than=dt.timedelta(seconds=-1))
    await db.close()


def _wait_for(api: ApiProcess, name: str) -> None:
    deadline = time.monotonic() + 60
    while not any(name in key for key in _objects(api)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("step", ["in the body", "before the row"])
def test_sigkill_leaves_what_cleaning_removes(short_lived_api: ApiProcess, step: str) -> None:
    api = short_lived_api
    token = create_user(api).token
    kept = create_track(api, token)
    rows = asyncio.run(_rows(api.database_url))
    with _tracks_locked(api.database_url):
        sent = 500_000 if step == "in the body" else None
        with _begin_upload(api, token, sent=sent):
            before = len(_objects(api))
            _wait_for(api, ".incoming" if sent else "original")
            while len(_objects(api)) < max(before, 2):
                time.sleep(0.01)
            api.process.kill()
            api.process.wait(60)
    assert len(_objects(api)) == 2
    assert asyncio.run(_rows(api.database_url)) == rows
    asyncio.run(_clean(api))
    assert len(_objects(api)) == 1
    assert _objects(api) <= rows
    assert kept["id"]


def test_a_database_that_goes_before_the_commit_leaves_nothing(
    short_lived_api: ApiProcess,
) -> None:
    api = short_lived_api
    token = create_user(api).token
    answers: list[httpx.Response] = []

    def upload() -> None:
        answers.append(
            httpx.post(
                f"{api.url}/api/v1/tracks",
                headers={"Authorization": f"Bearer {token}"},
                files={"file": ("a.wav", CONTENT)},
                timeout=60,
            )
        )

    rows = asyncio.run(_rows(api.database_url))
    with _tracks_locked(api.database_url):
        thread = threading.Thread(target=upload)
        thread.start()
        _wait_for(api, "original")
        time.sleep(0.2)
        asyncio.run(_terminate(api.database_url))
        thread.join(60)
    assert answers[0].status_code == 503
    assert _objects(api) == set()
    assert asyncio.run(_rows(api.database_url)) == rows
    # Each connection that was cut may be met once.
    wait_until(lambda: post_track(api, token).status_code == 201)


async def _terminate(url: str) -> None:
    conn = await asyncpg.connect(url)
    await conn.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'talas api' AND datname = current_database()"
    )
    await conn.close()
