"""What a subprocess may ask of Linux, less what reaches other processes or starts a program.

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

_REFUSED = {
    # name: number on x86_64, on aarch64
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
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
_TGKILL = (234, 131)
_SECCOMP = (317, 277)
_AUDIT_ARCH = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_MACHINES = (*_AUDIT_ARCH,)
_OTHER_ABI = 0x4000_0000
"""From here on the numbers of x32, which name the same calls again."""

_SET_MODE_FILTER = 1
_ALL_THREADS, _NO_SLOWER = 1, 4
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_LOAD, _IF_EQUAL, _IF_NOT_LESS, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF_0000, 0x0005_0000 | errno.EPERM


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def refuse_others() -> None:
    """From now on calls that signal, watch or change another process, or start a program, fail
    with EPERM. Where the system has no such filter everything stays as it was. The process must
    have given up new privileges (PR_SET_NO_NEW_PRIVS)."""
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
    column = _MACHINES.index(machine)
    numbers = [row[column] for row in _REFUSED.values()]
    # Each jump skips so many instructions where its condition holds, so many where it does not.
    # The end: tgkill, by which a process aborts itself, of this process alone.
    end = [
        (_IF_EQUAL, 0, 2, _TGKILL[column]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT_AT),
        (_IF_EQUAL, 0, 1, pid),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    refusal = len(numbers) + len(end)
    lines = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_IF_EQUAL, 0, refusal + 1, _AUDIT_ARCH[machine]),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_NOT_LESS, refusal - 1, 0, _OTHER_ABI),
        *((_IF_EQUAL, refusal - 2 - place, 0, number) for place, number in enumerate(numbers)),
        *end,
    ]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
