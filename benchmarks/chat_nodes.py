"""Two chat processes: how much later a message is shown by the one that did not keep it, with
announcements over NOTIFY and over Redis."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.ports import free_port

from benchmarks.chat import ROOMS, SECRET, Target
from benchmarks.chat_accounts import create_accounts, create_rooms
from benchmarks.figures import Figure
from benchmarks.servers import TalasServer, talas_serve, wait_ready

MEMBERS = 100
RATES = (200.0, 1_000.0)


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        talas = stack.enter_context(talas_serve(Path(folder) / "data", JWT_SECRET=SECRET))
        tokens = create_accounts(talas.database_url, SECRET, MEMBERS)
        create_rooms(talas.database_url, ROOMS)
        paths = [f"/?token={token}" for token in tokens]
        yield from _measure("NOTIFY", talas, paths, {})
        if shutil.which("redis-server") is None:
            yield Figure("chat on two nodes, Redis", "", "not measured", None, "no redis-server")
            return
        url = stack.enter_context(_redis(Path(folder)))
        yield from _measure("Redis", talas, paths, {"REDIS_URL": url})


def _measure(
    bus: str, talas: TalasServer, paths: list[str], settings: dict[str, str]
) -> Iterator[Figure]:
    with _node(talas, settings) as one, _node(talas, settings) as other:
        chat = Target(one[0], one[1], paths)
        for rate in RATES:
            plan = {"rooms": ROOMS[:1], "rate": rate, "seconds": 4.0, "other_port": other[0]}
            result = chat.load("latency", MEMBERS, version=2, **plan)
            if result["lost"]:
                raise RuntimeError(f"{result['lost']} deliveries did not come")
            yield Figure(
                f"chat on two nodes, {bus}, {MEMBERS} members, {rate:,.0f} messages/s",
                "",
                f"p50 {result['elsewhere_p50_ms']:.1f} ms",
                None,
                f"on the other node p99 {result['elsewhere_p99_ms']:.1f}, "
                f"p99.9 {result['elsewhere_p99.9_ms']:.1f} ms; on the own p50 "
                f"{result['deliver_p50_ms']:.1f}, p99 {result['deliver_p99_ms']:.1f} ms",
            )


@contextlib.contextmanager
def _node(talas: TalasServer, settings: dict[str, str]) -> Iterator[tuple[int, int]]:
    """The port and the process id of a chat process beside the server's own."""
    port = free_port()
    environment = {
        **os.environ,
        "DATABASE_URL": talas.database_url,
        "DATA_DIR": str(talas.data_dir),
        "JWT_SECRET": SECRET,
        "RATE_LIMITS": "off",
        "WS_BIND_ADDR": f"127.0.0.1:{port}",
        **settings,
    }
    command = [sys.executable, "-m", "talas", "chat"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait_ready(f"http://127.0.0.1:{port}/ready", process)
            yield port, process.pid
        finally:
            process.terminate()


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[str]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
