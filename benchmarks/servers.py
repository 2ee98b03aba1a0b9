"""Real servers to measure: a whole `talas serve` in a folder of its own, and the bare ones."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
from tests.ports import free_port

from talas.core.embedded_postgres import database_url

START_S = 60.0


class TalasServer:
    """``started_s``: from the command until ``/ready`` answered 200."""

    def __init__(self, process: subprocess.Popen[bytes], data_dir: Path, http: int, chat: int):
        self.process = process
        self.data_dir = data_dir
        self.port = http
        self.chat_port = chat
        self.started_s = 0.0
        self.url = f"http://127.0.0.1:{http}"
        self.ws_url = f"ws://127.0.0.1:{chat}"
        self.database_url = database_url(data_dir)

    def call(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        """The ``data`` of an answer; raises urllib.error.HTTPError."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer).get("data")

    def sign_up(self, name: str) -> tuple[int, str]:
        """A new user's id and access token."""
        account = {"email": f"{name}@example.com", "password": "correct horse 9"}
        user = self.call("POST", "/api/v1/auth/register", {"username": name, **account})
        return user["user_id"], self.log_in(name)

    def log_in(self, name: str) -> str:
        """An access token of somebody who has signed up."""
        account = {"email": f"{name}@example.com", "password": "correct horse 9"}
        token: str = self.call("POST", "/api/v1/auth/login", account)["access_token"]
        return token


@contextlib.contextmanager
def talas_serve(data_dir: Path, **settings: str) -> Iterator[TalasServer]:
    """A running `talas serve` with rate limits off; nothing of it is left afterwards."""
    http, chat = free_port(), free_port()
    environment = {
        **os.environ,
        "DATA_DIR": str(data_dir),
        "PORT": str(http),
        "WS_BIND_ADDR": f"127.0.0.1:{chat}",
        "RATE_LIMITS": "off",
        **settings,
    }
    environment.pop("DATABASE_URL", None)
    began = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "talas", "serve"],
            env=environment,
            cwd=data_dir.parent,
            stdout=log,
            stderr=log,
        )
    server = TalasServer(process, data_dir, http, chat)
    try:
        wait_ready(f"{server.url}/ready", process)
        server.started_s = time.monotonic() - began
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@contextlib.contextmanager
def bare_server(url: str) -> Iterator[int]:
    """The baseline server of `benchmarks.bare_server` on its port."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare_server", str(port), url])
    try:
        wait_ready(f"http://127.0.0.1:{port}/constant", process)
        yield port
    finally:
        process.kill()
        process.wait()


def wait_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(url, timeout=2),
        ):
            return
        time.sleep(0.02)
    raise TimeoutError(f"{url} did not answer within {START_S:g} s")


def http_load(
    port: int,
    *requests: bytes,
    connections: int = 32,
    seconds: float = 3.0,
    pause_s: float = 0.0,
    once: bool = False,
) -> dict[str, float]:
    """Runs the load generator in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.http_load", str(port)]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    command += ["--pause", str(pause_s), *(["--once"] if once else [])]
    lines = "\n".join(request.hex() for request in requests).encode()
    done = subprocess.run(command, check=True, input=lines, stdout=subprocess.PIPE)
    result: dict[str, float] = json.loads(done.stdout)
    if result["errors"]:
        raise RuntimeError(f"{result['errors']} of {result['requests']} answers were errors")
    result["rate"] = result["requests"] / result["seconds"]
    return result


def execute(url: str, statement: str, *arguments: object) -> None:
    """On the server's database, behind its back."""

    async def executed() -> None:
        conn = await asyncpg.connect(url)
        try:
            await conn.execute(statement, *arguments)
        finally:
            await conn.close()

    asyncio.run(executed())


def raw_request(method: str, path: str, *, token: str = "", body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: bench"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
