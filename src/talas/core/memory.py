"""Memory that the C library keeps for later."""

import contextlib
import ctypes

_M_ARENA_MAX = -8
_ARENAS = 2


def bound_arenas() -> None:
    """glibc gives nearly every thread an arena of its own and returns little of one to the system:
    what hashing, indexing and decoding in threads took once would stay with the process. To be
    called before there are threads; other C libraries have no such thing."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def return_freed_memory() -> None:
    """To the system, after work that took much of it once. Where the C library has no such call,
    nothing happens."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
