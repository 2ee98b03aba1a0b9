"""The limit on open files of this process, which a shell often sets far below what it may be."""

import contextlib
import resource

_SPARE = 200


def allow_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def most_sockets(wanted: int) -> int:
    """``wanted``, or as many as one process may open here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most - _SPARE)
