"""``talas demo``, as one types it: what it makes, and that it makes no trouble."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from tests.api_fixtures import api, module_database_url
from tests.builders.tracks import worker_process
from tests.builders.users import login
from tests.conftest import TestServer
from tests.servers import ApiProcess, environment_of

from talas.core import counts
from talas.core.database import Database
from talas.core.settings import DatabaseSettings
from talas.core.storage import Storage
from talas.demo.seeding import DOMAIN, PASSWORD, STAFF
from talas.domains.tracks.cleaning import fail_tracks_without_file

__all__ = ["api", "module_database_url"]

SMALL = ("--users", "60", "--tracks", "80", "--messages", "900", "--products", "40")
USERS, TRACKS, MESSAGES, PRODUCTS, AUDIBLE = 60, 80, 900, 40, 2


def command(url: str, data_dir: Path, *words: str, **variables: str) -> dict[str, Any]:
    environment = environment_of(url, data_dir, COLUMNS="200", **variables)
    return {"args": [sys.executable, "-m", "talas", "demo", *words], "env": environment}


def run(
    url: str, data_dir: Path, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    data_dir.mkdir(parents=True, exist_ok=True)
    what = command(url, data_dir, *words, **variables)
    return subprocess.run(**what, cwd=data_dir, capture_output=True, text=True, timeout=300)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence."""
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("talas: ")
    return done.stderr


def ask(url: str, question: Callable[[asyncpg.Connection], Coroutine[Any, Any, Any]]) -> Any:
    async def asked() -> Any:
        conn = await asyncpg.connect(url)
        try:
            return await question(conn)
        finally:
            await conn.close()

    return asyncio.run(asked())


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    found = ask(url, lambda conn: conn.fetch(query))
    return [tuple(record) for record in found]


class Demo(msgspec.Struct):
    api: ApiProcess
    output: str
    tokens: dict[str, str]

    def get(self, path: str, who: str = "demo", **query: object) -> Any:
        answer = self.api.client.get(path, token=self.tokens[who], params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return rows(self.api.database_url, query)


@pytest.fixture(scope="module")
def demo(api: ApiProcess) -> Demo:
    """Made while the api runs."""
    done = run(api.database_url, api.data_dir, *SMALL, "--audio", str(AUDIBLE))
    assert done.returncode == 0, done.stderr
    tokens = {
        name: login(api.client, email=f"{name}@{DOMAIN}", password=PASSWORD)["access_token"]
        for name in STAFF
    }
    return Demo(api, done.stdout, tokens)


def test_the_summary_says_what_was_made_and_how_to_sign_in(demo: Demo) -> None:
    lines = [line.strip() for line in demo.output.splitlines()]
    for line in (f"{USERS}  accounts", f"{PRODUCTS}  products in the catalogue"):
        assert line in lines
    assert f"{TRACKS - AUDIBLE}  tracks that are listed, without a file" in lines
    assert f"{MESSAGES}  messages" in lines
    assert f"Sign in with the password: {PASSWORD}" in lines
    assert f"demo-admin@{DOMAIN} (admin)" in lines


def test_everybody_is_there_and_can_sign_in(demo: Demo) -> None:
    listed = demo.get("/users", limit=100)
    assert listed["pagination"]["total"] == USERS
    someone = listed["data"][-1]
    assert login(demo.api.client, email=someone["email"], password=PASSWORD)
    assert someone["first_name"]
    assert demo.get("/auth/me", "demo-admin")["data"]["role"] == "admin"
    assert demo.get("/auth/me", "demo-moderator")["data"]["role"] == "moderator"


def test_tracks_are_listed_with_tags_and_true_likes(demo: Demo) -> None:
    loved = demo.get("/tracks", sort="likes", limit=100)["data"]
    assert loved[0]["likes"] > loved[-1]["likes"]
    played = [track["plays"] for track in demo.get("/tracks", sort="plays", limit=100)["data"]]
    assert played[0] > 10 * max(1, played[len(played) // 2]), "a few are heard by far the most"
    wrong = (
        "SELECT count(*) FROM tracks AS t "
        "WHERE likes <> (SELECT count(*) FROM track_likes AS l WHERE l.track_id = t.id)"
    )
    assert demo.rows(wrong) == [(0,)]
    uses = demo.rows("SELECT count(*) FROM track_tags GROUP BY tag_id ORDER BY 1 DESC")
    assert uses[0][0] > 5 * uses[-1][0]


def test_whom_one_follows_fills_the_feed(demo: Demo) -> None:
    feed = demo.get("/feed", limit=100)
    moments = [item["published_at"] for item in feed["data"]]
    assert len(moments) == feed["pagination"]["total"] > 3
    assert moments == sorted(moments, reverse=True)
    followed = demo.rows("SELECT user_id FROM follows WHERE follower_id = 1")
    assert {item["track"]["user_id"] for item in feed["data"]} <= {row[0] for row in followed}


def test_what_was_said_is_numbered_without_gaps_by_members(demo: Demo) -> None:
    for place, column in (("rooms", "room_id"), ("conversations", "conversation_id")):
        gaps = (
            f"SELECT p.id FROM {place} AS p LEFT JOIN messages AS m ON m.{column} = p.id "
            "GROUP BY p.id, p.seq HAVING count(m.id) <> p.seq OR max(m.seq) <> p.seq "
            "OR min(m.seq) <> 1"
        )
        assert demo.rows(gaps) == []
    strangers = (
        "SELECT count(*) FROM messages AS m WHERE room_id IS NOT NULL AND NOT EXISTS (SELECT "
        "FROM room_members WHERE room_id = m.room_id AND user_id = m.from_user)"
    )
    assert demo.rows(strangers) == [(0,)]
    backwards = (
        "SELECT count(*) FROM (SELECT timestamp, lag(timestamp) OVER (PARTITION BY room_id, "
        "conversation_id ORDER BY seq) AS before FROM messages) AS said WHERE timestamp < before"
    )
    assert demo.rows(backwards) == [(0,)]


def test_who_signs_in_finds_rooms_talk_and_gear(demo: Demo) -> None:
    rooms = demo.get("/chat/rooms", limit=100)["data"]
    assert {"general", "synth-corner"} <= {room["name"] for room in rooms}
    for name in ("general", "synth-corner"):
        said = demo.get(f"/chat/rooms/{name}/messages")["data"]
        assert len({line["username"] for line in said}) > 2
    [(peer,)] = demo.rows("SELECT user_high FROM conversations WHERE user_low = 1 LIMIT 1")
    assert demo.get(f"/chat/dm/{peer}")["data"]
    assert demo.rows("SELECT count(*) > 2 FROM user_products WHERE user_id = 1") == [(True,)]


def test_counts_are_true(demo: Demo) -> None:
    for table in ("users", "tracks", "rooms", "products", "user_products"):
        kept = ask(demo.api.database_url, lambda conn, table=table: counts.total(conn, table))
        assert demo.rows(f"SELECT count(*) FROM {table}") == [(kept,)]


def test_a_second_run_adds_nothing(demo: Demo) -> None:
    before = demo.rows("SELECT count(*) FROM messages")
    done = run(demo.api.database_url, demo.api.data_dir, *SMALL)
    assert "demo data is there already" in refused(done)
    assert demo.rows("SELECT count(*) FROM messages") == before


def test_music_can_be_heard_and_the_rest_outlives_the_nightly_check(demo: Demo) -> None:
    token = demo.tokens["demo"]
    with worker_process(demo.api):
        deadline = time.monotonic() + 120
        while demo.rows("SELECT count(*) FROM tracks WHERE status = 'processing'") != [(0,)]:
            assert time.monotonic() < deadline, "the worker does not analyse the music"
            time.sleep(0.1)
    newest = demo.get("/tracks")["data"]
    for track in newest[:AUDIBLE]:
        assert track["status"] == "ready"
        assert 8_000 < track["duration_ms"] < 40_000
        assert -40 < track["loudness_lufs"] < -5
        for path in (track["file_url"], track["waveform_url"]):
            assert demo.api.client.get(path, token=token).status_code == 200
    silent = newest[AUDIBLE]
    for path in (silent["file_url"], silent["waveform_url"], f"/tracks/{silent['id']}/waveform"):
        assert demo.api.client.get(path, token=token).status_code == 404
    assert asyncio.run(count_lost(demo)) == 0
    assert len(demo.rows("SELECT id FROM tracks WHERE status = 'ready'")) == TRACKS


async def count_lost(demo: Demo) -> int:
    settings = DatabaseSettings(demo.api.database_url, max_connections=2, max_idle_connections=1)
    db = await Database.connect(settings, application="test")
    try:
        return await fail_tracks_without_file(db, Storage.in_folder(demo.api.data_dir / "uploads"))
    finally:
        await db.close()


def everything(url: str) -> list[list[tuple[Any, ...]]]:
    return [
        rows(url, query)
        for query in (
            "SELECT username, first_name, bio, created_at FROM users "
            "WHERE username NOT LIKE 'demo%' ORDER BY id",
            "SELECT name, price, specifications FROM products ORDER BY id",
            "SELECT serial_number, purchase_date, status FROM user_products ORDER BY id",
            "SELECT title, plays, likes, content_hash FROM tracks ORDER BY id",
            "SELECT name, position FROM track_tags JOIN tags ON id = tag_id "
            "ORDER BY track_id, position",
            "SELECT content, timestamp, seq FROM messages ORDER BY id",
        )
    ]


def test_the_same_seed_makes_the_same(test_server: TestServer, tmp_path: Path) -> None:
    made = []
    for seed in ("7", "7", "8"):
        url = test_server.create_database()
        done = run(url, tmp_path / "data", *SMALL, "--seed", seed, "--audio", "0")
        assert done.returncode == 0, done.stderr
        made.append(everything(url))
        test_server.drop_database(url)
    assert made[0] == made[1]
    assert all(first != other for first, other in zip(made[0], made[2], strict=True))


def test_names_that_are_taken_are_left_to_their_owners(
    database_url: str, demo: Demo, tmp_path: Path
) -> None:
    taken = demo.rows("SELECT username FROM users WHERE id > 3 LIMIT 20")
    insert = "INSERT INTO users (username, email, password_hash) VALUES (upper($1), $1, 'x')"
    ask(database_url, lambda conn: conn.executemany(insert, taken))
    room = "INSERT INTO rooms (name, name_key) VALUES ('Synth-Corner', 'synth-corner')"
    ask(database_url, lambda conn: conn.execute(room))
    done = run(database_url, tmp_path / "data", *SMALL, "--audio", "0")
    assert (done.returncode, "--force" in done.stderr) == (1, True), done.stderr
    assert rows(database_url, "SELECT FROM users WHERE username = 'demo-admin'") == []
    done = run(database_url, tmp_path / "data", *SMALL, "--audio", "0", "--force")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "least", [("3", "0", "0", "0"), ("3", "1", "9", "1"), ("4", "1", "1", "0")]
)
def test_as_little_as_one_likes(database_url: str, tmp_path: Path, least: list[str]) -> None:
    names = ("--users", "--tracks", "--messages", "--products")
    words = [word for pair in zip(names, least, strict=True) for word in pair]
    done = run(database_url, tmp_path / "data", *words, "--audio", "0")
    assert done.returncode == 0, done.stderr
    for table, count in zip(("users", "tracks", "messages", "products"), least, strict=True):
        assert rows(database_url, f"SELECT count(*) FROM {table}") == [(int(count),)]


def test_production_is_left_alone(database_url: str, tmp_path: Path) -> None:
    done = run(database_url, tmp_path / "data", ENVIRONMENT="production")
    assert "ENVIRONMENT is production" in refused(done)
    assert rows(database_url, "SELECT count(*) FROM users") == [(0,)]


def test_a_database_without_tables_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    assert "no tables yet" in refused(run(empty_database_url, tmp_path / "data"))


@pytest.mark.parametrize("words", [("--users", "2"), ("--tracks", "-1"), ("--audio", "x")])
def test_wishes_that_cannot_be_met_are_usage_errors(
    database_url: str, tmp_path: Path, words: list[str]
) -> None:
    assert run(database_url, tmp_path / "data", *words).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_broken_off_it_leaves_nothing(
    database_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    words = ("--users", "200000", "--tracks", "200000", "--audio", "0")
    what = command(database_url, tmp_path / "data", *words)
    process = subprocess.Popen(**what, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    busy = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'talas demo' AND query LIKE 'COPY%'"
    )
    deadline = time.monotonic() + 120
    while rows(database_url, busy) == [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert errors == "talas: broken off; nothing was added\n"
    for table in ("users", "tracks", "messages", "categories"):
        assert rows(database_url, f"SELECT count(*) FROM {table}") == [(0,)]
    assert stored_files_of(tmp_path) == set()


def stored_files_of(folder: Path) -> set[Path]:
    return {path for path in (folder / "data").rglob("*/original") if path.is_file()}


def test_help_says_what_one_gets(tmp_path: Path, database_url: str) -> None:
    text = " ".join(run(database_url, tmp_path, "--help").stdout.split())
    for part in ("one transaction", "without a file", "ENVIRONMENT=production", "same password"):
        assert part in text
