"""What a subprocess may ask of Linux, less what reaches other processes or starts one.

A filter of the kernel's own (seccomp, in the classic BPF of `linux/filter.h`), by `ctypes` alone.
It lists what is refused and not what is needed, which differs between builds of libraries: files
and the network are taken by other means.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator

_REFUSED = {
    # name: number on x86_64, on aarch64
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
    "shmat": (30, 196),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
}
_FORKS = {"x86_64": (57, 58), "aarch64": ()}
"""fork and vfork, where they are calls of their own."""

_TGKILL, _PRLIMIT, _FCNTL = (234, 131), (302, 261), (72, 25)
_CLONE, _CLONE3 = (56, 220), 435
_SECCOMP = (317, 277)
_AUDIT_ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_MACHINES = (*_AUDIT_ARCH,)
_OTHER_ABI = 0x4000_0000
"""From here on the numbers of x32, which name the same calls again."""

_SET_MODE_FILTER = 1
_ALL_THREADS, _NO_SLOWER = 1, 4
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 0, 4, 16, 24
_LOAD, _IF_EQUAL, _IF_NOT_LESS, _IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _FAIL = 0x7FFF_0000, 0x0005_0000
_OF_THREADS = 0x0001_0000
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15

_Line = tuple[str, int, str, str, int]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_others() -> None:
    """From now on calls that signal, watch or change another process, or start one or a program,
    fail with EPERM; threads may be started. Where the system has no such filter everything stays as
    it was. The process must have given up new privileges (PR_SET_NO_NEW_PRIVS)."""
    machine = os.uname().machine
    if sys.platform != "linux" or machine not in _AUDIT_ARCH or sys.maxsize < 2**32:
        return
    code = _program(machine, os.getpid())
    program = _Program(len(code) // 8, code)
    ctypes.CDLL(None).syscall(
        ctypes.c_long(_SECCOMP[_MACHINES.index(machine)]),
        ctypes.c_long(_SET_MODE_FILTER),
        ctypes.c_long(_ALL_THREADS | _NO_SLOWER),
        ctypes.byref(program),
    )


def _program(machine: str, pid: int) -> bytes:
    lines = [*_lines(machine, pid)]
    places = {line[0]: place for place, line in enumerate(lines) if line[0]}

    def skipped(place: int, label: str) -> int:
        return places[label] - place - 1 if label else 0

    return b"".join(
        struct.pack("=HBBI", code, skipped(place, then), skipped(place, other), value)
        for place, (_, code, then, other, value) in enumerate(lines)
    )


def _lines(machine: str, pid: int) -> Iterator[_Line]:
    """Each with its label, and those of where to go on if its condition holds and if not: without
    one, at the next line."""
    column = _MACHINES.index(machine)
    yield "", _LOAD, "", "", _ARCH_AT
    yield "", _IF_EQUAL, "", "refuse", _AUDIT_ARCH[machine]
    yield "", _LOAD, "", "", _NUMBER_AT
    yield "", _IF_NOT_LESS, "refuse", "", _OTHER_ABI
    for number in (*(row[column] for row in _REFUSED.values()), *_FORKS[machine]):
        yield "", _IF_EQUAL, "refuse", "", number
    # Its arguments are in memory, where no filter looks: the C library does without it.
    yield "", _IF_EQUAL, "missing", "", _CLONE3
    yield "", _IF_EQUAL, "clone", "", _CLONE[column]
    yield "", _IF_EQUAL, "whose", "", _TGKILL[column]
    yield "", _IF_EQUAL, "whose", "", _PRLIMIT[column]
    yield "", _IF_EQUAL, "", "allow", _FCNTL[column]
    # Who is to be sent a signal when the pipe has room.
    yield "", _LOAD, "", "", _SECOND_ARGUMENT_AT
    yield "", _IF_EQUAL, "refuse", "", _F_SETOWN
    yield "", _IF_EQUAL, "refuse", "", _F_SETSIG
    yield "", _IF_EQUAL, "refuse", "allow", _F_SETOWN_EX
    yield "clone", _LOAD, "", "", _FIRST_ARGUMENT_AT
    yield "", _IF_SET, "allow", "refuse", _OF_THREADS
    # By tgkill a process aborts itself, by prlimit64 it sets its own limits.
    yield "whose", _LOAD, "", "", _FIRST_ARGUMENT_AT
    yield "", _IF_EQUAL, "allow", "", 0
    yield "", _IF_EQUAL, "allow", "refuse", pid
    yield "allow", _RETURN, "", "", _ALLOW
    yield "missing", _RETURN, "", "", _FAIL | errno.ENOSYS
    yield "refuse", _RETURN, "", "", _FAIL | errno.EPERM
