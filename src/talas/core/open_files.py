"""How many files and sockets a process may have open."""

import contextlib
import resource


def allow_many_sockets() -> None:
    """Raises the soft limit, which in a shell is often 1,024, to the hard one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
