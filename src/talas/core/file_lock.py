"""A lock between processes that ends with its holder, however that one ends."""

import fcntl
import os
from pathlib import Path
from typing import BinaryIO


class FileLock:
    """``flock(2)`` on ``path``, which is made when missing and stays. Not for threads.

    The file belongs to whom its folder belongs to, also when root came first.
    """

    def __init__(self, path: Path) -> None:
        self._file = open_private(path)

    def exclusive(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def shared(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Unlocks by name: a forked child may hold the same open file."""
        if not self._file.closed:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._file.close()


def open_private(path: Path) -> BinaryIO:
    """Opens for appending; a new file is for its owner alone, who is the owner of its folder."""
    opened = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(opened, owner.st_uid, owner.st_gid)
    return os.fdopen(opened, "ab")
