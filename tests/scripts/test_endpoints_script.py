"""``scripts/test_endpoints.sh`` as a newcomer runs it, against a whole Talas and against others."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from tests.conftest import JWT_SECRET
from tests.ports import free_port

SCRIPT = Path(__file__).parents[2] / "scripts" / "test_endpoints.sh"


ADMIN = {"ADMIN_EMAIL": "ada@example.org", "ADMIN_PASSWORD": 'correct "horse" \\ batterie é'}


def run_script(base_url: str, ws_url: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "BASE_URL": base_url, "WS_URL": ws_url, **variables}
    return subprocess.run(
        ["sh", str(SCRIPT)], env=env, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def serving(database_url: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The URLs of `talas serve`, ready."""
    http_port, chat_port = free_port(), free_port()
    env = {
        **os.environ,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "PORT": str(http_port),
        "WS_BIND_ADDR": f"127.0.0.1:{chat_port}",
        "JWT_SECRET": JWT_SECRET,
    }
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "talas", "serve"],
            env=env,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if "is ready" in line:
                break
        else:
            log.seek(0)
            pytest.fail(log.read())
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield f"http://127.0.0.1:{http_port}", f"ws://127.0.0.1:{chat_port}"
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.mark.parametrize("variables", [{}, ADMIN], ids=["as anybody", "with an administrator"])
async def test_every_check_holds_and_nothing_stays(
    serving: tuple[str, str], database_url: str, variables: dict[str, str]
) -> None:
    if variables:
        create_admin(database_url)
    done = run_script(*serving, **variables)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        *(["ok", str(number)] for number in range(1, 8)),
        ["ok", "clean"],
    ], done.stdout
    assert ("in part" in done.stdout) is not bool(variables)
    assert done.returncode == 0
    conn = await asyncpg.connect(database_url)
    for table in ("tracks", "products", "categories", "user_products", "files"):
        assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0, table
    left = "SELECT count(*) FROM users WHERE status <> 'deleted'"
    assert await conn.fetchval(left) == len(variables) / 2
    await conn.close()


def create_admin(database_url: str) -> None:
    command = [sys.executable, "-m", "talas", "users", "create", "--role", "super_admin"]
    command += ["--username", "ada", "--email", ADMIN["ADMIN_EMAIL"], "--password-stdin"]
    environment = {**os.environ, "DATABASE_URL": database_url, "JWT_SECRET": JWT_SECRET}
    subprocess.run(command, env=environment, input=ADMIN["ADMIN_PASSWORD"], text=True, check=True)


def test_an_administrator_who_is_none_is_named(serving: tuple[str, str]) -> None:
    done = run_script(*serving, **ADMIN)
    assert done.returncode == 1
    (failed,) = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert "ADMIN_EMAIL and ADMIN_PASSWORD do not sign in" in failed


def test_a_server_that_is_away_gets_a_sentence() -> None:
    away = f"http://127.0.0.1:{free_port()}"
    done = run_script(away, "ws://127.0.0.1:1")
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"No Talas is ready at {away}" in done.stderr
    assert "make serve" in done.stderr


class Broken(http.server.BaseHTTPRequestHandler):
    """Says that it is ready and can do nothing."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 500)
        self.end_headers()
        self.wfile.write(b'{"error":"Internal error"}')

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def broken_server() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Broken)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_failure_says_what_was_expected_and_what_came() -> None:
    with broken_server() as url:
        assert urllib.request.urlopen(f"{url}/ready").status == 200
        done = run_script(url, "ws://127.0.0.1:1")
    assert done.returncode == 1
    assert done.stdout.startswith("FAILED  1 ")
    assert 'POST /auth/login: expected 401, got 500 {"error":"Internal error"}' in done.stdout
