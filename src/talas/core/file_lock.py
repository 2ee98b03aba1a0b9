"""A lock between processes that ends with its holder, however that one ends."""

import fcntl
from pathlib import Path


class FileLock:
    """``flock(2)`` on ``path``, which is made when missing and stays. Not for threads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")

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
