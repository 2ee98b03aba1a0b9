"""``talas search reindex``, as one types it."""

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.builders.search_index import (
    expected_keys,
    indexed_keys,
    insert_tracks,
    insert_user,
    run,
    wait_for,
    wait_until_same,
)
from tests.servers import api_process, environment_of

from talas.core.file_lock import FileLock
from talas.domains.search import generations

MANY = 20_000


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    return environment_of(database_url, tmp_path / "data")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "search"


def start(environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "talas", "search", "reindex"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reindex(environment: dict[str, str]) -> tuple[int, str, str]:
    process = start(environment)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def others(folder: Path) -> list[Path]:
    """Generations that nobody reads."""
    kept = generations.current(folder)
    return [path for path in folder.glob("generation-*") if path != kept]


def test_builds_it_while_no_server_runs(
    database_url: str, environment: dict[str, str], folder: Path
) -> None:
    insert_tracks(database_url, insert_user(database_url), 3)
    insert_user(database_url, status="suspended")
    code, output, _ = reindex(environment)
    assert code == 0
    assert output.startswith("indexed 5 things in ")
    assert indexed_keys(folder) == expected_keys(database_url)
    assert others(folder) == []


def test_replaces_it_under_a_running_server_and_loses_no_write(
    database_url: str, environment: dict[str, str], folder: Path
) -> None:
    user_id = insert_user(database_url)
    insert_tracks(database_url, user_id, 2_000)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            [track_id, *_] = insert_tracks(database_url, user_id, 3)
            run(database_url, "DELETE FROM tracks WHERE id = $1", track_id)
            run(database_url, "DELETE FROM tracks WHERE id = $1", track_id - 1500)

    with api_process(database_url, folder.parent.parent):
        wait_until_same(database_url, folder)
        before = generations.current(folder)
        writing = threading.Thread(target=write)
        writing.start()
        try:
            for _ in range(3):
                assert reindex(environment)[0] == 0
        finally:
            stop.set()
            writing.join()
        assert generations.current(folder) not in (before, None)
        wait_until_same(database_url, folder)
        wait_for(lambda: others(folder) == [])


def test_one_at_a_time(database_url: str, environment: dict[str, str], folder: Path) -> None:
    generations.make_folder(folder)
    lock = FileLock(folder / generations.REBUILD_LOCK)
    lock.exclusive()
    code, output, errors = reindex(environment)
    assert (code, output) == (1, "")
    assert errors == (
        "talas: The search index is being rebuilt already; wait until that has ended\n"
    )
    lock.release()
    assert reindex(environment)[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_half_way_it_leaves_the_old_one(
    database_url: str, environment: dict[str, str], folder: Path, number: signal.Signals
) -> None:
    insert_tracks(database_url, insert_user(database_url), MANY)
    assert reindex(environment)[0] == 0
    before = generations.current(folder)
    process = start(environment)
    wait_for(lambda: bool(others(folder)))
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert generations.current(folder) == before
    assert indexed_keys(folder) == expected_keys(database_url)
    assert bool(others(folder)) == (number is signal.SIGKILL)
    assert reindex(environment)[0] == 0
    assert others(folder) == []


def test_a_terminal_gets_a_bar_for_each_kind(
    database_url: str, environment: dict[str, str]
) -> None:
    insert_tracks(database_url, insert_user(database_url), 1_000)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "talas", "search", "reindex"],
        env={**environment, "TERM": "xterm", "COLUMNS": "100"},
        stderr=theirs,
        stdout=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert process.wait(60) == 0
    assert b"1000/1000" in shown
    assert b"rooms" in shown


def test_without_tables_it_says_what_to_do(
    empty_database_url: str, environment: dict[str, str]
) -> None:
    code, _, errors = reindex({**environment, "DATABASE_URL": empty_database_url})
    assert code == 1
    assert errors.startswith("talas: The database has no tables yet; run `talas migrate up`")


def test_a_folder_that_cannot_be_is_named(environment: dict[str, str], folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("in the way")
    code, _, errors = reindex(environment)
    assert code == 1
    assert errors.startswith(f"talas: The index cannot be written to {folder}: ")
