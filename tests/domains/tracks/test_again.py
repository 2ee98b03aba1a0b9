"""Tracks that are analysed again: they play on, and what people changed stays."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx
import numpy as np
import pytest
from tests.audio.synthesis import clicks, write_samples
from tests.builders.tracks import WorkerProcess, get_track, ready_track, wav
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, environment_of
from tests.waiting import wait_until

from talas.audio.measurements import ANALYSIS_VERSION, FEATURES, FEATURES_VERSION
from talas.audio.seeking import SeekIndex
from talas.core.database import Connection, Database
from talas.core.settings import load_settings
from talas.domains.tracks.analysis import again, sql

AnswerT = TypeVar("AnswerT")


@pytest.fixture(scope="module")
def owner(api: ApiProcess) -> Account:
    return create_user(api)


def in_database(api: ApiProcess, act: Callable[[Connection], Awaitable[AnswerT]]) -> AnswerT:
    async def run() -> AnswerT:
        conn = await asyncpg.connect(api.database_url)
        try:
            return await act(conn)
        finally:
            await conn.close()

    return asyncio.run(run())


def row_of(api: ApiProcess, track_id: int) -> dict[str, Any]:
    statement = (
        "SELECT t.*, f.version AS features_version, f.vector FROM tracks AS t "
        "LEFT JOIN track_features AS f ON f.track_id = t.id WHERE t.id = $1"
    )
    return dict(in_database(api, lambda conn: conn.fetchrow(statement, track_id)))


def make_stale(api: ApiProcess, track_id: int) -> None:
    """As an older version left it."""
    statements = (
        f"DELETE FROM track_features WHERE track_id = {track_id}; "
        "UPDATE tracks SET analysis_version = 0, samples = NULL, bpm = NULL, key = NULL "
        f"WHERE id = {track_id}"
    )
    in_database(api, lambda conn: conn.execute(statements))


def original_of(api: ApiProcess, track_id: int) -> Path:
    return api.data_dir / "uploads" / str(row_of(api, track_id)["storage_key"])


def enqueue_stale(api: ApiProcess) -> int:
    async def run() -> int:
        environment = environment_of(api.database_url, api.data_dir)
        settings = load_settings(database_url=environment["DATABASE_URL"])
        db = await Database.connect(settings.database, application="test", max_connections=1)
        try:
            return await again.enqueue_stale(db)
        finally:
            await db.close()

    return asyncio.run(run())


def wait_until_fresh(api: ApiProcess, track_id: int) -> dict[str, Any]:
    wait_until(lambda: row_of(api, track_id)["analysis_version"] == ANALYSIS_VERSION)
    return row_of(api, track_id)


def rhythm(tmp_path: Path) -> bytes:
    """128 beats a minute for twelve seconds."""
    at = np.arange(0, 12 * 48_000 - 400, 22_500)
    signal = clicks(12.0, at=[*(at[:, None] + np.arange(300)).ravel()])
    return write_samples(tmp_path / "rhythm", signal, "flac").read_bytes()


@pytest.mark.usefixtures("worker")
def test_all_that_is_learnt_is_kept(api: ApiProcess, owner: Account, tmp_path: Path) -> None:
    track = ready_track(api, owner.token, content=rhythm(tmp_path))
    row = row_of(api, track["id"])
    assert (row["samples"], row["analysis_version"]) == (12 * 48_000, ANALYSIS_VERSION)
    assert (row["features_version"], len(row["vector"])) == (FEATURES_VERSION, FEATURES)
    assert track["bpm"] == row["bpm"] == pytest.approx(128, abs=0.2)
    assert row["bpm_confidence"] > 0.5
    assert (row["key"] is None) == (row["key_confidence"] is None)
    index = SeekIndex(original_of(api, track["id"]).with_name("seek.idx").read_bytes())
    assert 8 <= len(index) <= 13


@pytest.mark.usefixtures("worker")
def test_a_stale_track_is_analysed_in_the_background(
    api: ApiProcess, owner: Account, tmp_path: Path
) -> None:
    track = ready_track(api, owner.token, content=rhythm(tmp_path), title="Mine", artist="Me")
    before = row_of(api, track["id"])
    make_stale(api, track["id"])
    assert enqueue_stale(api) == 1
    row = wait_until_fresh(api, track["id"])
    same = {**before, "analysed_at": row["analysed_at"]}
    assert row == same, "as it was, and not even touched to the eye"
    assert row["analysed_at"] > before["analysed_at"]
    assert enqueue_stale(api) == 0


@pytest.mark.usefixtures("worker")
def test_what_is_made_of_a_track_is_as_new_as_its_analysis(api: ApiProcess, owner: Account) -> None:
    """A client that goes by dates alone must not keep what an older analysis gave."""
    track = ready_track(api, owner.token, content=wav(seed=106))
    made = ("hls/aac64/index.m3u8", "hls/aac64/init.mp4", "waveform", "stream?format=mp3")

    def get(path: str, **headers: str) -> httpx.Response:
        address = f"{api.url}/api/v1/tracks/{track['id']}/{path}"
        pairs = {"Authorization": f"Bearer {owner.token}", **headers}
        return httpx.get(address, headers=pairs)

    make_stale(api, track["id"])
    in_database(
        api,
        lambda conn: conn.execute(
            "UPDATE tracks SET created_at = created_at - interval '2 days', "
            f"analysed_at = analysed_at - interval '1 day' WHERE id = {track['id']}"
        ),
    )
    before = {path: get(path).headers["last-modified"] for path in (*made, "stream")}
    assert len({*before.values()}) == 2, "the original is older than all that is made of it"
    enqueue_stale(api)
    wait_until_fresh(api, track["id"])
    for path in made:
        answer = get(path, **{"If-Modified-Since": before[path]})
        assert answer.status_code == 200, path
        assert answer.headers["last-modified"] != before[path]
    assert get("stream", **{"If-Modified-Since": before["stream"]}).status_code == 304


@pytest.mark.usefixtures("worker")
def test_a_ready_track_whose_file_is_spoilt_stays_ready(api: ApiProcess, owner: Account) -> None:
    track = ready_track(api, owner.token, content=wav(seed=101))
    make_stale(api, track["id"])
    original_of(api, track["id"]).write_bytes(b"RIFF\0\0\0\0WAVE")
    enqueue_stale(api)
    row = wait_until_fresh(api, track["id"])
    assert (row["status"], row["duration_ms"]) == ("ready", 1000)
    assert "decoded" in row["error"] or "read" in row["error"]
    shown = get_track(api, owner.token, track["id"])
    assert (shown["status"], "error" in shown) == ("ready", False)
    assert enqueue_stale(api) == 0, "it is not tried again for ever"


@pytest.mark.usefixtures("worker")
def test_a_ready_track_without_a_file_fails(api: ApiProcess, owner: Account) -> None:
    ready_track(api, owner.token, content=wav(seed=102))
    track = ready_track(api, owner.token, content=wav(seed=103))
    make_stale(api, track["id"])
    original_of(api, track["id"]).unlink()
    enqueue_stale(api)
    wait_until(lambda: get_track(api, owner.token, track["id"])["status"] == "failed")
    assert "lost from storage" in get_track(api, owner.token, track["id"])["error"]


@pytest.mark.usefixtures("worker")
def test_a_storage_that_is_away_fails_nothing(api: ApiProcess, owner: Account) -> None:
    track = ready_track(api, owner.token, content=wav(seed=104))
    make_stale(api, track["id"])
    away = api.data_dir / "away"
    tracks = api.data_dir / "uploads" / "tracks"
    tracks.rename(away)
    try:
        enqueue_stale(api)
        wait_until(lambda: row_of(api, track["id"])["error"] is not None)
        row = row_of(api, track["id"])
    finally:
        for left in tracks.glob("*"):
            left.rmdir()
        away.rename(tracks)
    assert (row["status"], row["analysis_version"]) == ("ready", 0)
    enqueue_stale(api)
    assert wait_until_fresh(api, track["id"])["error"] is None


def test_what_is_uploaded_meanwhile_comes_first(
    api: ApiProcess, owner: Account, worker: WorkerProcess
) -> None:
    stale = ready_track(api, owner.token, content=wav(seed=105))
    worker.stop()
    make_stale(api, stale["id"])
    assert enqueue_stale(api) == 1
    assert enqueue_stale(api) == 1, "the same, which still waits"
    statement = "SELECT priority FROM pgqueuer WHERE entrypoint = 'tracks.analyse'"
    waiting = in_database(api, lambda conn: conn.fetch(statement))
    assert [row["priority"] < -10_000 for row in waiting] == [True]
    worker.start()
    wait_until_fresh(api, stale["id"])


def test_finding_the_stale_ones_costs_nothing_where_there_are_none(
    api: ApiProcess, owner: Account
) -> None:
    """Also among the tracks of a demo, which have no file and are never analysed."""

    async def explained(conn: Connection) -> str:
        async with conn.transaction():
            await conn.execute(
                "INSERT INTO tracks (user_id, title, artist, status, container, media_type, "
                "filename, content_hash, size, storage_key) "
                "SELECT $1, 't', 'a', 'ready', 'wav', 'audio/wav', 'f', $2, 0, 'demo/' || n "
                "FROM generate_series(1, 20_000) AS n",
                owner.id,
                bytes(32),
            )
            await conn.execute("ANALYZE tracks")
            plan = await conn.fetch(
                f"EXPLAIN (ANALYZE, FORMAT TEXT) {sql.SELECT_STALE}", ANALYSIS_VERSION, 20
            )
            await conn.execute("DELETE FROM tracks WHERE size = 0")
            return "\n".join(row[0] for row in plan)

    assert "tracks_stale_idx" in in_database(api, explained)
