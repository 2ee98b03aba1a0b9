"""The embedded PostgreSQL as a real server: started, killed, found, refused."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import psutil
import pytest

from talas.core import embedded_postgres, postgres_cluster, postgres_process
from talas.core.embedded_postgres import (
    EmbeddedPostgres,
    EmbeddedPostgresError,
    database_url,
    is_running,
    running,
)
from talas.core.system_account import account_for

NO_FSYNC = {"fsync": "off"}
OWNER = """
import sys
from pathlib import Path
from talas.core.embedded_postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""

MakeServer = Callable[..., EmbeddedPostgres]


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    servers = []

    def make(data_dir: Path = tmp_path / "data") -> EmbeddedPostgres:
        servers.append(EmbeddedPostgres(data_dir, settings=NO_FSYNC))
        return servers[-1]

    yield make
    for server in servers:
        server.stop(timeout_s=1)


def fetchval(url: str, statement: str) -> object:
    async def fetch() -> object:
        conn = await asyncpg.connect(url)
        try:
            return await conn.fetchval(statement)
        finally:
            await conn.close()

    return asyncio.run(fetch())


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def start_owner(data_dir: Path) -> tuple["subprocess.Popen[str]", int]:
    """Another process with a server of its own, and that server's process id."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, data_dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def kill(owner: "subprocess.Popen[str]") -> None:
    owner.kill()
    owner.communicate()


def family(pid: int) -> list[psutil.Process]:
    """The server and its children."""
    server = psutil.Process(pid)
    children = server.children()
    assert len(children) >= 4
    return [server, *children]


def lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_keeps_data_from_one_start_to_the_next(make_server: MakeServer, tmp_path: Path) -> None:
    first = make_server()
    assert not is_running(tmp_path / "data")
    first.start()
    assert is_running(tmp_path / "data")
    assert first.poll() is None
    fetchval(first.url, "CREATE TABLE kept AS SELECT 7 AS n")
    first.stop()
    assert not is_running(tmp_path / "data")

    second = make_server()
    second.start()
    assert second.url == first.url == database_url(tmp_path / "data")
    assert fetchval(second.url, "SELECT n FROM kept") == 7


def test_what_the_application_finds(make_server: MakeServer) -> None:
    server = make_server()
    server.start()
    assert fetchval(server.url, "SELECT rolsuper FROM pg_roles WHERE rolname = user") is False
    assert fetchval(server.url, "SELECT lower('ÀÉÎŒΔЖ')") == "àéîœδж"
    assert fetchval(server.url, "SHOW timezone") == "UTC"
    assert fetchval(server.url, "SHOW data_checksums") == "on"
    assert fetchval(server.url, "SHOW synchronous_commit") == "on"
    assert fetchval(server.url, "SHOW listen_addresses") == ""


@pytest.mark.parametrize("name", ["a b & ü ♫?#%", "x" * 120, "comma, \"quote' back\\slash"])
def test_any_folder_name_works_for_asyncpg_and_libpq(
    make_server: MakeServer, tmp_path: Path, name: str
) -> None:
    server = make_server(tmp_path / name)
    server.start()
    assert is_running(tmp_path / name)
    assert fetchval(server.url, "SELECT 1") == 1
    psql = [postgres_cluster.program("psql"), "-XtA", "-c", "SELECT 2", server.url]
    assert subprocess.check_output(psql, text=True).strip() == "2"


def test_a_socket_folder_taken_by_somebody_else_is_refused(
    make_server: MakeServer, tmp_path: Path
) -> None:
    data_dir = tmp_path / ("x" * 120)
    taken = embedded_postgres._socket_folder(data_dir)
    assert taken.parent == Path("/tmp")
    taken.mkdir(mode=0o777)
    taken.chmod(0o777)
    try:
        with pytest.raises(EmbeddedPostgresError, match="not a private folder"):
            make_server(data_dir).start()
    finally:
        taken.rmdir()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("name", ["data", "x" * 120])
def test_other_users_cannot_reach_the_socket(
    make_server: MakeServer, tmp_path: Path, name: str
) -> None:
    server = make_server(tmp_path / name)
    server.start()
    path = embedded_postgres._socket_folder(tmp_path / name) / ".s.PGSQL.5432"
    assert path.is_socket()
    stranger = 54321
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(stranger)
        os.setuid(stranger)
        code = socket.socket(socket.AF_UNIX).connect_ex(str(path)) if len(str(path)) < 108 else 0
        os.write(write_end, str(code).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(read_end, 16)) == 13


def test_ends_with_its_killed_owner_and_starts_again(
    make_server: MakeServer, tmp_path: Path
) -> None:
    owner, pid = start_owner(tmp_path / "data")
    fetchval(database_url(tmp_path / "data"), "CREATE TABLE kept AS SELECT 7 AS n")
    processes = family(pid)
    kill(owner)
    server = make_server()
    server.start()
    assert fetchval(server.url, "SELECT n FROM kept") == 7
    wait_until(lambda: not any(map(lives, processes)), "children of the ended server remain")


def test_starts_after_everything_was_killed(make_server: MakeServer, tmp_path: Path) -> None:
    owner, pid = start_owner(tmp_path / "data")
    fetchval(database_url(tmp_path / "data"), "CREATE TABLE kept AS SELECT 7 AS n")
    processes = family(pid)
    os.kill(owner.pid, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    kill(owner)
    server = make_server()
    server.start()
    assert fetchval(server.url, "SELECT n FROM kept") == 7
    wait_until(lambda: not any(map(lives, processes)), "children of the killed server remain")


def test_outlives_the_thread_that_started_it(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    starter = threading.Thread(target=server.start)
    starter.start()
    starter.join()
    time.sleep(0.3)
    assert server.poll() is None
    assert is_running(tmp_path / "data")


def test_a_left_over_pid_file_may_name_any_living_process(
    make_server: MakeServer, tmp_path: Path
) -> None:
    first = make_server()
    first.start()
    first.stop()
    mark = tmp_path / "data" / "postgres" / "postmaster.pid"
    mark.write_text(f"{os.getpid()}\n{mark.parent}\n1700000000\n5432\n\n\n  1234 5678\nready   \n")
    started = time.monotonic()
    make_server().start()
    assert time.monotonic() - started < embedded_postgres._TAKEOVER_S


def test_a_second_owner_is_refused(
    make_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_postgres, "_TAKEOVER_S", 0.2)
    owner, _ = start_owner(tmp_path / "data")
    with pytest.raises(EmbeddedPostgresError, match="in use by another Talas process"):
        make_server().start()
    assert is_running(tmp_path / "data")
    kill(owner)


def test_waits_for_an_owner_that_is_about_to_leave(make_server: MakeServer, tmp_path: Path) -> None:
    owner, _ = start_owner(tmp_path / "data")
    threading.Timer(0.5, owner.communicate).start()
    server = make_server()
    server.start()
    assert fetchval(server.url, "SELECT 1") == 1


def test_another_major_version_is_refused(make_server: MakeServer, tmp_path: Path) -> None:
    first = make_server()
    first.start()
    first.stop()
    (tmp_path / "data" / "postgres" / "PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match=r"made by PostgreSQL 17, .* brings PostgreSQL"):
        make_server().start()


def test_a_folder_with_other_files_is_refused(make_server: MakeServer, tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    (tmp_path / "data" / "postgres" / "song.flac").touch()
    with pytest.raises(EmbeddedPostgresError, match="holds files but no database"):
        make_server().start()
    assert (tmp_path / "data" / "postgres" / "song.flac").exists()


def test_what_an_interrupted_first_start_left_is_removed(
    make_server: MakeServer, tmp_path: Path
) -> None:
    (tmp_path / "data" / "postgres.new-abc" / "base").mkdir(parents=True)
    make_server().start()
    assert not (tmp_path / "data" / "postgres.new-abc").exists()


def test_says_why_the_server_did_not_start(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "data", settings={"shared_buffers": "lots"})
    with pytest.raises(EmbeddedPostgresError, match=r"did not start: .*shared_buffers"):
        server.start()
    assert server.poll() is None


def test_stop_ends_open_transactions(make_server: MakeServer) -> None:
    server = make_server()
    server.start()

    async def stop_while_busy() -> None:
        conn = await asyncpg.connect(server.url)
        await conn.execute("BEGIN; CREATE TABLE half (n INT)")
        started = time.monotonic()
        await asyncio.to_thread(server.stop)
        # After ten it would be ended by force.
        assert time.monotonic() - started < 10
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await conn.execute("SELECT 1")

    asyncio.run(stop_while_busy())


def test_running_joins_a_server_and_leaves_it_running(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server()
    server.start()
    with running(tmp_path / "data") as url:
        assert url == server.url
        assert fetchval(url, "SELECT 1") == 1
    assert is_running(tmp_path / "data")


def test_running_starts_one_for_the_block(tmp_path: Path) -> None:
    with running(tmp_path / "data", settings=NO_FSYNC) as url:
        assert fetchval(url, "SELECT 1") == 1
    assert not is_running(tmp_path / "data")


def test_of_two_blocks_at_once_neither_loses_its_server(tmp_path: Path) -> None:
    script = """
import sys, time, asyncio, asyncpg
from pathlib import Path
from talas.core.embedded_postgres import running
async def use(url):
    conn = await asyncpg.connect(url)
    await conn.execute(f"SELECT pg_sleep({sys.argv[2]})")
    await conn.close()
with running(Path(sys.argv[1])) as url:
    asyncio.run(use(url))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "data")]
    blocks = [subprocess.Popen([*command, seconds]) for seconds in ("0.1", "1.5", "0.8")]
    assert [block.wait(60) for block in blocks] == [0, 0, 0]
    assert not is_running(tmp_path / "data")


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        EmbeddedPostgresError, match=r"cannot run in .*file/data: .*Not a directory"
    ):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_the_log_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_bytes(b"x" * 1001)
    postgres_process.bound_log(log, 1000)
    assert log.stat().st_size == 0
    assert (tmp_path / "postgres.log.1").stat().st_size == 1001


def test_refused_statements_leave_no_data_in_the_log(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server()
    server.start()
    fetchval(server.url, "CREATE TABLE t (email TEXT UNIQUE)")
    fetchval(server.url, "INSERT INTO t VALUES ('canary@example.org')")
    with pytest.raises(asyncpg.UniqueViolationError):
        fetchval(server.url, "INSERT INTO t VALUES ('canary@example.org')")
    assert "canary" not in (tmp_path / "data" / "postgres.log").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="concerns root only")
def test_root_gives_the_server_to_another_account(make_server: MakeServer, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    server = make_server(private / "data")
    server.start()
    folder = private / "data" / "postgres"
    account = account_for(folder)
    assert account.uid not in (0, os.geteuid())
    assert folder.stat().st_uid == account.uid
    assert folder.stat().st_mode & 0o777 == 0o700
    # 0710 is the mask of its access control list; 0701 where the disk keeps none.
    assert private.stat().st_mode & 0o777 in (0o710, 0o701)
    assert (private / "data" / "postgres.log").stat().st_mode & 0o777 == 0o600
    server.stop()

    os.chown(private / "data", account.uid, account.gid)
    server.start()
    server.stop()
    assert (private / "data" / "postgres.lock").stat().st_uid == account.uid
    subprocess.run(["chown", "-R", "root", folder], check=True)
    make_server(private / "data").start()
    assert folder.stat().st_uid == account_for(folder).uid
