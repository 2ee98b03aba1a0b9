"""`talas serve` runs gRPC where GRPC_BIND_ADDR is set; `talas stream` runs it alone."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from tests.ports import free_port

SERVE = [sys.executable, "-m", "talas", "serve"]
STREAM = [sys.executable, "-m", "talas", "stream"]


def environment(database_url: str, folder: Path, **more: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "DATA_DIR": str(folder),
        "PORT": str(free_port()),
        "WS_BIND_ADDR": f"127.0.0.1:{free_port()}",
        "GRPC_BIND_ADDR": f"127.0.0.1:{free_port()}",
        **more,
    }


def test_serve_runs_it_and_drains_it(
    run: Callable[..., Any], database_url: str, tmp_path: Path
) -> None:
    env = environment(database_url, tmp_path / "data")
    serving = run(SERVE, env, cwd=tmp_path)
    address = serving.expect(r"gRPC +(\S+)")[1]
    assert address == env["GRPC_BIND_ADDR"]
    with grpc.insecure_channel(address) as channel:
        watch = HealthStub(channel).Watch(HealthCheckRequest(service="talas.v1.AudioStream"))
        assert next(watch).status == HealthCheckResponse.SERVING
        serving.send(signal.SIGTERM)
        assert next(watch).status == HealthCheckResponse.NOT_SERVING
    assert serving.wait() == 0
    assert serving.alive() == []
    assert "Traceback" not in serving.text()


@pytest.mark.parametrize("command", [SERVE, STREAM], ids=["serve", "stream"])
def test_a_port_in_use_is_refused(database_url: str, tmp_path: Path, command: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        env = environment(database_url, tmp_path / "data", GRPC_BIND_ADDR=address)
        done = subprocess.run(
            command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 1
    assert "for gRPC is in use" in done.stderr
    assert "GRPC_BIND_ADDR" in done.stderr


def test_one_port_for_two_servers_is_refused(database_url: str, tmp_path: Path) -> None:
    env = environment(database_url, tmp_path / "data")
    env["GRPC_BIND_ADDR"] = f"127.0.0.1:{env['PORT']}"
    done = subprocess.run(SERVE, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"PORT and GRPC_BIND_ADDR both name port {env['PORT']}" in done.stderr


def test_without_the_database_it_says_so(tmp_path: Path) -> None:
    env = environment(f"postgres://nobody@127.0.0.1:{free_port()}/nothing", tmp_path / "data")
    done = subprocess.run(
        STREAM, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "talas stream: the database does not answer: " in done.stderr
    assert "Traceback" not in done.stderr
