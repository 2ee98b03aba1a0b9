"""`talas serve` as a newcomer starts it: nothing installed, nothing set but ports and a folder."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from tests.ports import free_port

SERVE = [sys.executable, "-m", "talas", "serve"]
MOST_RESIDENT_BYTES = 450 * 2**20


def settings(folder: Path, **more: str) -> dict[str, str]:
    env = {
        "PORT": str(free_port()),
        "WS_BIND_ADDR": f"127.0.0.1:{free_port()}",
        "DATA_DIR": str(folder),
    }
    return {**env, "DATABASE_URL": "", "REDIS_URL": "", **more}


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except OSError:
        return 0


def holders(folder: Path) -> list[psutil.Process]:
    """Whatever names the folder: PostgreSQL, which does not inherit our environment."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def resident_bytes(pid: int) -> int:
    total = 0
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # a PostgreSQL backend may just have ended
            total += process.memory_info().rss
    assert total > 100 * 2**20
    return total


def comes_true(holds: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_from_an_empty_folder_to_ready_and_gone_without_a_trace(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    env = settings(folder)
    serving = run(SERVE, env, cwd=tmp_path)
    web = serving.expect(r"Web +(\S+)")[1]
    chat = serving.expect(r"Chat +ws://127.0.0.1:(\d+)/")[1]
    serving.expect(rf"Database +embedded PostgreSQL in {folder}/postgres")
    serving.expect("users create --role super_admin")
    assert "\033" not in serving.text()
    assert status_of(f"{web}/ready") == 200
    socket.create_connection(("127.0.0.1", int(chat)), 30).close()

    # Idle: for a moment PostgreSQL may have a process more that cleans up.
    assert comes_true(lambda: resident_bytes(serving.process.pid) < MOST_RESIDENT_BYTES, 60)

    second = subprocess.run(SERVE, env={**os.environ, **env}, capture_output=True, text=True)
    assert second.returncode == 1
    assert f"pid {serving.process.pid}" in second.stderr

    serving.send(signal.SIGKILL)
    assert serving.comes_to(0)
    assert comes_true(lambda: holders(folder) == [], 60)

    again = run(SERVE, {**env, "LOG_FORMAT": "json"}, cwd=tmp_path)
    again.expect('"event":"ready"')
    for process in psutil.Process(again.process.pid).children():
        if process.cmdline()[-1:] == ["api"]:
            process.kill()
    again.expect("api was killed by SIGKILL")
    assert comes_true(lambda: status_of(f"{web}/ready") == 200, 60)
    again.send(signal.SIGTERM)
    assert again.wait() == 0
    assert again.alive() == []
    assert holders(folder) == []
    for line in again.lines:
        assert "time" in json.loads(line), line


def test_several_api_processes_share_the_port(run: Callable[..., Any], tmp_path: Path) -> None:
    serving = run(SERVE, settings(tmp_path / "data", API_WORKERS="2"), cwd=tmp_path)
    web = serving.expect(r"Web +(\S+)")[1]

    def api_processes() -> list[psutil.Process]:
        found = []
        for child in psutil.Process(serving.process.pid).children():
            with contextlib.suppress(psutil.Error):  # one that has just ended
                if child.cmdline()[-1:] == ["api"]:
                    found.append(child)
        return found

    def listens(process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return any(c.status == psutil.CONN_LISTEN for c in process.net_connections("tcp"))
        return False

    assert len(api_processes()) == 2
    assert comes_true(lambda: all(listens(process) for process in api_processes()), 60)
    killed = api_processes()[0]
    killed.kill()
    serving.expect(r"api \d was killed by SIGKILL")
    # The other one; the next one, should this come late, from when it is ready.
    assert comes_true(lambda: status_of(f"{web}/ready") == 200, 60)
    assert comes_true(lambda: len(api_processes()) == 2, 60)
    assert killed.pid not in [process.pid for process in api_processes()]
    serving.send(signal.SIGTERM)
    assert serving.wait() == 0
