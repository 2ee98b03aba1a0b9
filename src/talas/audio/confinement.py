"""What the analysing subprocess takes from itself before it looks at a file.

The file comes from a stranger and FFmpeg is large: whoever takes over the decoder should find
no network, no files, no memory to fill and no parent to outlive. Network and parent are Linux's
to take; elsewhere the limits on memory, processor time and descriptors remain.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_CPU_GRACE_SECONDS = 2
_LEAST_ROOM_BYTES = 4 * 1024 * 1024


def die_with(parent: int) -> bool:
    """Has the kernel end this process when `parent` ends. False where it already has."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return os.getppid() == parent


def limit_resources(*, cpu_seconds: int, opening_cpu_seconds: int) -> None:
    """Caps processor time; allows no written files and no core dumps.

    Until `allow_all_cpu` is called there are `opening_cpu_seconds` only.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    first = min(opening_cpu_seconds, cpu_seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (first, cpu_seconds + _CPU_GRACE_SECONDS))


def allow_all_cpu(cpu_seconds: int) -> None:
    """The rest of the processor time that `limit_resources` was given."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + _CPU_GRACE_SECONDS))


def limit_memory(memory_bytes: int) -> None:
    """Caps memory, what the process has already included. Raises OSError (ENOMEM) where that
    leaves too little of it to decode anything.

    Memory is RLIMIT_DATA: private writable mappings, which is what a file can make grow. Address
    space would count the libraries too, and differs from one build of them to the next.
    """
    _limit(resource.RLIMIT_DATA, memory_bytes)
    mmap.mmap(-1, _LEAST_ROOM_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()


def leave_network() -> None:
    """Moves to an empty network namespace, where the system lets an ordinary process do so."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.unshare(_CLONE_NEWNET) != 0:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)


def open_nothing_more() -> None:
    """Refuses every further descriptor: no file, no socket, no pipe.

    Only standard input, output and error stay; closing one of them makes no room for another.
    Whatever is to be imported must have been.
    """
    os.closerange(3, 256)
    _limit(resource.RLIMIT_NOFILE, 0)


def _limit(kind: int, value: int) -> None:
    with contextlib.suppress(ValueError):
        resource.setrlimit(kind, (value, value))
