"""What can be seen of a PostgreSQL server process from outside, and how it is ended."""

import ctypes
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from talas.core.file_lock import open_private

_PROTOCOL_3_0 = 196608
_PR_SET_PDEATHSIG = 1
_IMMEDIATE_S = 5.0
_SAID = re.compile(r"(?:FATAL|PANIC|error): +(.*)")


class Mark(msgspec.Struct, frozen=True):
    """What ``postmaster.pid`` tells; ``status`` is starting, ready, stopping or empty."""

    pid: int
    status: str


def read_mark(folder: Path) -> Mark | None:
    try:
        lines = (folder / "postmaster.pid").read_text(errors="replace").splitlines()
        return Mark(int(lines[0]), lines[7].strip() if len(lines) > 7 else "")
    except (OSError, ValueError, IndexError):
        return None


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def may_serve(pid: int, folder: Path) -> bool:
    """Whether process ``pid`` can be the server of ``folder``, whose working folder that is.

    After a power cut the number in a left-over pid file may belong to any program. True when it
    cannot be told (no ``/proc``).
    """
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except FileNotFoundError:
        return not Path("/proc/self/cwd").exists()
    except OSError:
        return True


def answers(socket_path: Path, role: str, *, timeout_s: float = 2.0) -> bool:
    """Whether the server lets ``role`` into the database of the same name and takes queries.

    Speaks the frontend/backend protocol 3.0: a startup message, then Terminate, and looks for
    ReadyForQuery among the answers.
    """
    body = struct.pack("!I", _PROTOCOL_3_0)
    body += b"user\0%b\0database\0%b\0\0" % (role.encode(), role.encode())
    received = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(os.fspath(socket_path))
            connection.sendall(struct.pack("!I", len(body) + 4) + body + b"X\0\0\0\4")
            while chunk := connection.recv(4096):
                received += chunk
    except OSError:
        return False
    return b"Z" in _message_types(received)


def _message_types(received: bytearray) -> bytes:
    types, position = bytearray(), 0
    while position + 5 <= len(received):
        types.append(received[position])
        position += 1 + int.from_bytes(received[position + 1 : position + 5])
    return bytes(types)


def end_with_parent(sign: signal.Signals) -> Callable[[], None]:
    """A ``preexec_fn``: the process gets ``sign`` when the thread that started it ends."""
    if sys.platform != "linux":
        return lambda: None
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl

    def arm() -> None:
        prctl(_PR_SET_PDEATHSIG, sign, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return arm


def end(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """Fast shutdown (SIGINT), after ``timeout_s`` immediate (SIGQUIT), at last SIGKILL."""
    for sign, patience_s in (
        (signal.SIGINT, timeout_s),
        (signal.SIGQUIT, _IMMEDIATE_S),
        (signal.SIGKILL, _IMMEDIATE_S),
    ):
        process.send_signal(sign)
        try:
            process.wait(patience_s)
            return
        except subprocess.TimeoutExpired:
            continue


def reason_of(said: str) -> str:
    """The first fatal error in what a PostgreSQL program said, else its last line."""
    if fatal := _SAID.search(said):
        return fatal.group(1).strip()
    return said.strip().rpartition("\n")[2]


def bound_log(path: Path, limit: int) -> None:
    """Keeps one older part: a log past ``limit`` bytes is copied to ``<name>.1`` and emptied.

    Copied, not renamed, because the server keeps appending to the file that it was given.
    """
    with open_private(path):
        pass
    if path.stat().st_size > limit:
        older = path.with_name(path.name + ".1")
        shutil.copyfile(path, older)
        older.chmod(0o600)
        os.truncate(path, 0)
