"""Files that are cheap to make again, on this machine's disk: bounded in bytes, the least recently
used going first.

All processes of a machine share it, without a server of its own. An entry is written as a draft,
locked (``flock(2)``) by who makes it, and renamed to its key when it is whole: a reader
finds all of it or nothing, one process at a time makes it, and what a killed maker leaves is
unlocked, so that the next one takes over. How many bytes there are is counted in a file; a walk
through all entries, made when they are too many, puts the count right again. When an entry was last
used is the time of its file.

Whoever empties or removes the folder by hand loses what was in it, and nothing else: it is made
again when it is next needed.
"""

import asyncio
import contextlib
import errno
import fcntl
import heapq
import os
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import msgspec

from talas.core.cache_files import Entry, make_private, remove_empty, walk
from talas.core.file_lock import FileLock, open_private
from talas.core.settings import SettingsError, StreamSettings
from talas.core.shared_count import SharedCount
from talas.core.storage import check_room, is_full

ENTRIES = "entries"
DRAFTS = ".incoming"
KEPT_SHARE = 0.9
"""Of the size: what is left after entries had to go, so that not each new one sends one away."""

TOUCH_EVERY_S = 60.0
_USAGE = "usage"
_EVICTING = "evicting.lock"


class CacheFull(Exception):
    """There is no room for it, whatever else goes."""


class Usage(msgspec.Struct, frozen=True):
    """``files`` are whole entries of ``bytes`` in all, below ``folders`` first parts of keys;
    ``drafts`` are being made and hold ``draft_bytes``. ``size`` is what all may have."""

    files: int
    bytes: int
    folders: int
    drafts: int
    draft_bytes: int
    size: int


class DiskCache:
    """Keys are relative paths, ``folder/…/name``. Every method may wait for the disk: those that
    look at more than one entry belong in a thread."""

    def __init__(self, root: Path, size: int) -> None:
        """``size`` in bytes. Raises SettingsError where ``root`` cannot be made or written to."""
        self.root = root
        self.size = size
        self._entries = root / ENTRIES
        self._drafts = root / DRAFTS
        self._tops = (self._entries, self._drafts)
        self._count = SharedCount(root / _USAGE, self._restore)
        try:
            self._make_folders()
        except OSError as error:
            raise SettingsError(
                f"CACHE_PATH: cannot keep files in {root} ({error.strerror}); "
                "name a folder that this user may write to"
            ) from None

    @classmethod
    def open(cls, settings: StreamSettings) -> "DiskCache":
        return cls(settings.cache_path, settings.cache_size)

    def _make_folders(self) -> None:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.root, self._entries, self._drafts):
            make_private(folder)
        self._count.create()

    def _restore(self) -> None:
        """Somebody has cleared the cache by hand, or only its count."""
        self._make_folders()
        self.recount()

    def find(self, key: str) -> Entry | None:
        """The entry, which counts as used now. One that cannot be reached is none."""
        path = self._entries / key
        try:
            found = path.stat()
        except OSError:
            return None
        if time.time() - found.st_mtime > TOUCH_EVERY_S:
            # It may just have gone, or the disk may only be read any more.
            with contextlib.suppress(OSError):
                os.utime(path)
        return Entry(path, found.st_size, found.st_mtime)

    def read(self, key: str) -> bytes | None:
        """The whole of a small entry, which counts as used now."""
        entry = self.find(key)
        try:
            return entry.path.read_bytes() if entry else None
        except OSError:
            return None

    def draft(self, key: str) -> "Draft | None":
        """The right to make this entry; None while another maker, of any process, has it. Raises
        OSError where the folder cannot be written to."""
        path = self.draft_path(key)
        if not self._drafts.exists():
            self._restore()
        while True:
            file = open_private(path)
            try:
                if not _lock(file):
                    file.close()
                    return None
                # It may have been published or given up between being opened and locked.
                if _is_at(file, path):
                    left_behind = os.fstat(file.fileno()).st_size
                    file.truncate(0)
                    self._count.add(-left_behind)
                    return Draft(self, key, path, file)
            except BaseException:
                file.close()
                raise
            file.close()

    def draft_path(self, key: str) -> Path:
        return self._drafts / blake2b(key.encode(), digest_size=20).hexdigest()

    def put(self, key: str, data: bytes) -> bool:
        """False where there is no room, or another maker is at it."""
        draft = self.draft(key)
        if draft is None:
            return False
        with draft:
            try:
                draft.append(data)
            except CacheFull:
                return False
            draft.publish()
        return True

    def forget(self, prefix: str) -> int:
        """Removes all entries below a folder; how many bytes they had. A draft that is being made
        stays its maker's."""
        folder = self._entries / prefix
        freed = sum(self._remove(entry) for entry in walk(folder))
        remove_empty(folder, self._tops)
        return freed

    def clear(self) -> int:
        """Removes every entry, and the drafts that nobody makes any more; how many bytes."""
        freed = sum(self._remove(entry) for entry in walk(self._entries))
        for folder in self.folders():
            remove_empty(self._entries / folder, self._tops)
        freed += self.clean()
        self.recount()
        return freed

    def clean(self) -> int:
        """Removes what makers left behind that were killed; how many bytes."""
        return sum(self._remove_abandoned(entry) for entry in walk(self._drafts))

    def folders(self) -> list[str]:
        """The first parts of all keys."""
        try:
            return [item.name for item in os.scandir(self._entries)]
        except FileNotFoundError:
            return []

    def usage(self) -> Usage:
        entries = list(walk(self._entries))
        # Beside a draft, under its name with an ending, may lie the lock of those who follow it.
        drafts = [draft for draft in walk(self._drafts) if not draft.path.suffix]
        return Usage(
            files=len(entries),
            bytes=sum(entry.size for entry in entries),
            folders=len(self.folders()),
            drafts=len(drafts),
            draft_bytes=sum(draft.size for draft in drafts),
            size=self.size,
        )

    def counted_bytes(self) -> int:
        """As far as is known without looking at the entries."""
        return self._count.value()

    def recount(self) -> int:
        """Looks at every entry and sets the count; the bytes that there are."""
        return self._count.settle(lambda: sum(entry.size for entry in self._everything()))

    def take_room(self, size: int) -> None:
        """Counts so many bytes more, and lets go of what was used least where the cache's size or
        the disk's reserve asks for it. Raises CacheFull where that does not help, OSError where
        the folder cannot be written to."""
        # Before it is counted: evicting sets the count to what lies on the disk.
        if self._count.value() + size > self.size:
            self._evict(int(self.size * KEPT_SHARE) - size)
        if not self._has_room():
            self._evict(self._count.value() // 2)
            if not self._has_room():
                raise CacheFull
        # A draft's bytes cannot go. Nor can those that another process is letting go of now.
        if self._count.add(size) > self.size and self._only_drafts_left():
            self._count.add(-size)
            raise CacheFull

    def check(self) -> None:
        """Raises CacheFull where there is no room for any more, OSError where drafts cannot be
        made."""
        self.take_room(0)
        if not self._drafts.exists():
            self._restore()
        if not os.access(self._drafts, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self._drafts))

    def give_back(self, size: int) -> None:
        self._count.add(-size)

    def place(self, key: str, draft: Path) -> Path:
        """Renames a whole draft to its key. Raises FileNotFoundError where the draft has gone."""
        path = self._entries / key
        for _ in range(10):
            if not self._entries.exists():
                self._make_folders()
            path.parent.mkdir(parents=True, exist_ok=True)
            replaced = path.stat().st_size if path.exists() else 0
            # Another process may remove the folder, which was empty, at this very moment.
            with contextlib.suppress(FileNotFoundError):
                draft.replace(path)
                self._count.add(-replaced)
                return path
        raise FileNotFoundError(path)

    def _has_room(self) -> bool:
        try:
            check_room(self.root)
        except OSError as error:
            if is_full(error):
                return False
            raise
        return True

    def _evict(self, most: int) -> None:
        """Removes what was used least until ``most`` bytes are left. One process does it at a
        time, and what makes entries meanwhile does not wait for it."""
        lock = FileLock(self.root / _EVICTING)
        try:
            if lock.try_exclusive():
                self._count.settle(lambda: self._shrink(most))
        finally:
            lock.release()

    def _shrink(self, most: int) -> int:
        entries = [(entry.used_at, str(entry.path), entry) for entry in walk(self._entries)]
        left = sum(entry.size for _, _, entry in entries)
        left += sum(draft.size for draft in walk(self._drafts))
        heapq.heapify(entries)
        while entries and left > most:
            entry = heapq.heappop(entries)[2]
            with contextlib.suppress(FileNotFoundError):
                entry.path.unlink()
            left -= entry.size
            remove_empty(entry.path.parent, self._tops)
        return left

    def _only_drafts_left(self) -> bool:
        return next(walk(self._entries), None) is None

    def _everything(self) -> Iterator[Entry]:
        yield from walk(self._entries)
        yield from walk(self._drafts)

    def _remove(self, entry: Entry) -> int:
        with contextlib.suppress(FileNotFoundError):
            entry.path.unlink()
            self._count.add(-entry.size)
            remove_empty(entry.path.parent, self._tops)
            return entry.size
        return 0

    def _remove_abandoned(self, draft: Entry) -> int:
        with contextlib.suppress(FileNotFoundError), draft.path.open("rb") as file:
            if _lock(file) and _is_at(file, draft.path):
                return self._remove(draft)
        return 0


class Draft:
    """An entry that its one maker writes. It is counted as it grows; what is not published when the
    block ends is gone."""

    def __init__(self, cache: DiskCache, key: str, path: Path, file: BinaryIO) -> None:
        self.key = key
        self.path = path
        self.size = 0
        self._cache = cache
        self._file = file

    def __enter__(self) -> "Draft":
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def append(self, data: bytes) -> None:
        """Raises CacheFull."""
        self._cache.take_room(len(data))
        self.size += len(data)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._file.fileno(), view) :]
        except OSError as error:
            if is_full(error):
                raise CacheFull from error
            raise

    def publish(self) -> Path:
        """Where it lies from now on. Whoever reads the draft keeps what they have open."""
        # A name must not outlive a power cut that its bytes do not.
        os.fdatasync(self._file.fileno())
        path = self._cache.place(self.key, self.path)
        self._file.close()
        return path

    def discard(self) -> None:
        """Nothing happens to what was published or discarded already."""
        if self._file.closed:
            return
        # Who could not use the folder has been told already.
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            self._cache.give_back(self.size)
        # Closing unlocks. Who waited for that finds that the name is gone.
        self._file.close()


async def take_draft(cache: DiskCache, key: str) -> Draft | None:
    """``DiskCache.draft`` in a thread; who is cancelled meanwhile holds nothing up."""
    work = asyncio.ensure_future(asyncio.to_thread(cache.draft, key))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        draft = None if work.exception() else work.result()
        if draft is not None:
            draft.discard()
        raise


def _lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
