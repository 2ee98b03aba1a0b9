"""A number that the processes of a machine change together, kept in a file."""

import contextlib
import fcntl
import io
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from talas.core.file_lock import open_private

_NUMBER = struct.Struct("<q")


class SharedCount:
    """Never below 0. A file that is not whole counts as 0."""

    def __init__(self, path: Path, restore: Callable[[], None]) -> None:
        """``restore`` is called where the file has gone; it calls ``create``, which makes it."""
        self._path = path
        self._restore = restore

    def create(self) -> None:
        open_private(self._path).close()

    def value(self) -> int:
        return self.add(0)

    def add(self, change: int) -> int:
        """What it is afterwards."""
        with self._held() as (descriptor, counted):
            value = max(0, counted + change)
            if change:
                os.pwrite(descriptor, _NUMBER.pack(value), 0)
        return value

    def settle(self, measure: Callable[[], int]) -> int:
        """Sets it to what ``measure`` finds and what was added while that looked; what it is
        then. Of that some may have been looked at too: better too much than too little."""
        before = self.value()
        found = measure()
        with self._held() as (descriptor, counted):
            value = found + max(0, counted - before)
            os.pwrite(descriptor, _NUMBER.pack(value), 0)
        return value

    @contextlib.contextmanager
    def _held(self) -> Iterator[tuple[int, int]]:
        """The open file and the number, which nobody else changes within the block. Opened each
        time, since a lock is one of the open file, which threads would share."""
        with self._open() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            raw = os.pread(file.fileno(), _NUMBER.size, 0)
            yield file.fileno(), _NUMBER.unpack(raw)[0] if len(raw) == _NUMBER.size else 0

    def _open(self) -> io.FileIO:
        try:
            return self._path.open("r+b", buffering=0)
        except FileNotFoundError:
            self._restore()
            return self._path.open("r+b", buffering=0)
