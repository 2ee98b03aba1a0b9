"""`talas serve` and the roles, where they must not start: one sentence, an honest exit code."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from talas.core.settings import SettingsError
from talas.entrypoints import preflight
from talas.entrypoints.preflight import ServeError


def talas(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """In an empty working folder, so that no ``.env`` is read."""
    cwd.mkdir(exist_ok=True)
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "talas", *words],
        cwd=cwd,
        env={**inherited, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one sentence."""
    assert done.returncode == code, done
    assert done.stdout == ""
    assert done.stderr.startswith("talas: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("talas: ").strip()


def test_a_second_server_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with preflight.only_server(tmp_path / "data"):
        sentence = refused(talas("serve", cwd=tmp_path), 1)
    assert f"(pid {os.getpid()}) already runs on {tmp_path / 'data'}" in sentence
    with preflight.only_server(tmp_path / "data"):  # free again
        pass


@pytest.mark.parametrize("variable", ["PORT", "WS_BIND_ADDR"])
def test_a_port_in_use_is_refused_before_anything_is_started(tmp_path: Path, variable: str) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        socket.create_server(("127.0.0.1", 0)) as lent,
    ):
        port, other = taken.getsockname()[1], lent.getsockname()[1]
        lent.close()
        http, chat = (port, other) if variable == "PORT" else (other, port)
        env = {"PORT": str(http), "WS_BIND_ADDR": f"127.0.0.1:{chat}"}
        sentence = refused(talas("serve", cwd=tmp_path, env=env), 1)
    assert f"port {port} " in sentence
    assert f"set {variable} " in sentence
    assert not (tmp_path / "data" / "postgres").exists()


def test_one_port_for_two_servers_is_refused(tmp_path: Path) -> None:
    env = {"WS_BIND_ADDR": "127.0.0.1:8123"}
    sentence = refused(talas("serve", "--port", "8123", cwd=tmp_path, env=env), 1)
    assert sentence == "PORT and WS_BIND_ADDR both name port 8123; give each its own"


def test_an_address_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    sentence = refused(talas("serve", "--host", "203.0.113.7", cwd=tmp_path), 1)
    assert sentence == "HOST: 203.0.113.7 is no address of this machine"


def test_a_data_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    env = {"JWT_SECRET": "x" * 40, "DATA_DIR": str(tmp_path / "file" / "data")}
    sentence = refused(talas("serve", cwd=tmp_path, env=env), 2)
    assert sentence.startswith("DATA_DIR: cannot write to ")
    assert "Not a directory" in sentence


def test_a_full_disk_is_told_before_the_database_meets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = preflight.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage._replace(free=64 * 2**20))
    preflight.check_disk(tmp_path, new_database=False)
    with pytest.raises(ServeError, match="has 64 MiB left, and starting needs 160 MiB"):
        preflight.check_disk(tmp_path, new_database=True)
    full = OSError(28, "No space left on device")
    assert isinstance(preflight._unusable(tmp_path, full), ServeError)
    assert isinstance(preflight._unusable(tmp_path, OSError(30, "Read-only")), SettingsError)


@pytest.mark.parametrize("role", ["api", "chat", "worker"])
def test_a_role_alone_says_where_its_database_could_be(tmp_path: Path, role: str) -> None:
    sentence = refused(talas(role, cwd=tmp_path), 2)
    assert "DATABASE_URL is unset" in sentence
    assert "`talas serve`" in sentence


def test_a_bad_setting_is_one_sentence(tmp_path: Path) -> None:
    sentence = refused(talas("api", cwd=tmp_path, env={"JWT_EXPIRY": "soon"}), 2)
    assert sentence.startswith("JWT_EXPIRY: ")


def test_production_without_a_secret_is_refused(tmp_path: Path) -> None:
    sentence = refused(talas("serve", cwd=tmp_path, env={"ENVIRONMENT": "production"}), 2)
    assert sentence.startswith("JWT_SECRET: is required")


def test_help_names_every_command_and_a_slip_gets_a_hint(tmp_path: Path) -> None:
    help_text = talas("--help", cwd=tmp_path).stdout
    for command in ("serve", "api", "chat", "worker", "migrate", "users", "library"):
        assert f" {command} " in help_text
    assert "--data-dir" in talas("serve", "--help", cwd=tmp_path).stdout
    slip = talas("sevre", cwd=tmp_path)
    assert slip.returncode == 2
    assert "Did you mean 'serve'" in slip.stderr


def test_a_role_writes_each_line_at_once_although_unbuffered(tmp_path: Path) -> None:
    program = "from talas.cli.roles import _write_whole_lines as go; go(); print('one', 'line')"
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.settimeout(60)
        subprocess.run(
            [sys.executable, "-u", "-c", program], stdout=theirs, cwd=tmp_path, check=True
        )
        assert ours.recv(100) == b"one line\n"


def test_no_role_pays_for_what_another_needs(tmp_path: Path) -> None:
    program = "import sys, talas.cli.roles, talas.cli.serve; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"litestar", "granian", "av", "numpy", "asyncpg", "websockets"}
