"""What a subprocess that decodes may still ask of the system."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

# A handler that raises would tell as well, were a signal let through.
PROGRAM = """
import ctypes, fcntl, os, resource, signal, sys, threading
from talas.audio import confinement, system_calls
parent = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
confinement.leave_network()
confinement.open_nothing_more()
system_calls.refuse_others()
def refused(act):
    try:
        act()
    except OSError as error:
        return error.strerror
    return "allowed"
def call(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
acts = {
    "signal": lambda: os.kill(parent, 0),
    "watch": lambda: call(libc.ptrace, 16, parent, 0, 0),
    "read": lambda: call(libc.process_vm_readv, parent, 0, 0, 0, 0, 0),
    "start": lambda: os.execv("/bin/true", ["true"]),
    "namespace": lambda: call(libc.unshare, 0),
    "queue": lambda: call(libc.sigqueue, parent, 0, None),
    "owner": lambda: fcntl.fcntl(1, fcntl.F_SETOWN, parent),
    "limit": lambda: resource.prlimit(parent, resource.RLIMIT_CORE),
    "slow": lambda: os.setpriority(os.PRIO_PROCESS, parent, os.getpriority(0, parent)),
    "fork": lambda: os.fork() or os._exit(0),
    "leave": lambda: os.setsid(),
    "thread": lambda: threading.Thread(target=int).start(),
    "work": lambda: bytes(50 << 20).count(0),
    "time": lambda: confinement.allow_all_cpu(5),
}
for name, act in acts.items():
    print(name, refused(act))
sys.stdout.flush()
os.abort()
"""

LINUX = sys.platform == "linux" and platform.machine() in ("x86_64", "aarch64")


@pytest.mark.skipif(not LINUX, reason="needs Linux's filter of system calls")
def test_other_processes_are_out_of_reach() -> None:
    ran = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
    )
    refusal = "Operation not permitted"
    assert dict(line.split(" ", 1) for line in ran.stdout.splitlines()) == {
        "signal": refusal,
        "watch": refusal,
        "read": refusal,
        "start": refusal,
        "namespace": refusal,
        "queue": refusal,
        "owner": refusal,
        "limit": refusal,
        "slow": refusal,
        "fork": refusal,
        "leave": refusal,
        "thread": "allowed",
        "work": "allowed",
        "time": "allowed",
    }, ran.stderr
    assert ran.returncode == -6, "it can end itself, as a library does that finds memory spoilt"
