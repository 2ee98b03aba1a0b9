"""Memory that the C library keeps for later."""

import contextlib
import ctypes


def return_freed_memory() -> None:
    """To the system, after work that took much of it once. Where the C library has no such call,
    nothing happens."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
