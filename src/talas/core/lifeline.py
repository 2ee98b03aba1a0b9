"""The tie between a supervisor and what it started: neither crash nor SIGKILL leaves orphans.

The supervisor holds the write end of a pipe into which nobody writes; the child inherits the read
end. However the supervisor ends, the kernel closes the write end, and the child's whole process
group is killed: the workers it forked, the decoders it started.

Two watchers see to that. On Linux the kernel itself signals the group (fcntl(2): F_SETOWN and
F_SETSIG), even while the interpreter is stuck in C code. Everywhere, a thread in the child reads
from the pipe (``watch``). A descendant that leaves the process group is on its own.
"""

import contextlib
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO

# Not a setting: the supervisor tells its child "descriptor:inode" of the read end.
_VARIABLE = "TALAS_LIFELINE"
_F_SETSIG = 10


def spawn(
    argv: Sequence[str], *, env: Mapping[str, str], stdout: IO[bytes] | None = None
) -> tuple[subprocess.Popen[bytes], int]:
    """Start ``argv`` in a session of its own; its process group dies when the returned descriptor
    is closed, at the latest with the calling process. Output goes where the caller's goes."""
    read_end, write_end = os.pipe()
    try:
        process = subprocess.Popen(
            argv,
            env={**env, _VARIABLE: f"{read_end}:{os.fstat(read_end).st_ino}"},
            pass_fds=(read_end,),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            start_new_session=True,
        )
        _signal_group_on_close(read_end, process.pid)
    except BaseException:
        os.close(write_end)
        raise
    finally:
        os.close(read_end)
    return process, write_end


def kill_group(group: int) -> None:
    """SIGKILL for every process of the group; no error where none is left."""
    # macOS answers EPERM for a group of which only zombies are left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


def reap_group(group: int) -> None:
    """As process 1 of a container the caller inherits the orphans of a killed group: take their
    exit codes, or they stay as zombies. Elsewhere there are none, and this returns at once."""
    with contextlib.suppress(ChildProcessError):
        for _ in range(20):
            if os.waitpid(-group, os.WNOHANG) == (0, 0):
                time.sleep(0.01)


def watch() -> bool:
    """Die with the supervisor; whether there is one. An entry point calls this first. Processes
    forked later need not call it: they belong to the same group."""
    read_end = _inherited_read_end()
    if read_end is None:
        return False
    os.set_inheritable(read_end, False)
    threading.Thread(target=_await_close, args=(read_end,), name="lifeline", daemon=True).start()
    return True


def _signal_group_on_close(read_end: int, group: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    # These belong to the open file, which the child shares. A kernel that lacks them (gVisor)
    # leaves the work to the thread.
    with contextlib.suppress(OSError):
        fcntl.fcntl(read_end, fcntl.F_SETOWN, -group)
        fcntl.fcntl(read_end, _F_SETSIG, int(signal.SIGKILL))
        flags = fcntl.fcntl(read_end, fcntl.F_GETFL)
        fcntl.fcntl(read_end, fcntl.F_SETFL, flags | os.O_ASYNC)


def _inherited_read_end() -> int | None:
    number, _, inode = os.environ.get(_VARIABLE, "").partition(":")
    if not number.isdecimal():
        return None
    # A grandchild inherits the variable without the descriptor, whose number may mean another
    # file by then: hence the inode.
    try:
        found = os.fstat(int(number))
    except OSError:
        return None
    return int(number) if stat.S_ISFIFO(found.st_mode) and str(found.st_ino) == inode else None


def _await_close(read_end: int) -> None:
    while os.read(read_end, 1):
        pass
    kill_group(os.getpgrp())
