"""Objects under server-made keys: on the local disk, or in S3, GCS or Azure, through obstore.

On the disk an object is written under ``.incoming``, made durable, and only then renamed to its
key: a reader finds it whole or not at all, and what a crash leaves has a place of its own. The
last of the disk is never taken: a database beside the files needs it, even to delete one.
"""

import asyncio
import contextlib
import datetime as dt
import errno
import os
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import TypeGuard, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from talas.core.errors import StorageFull
from talas.core.settings import FileSettings, SettingsError

CHUNK = 1024 * 1024
READ_CHUNK = 256 * 1024
PART = 5 * 1024 * 1024
INCOMING = ".incoming"
_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
_RESERVE = 512 * 1024 * 1024
_RESERVED_SHARE = 0.02
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

AnswerT = TypeVar("AnswerT")


class ObjectMissing(Exception):
    """No object has this key."""


class ObjectInfo(msgspec.Struct, frozen=True):
    """``size`` in bytes, ``changed_at`` in seconds since 1970."""

    key: str
    size: int
    changed_at: float


class Storage:
    """``local_path`` tells where an object lies on this machine's disk, if it does."""

    def __init__(self, store: ObjectStore, root: Path | None) -> None:
        self._store = store
        self._root = root

    @classmethod
    def open(cls, settings: FileSettings) -> "Storage":
        """``STORAGE_URL`` where it is set (``s3://bucket/prefix``, ``gs://``, ``az://``,
        ``file:///folder``), else the folder ``UPLOAD_PATH``."""
        url = settings.storage_url
        if _is_remote(url):
            return cls(from_url(url), None)
        if url:
            return cls.in_folder(Path(unquote(urlsplit(url).path)), variable="STORAGE_URL")
        return cls.in_folder(settings.upload_path)

    @classmethod
    def open_docs(cls, settings: FileSettings) -> "Storage":
        """Where the house's documents are kept: in the folder ``INTERNAL_DOCS_PATH``, or with all
        else where ``STORAGE_URL`` names a remote store."""
        if _is_remote(settings.storage_url):
            return cls.open(settings)
        return cls.in_folder(settings.internal_docs_path, variable="INTERNAL_DOCS_PATH")

    @classmethod
    def in_folder(cls, root: Path, *, variable: str = "UPLOAD_PATH") -> "Storage":
        """A folder that is not there yet is made, and for nobody but this user to look into.

        Raises SettingsError that names the ``variable`` where that cannot be.
        """
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            root.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"{variable}: cannot keep files in {root} ({error.strerror}); "
                "name a folder that this user may write to"
            ) from None
        return cls(LocalStore(root), root)

    def local_path(self, key: str) -> Path | None:
        return self._root / key if self._root else None

    async def put(self, key: str, data: bytes) -> None:
        await self.put_stream(key, _once(data))

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """The object exists whole and durable when this returns, and not at all if it raises.

        Raises StorageFull, and whatever ``chunks`` raises.
        """
        try:
            if self._root:
                await _put_local(self._root, key, chunks)
            else:
                await obstore.put_async(
                    self._store, key, chunks, use_multipart=True, chunk_size=PART, max_concurrency=2
                )
        except Exception as error:
            if is_full(error):
                raise StorageFull("There is no room left for this file") from error
            raise

    async def size(self, key: str) -> int:
        """Raises ObjectMissing."""
        try:
            meta = await obstore.head_async(self._store, key)
        except FileNotFoundError as error:
            raise ObjectMissing(key) from error
        return int(meta["size"])

    async def read(self, key: str) -> bytes:
        """The whole of a small object. Raises ObjectMissing."""
        try:
            answer = await obstore.get_async(self._store, key)
            return bytes(await answer.bytes_async())
        except FileNotFoundError as error:
            raise ObjectMissing(key) from error

    async def read_range(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Bytes ``start`` up to but not including ``end``, in chunks; never held whole.

        Raises ObjectMissing before the first chunk, EOFError where the object is shorter.
        """
        path = self.local_path(key)
        chunks = read_file(path, start, end) if path else self._read_remote(key, start, end)
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    async def download(self, key: str, target: Path) -> None:
        """A copy of the object as a local file. Raises ObjectMissing."""
        size = await self.size(key)
        with target.open("wb") as file:
            async for chunk in self.read_range(key, 0, size):
                await asyncio.to_thread(file.write, chunk)

    async def delete(self, key: str) -> None:
        """Deleting what is not there is no error."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return

    async def delete_under(self, folder: str) -> None:
        """Every object whose key begins with ``folder/``, and the folder; never one that holds the
        folders of others."""
        if "/" not in folder.strip("/"):
            raise ValueError(f"{folder!r} is not the folder of one thing")
        if self._root:
            await asyncio.to_thread(_remove_folder, self._root / folder)
            return
        async for batch in obstore.list(self._store, prefix=folder):
            await obstore.delete_async(self._store, [item["path"] for item in batch])

    async def list_under(self, folder: str) -> AsyncGenerator[ObjectInfo, None]:
        async for batch in obstore.list(self._store, prefix=folder):
            for item in batch:
                yield ObjectInfo(item["path"], item["size"], item["last_modified"].timestamp())

    async def clean_incoming(self, older_than: dt.timedelta) -> int:
        """Removes what crashes left half-written; how many files that were. An upload under way
        changes its file all the time, so its age tells it apart."""
        if self._root is None:
            return 0
        return await asyncio.to_thread(_clean_folder, self._root / INCOMING, older_than)

    async def ping(self) -> None:
        """Raises when objects cannot be written or read."""
        if self._root:
            await asyncio.to_thread(_check_folder, self._root)
        else:
            async for _ in obstore.list(self._store, prefix="ping", chunk_size=1):
                break

    async def _read_remote(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        if start >= end:
            return
        try:
            answer = await obstore.get_async(self._store, key, options={"range": (start, end)})
        except FileNotFoundError as error:
            raise ObjectMissing(key) from error
        missing = end - start
        async for chunk in answer.stream(min_chunk_size=READ_CHUNK):
            data = bytes(chunk)
            missing -= len(data)
            yield data
        if missing:
            raise EOFError(f"{key} is {missing} bytes shorter than expected")


def _is_remote(url: str | None) -> TypeGuard[str]:
    return url is not None and not url.startswith("file:")


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def in_thread(function: Callable[..., AnswerT], *args: object) -> AnswerT:
    """As asyncio.to_thread, but a cancellation waits: nobody may close a descriptor, whose number
    another file could get, while a thread still uses it."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *args))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise


async def _put_local(root: Path, key: str, chunks: AsyncIterable[bytes]) -> None:
    draft = root / INCOMING / secrets.token_hex(12)
    check_room(root)
    # What a thread returns is lost to who was cancelled meanwhile; this is not.
    opened: list[int] = []
    try:
        try:
            await in_thread(_create, draft, opened)
            async for block in _blocks(chunks):
                check_room(root)
                await in_thread(_write_all, opened[0], block)
            await in_thread(os.fsync, opened[0])
        finally:
            for descriptor in opened:
                os.close(descriptor)
        await in_thread(_publish, draft, root, key)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def check_room(root: Path) -> None:
    """Raises OSError where less is free than must stay free: 512 MiB or 2 % of the disk, whichever
    is more, but half of a small disk may be used."""
    disk = os.statvfs(root)
    size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
    if free < min(max(_RESERVE, size * _RESERVED_SHARE), size / 2):
        raise OSError(errno.ENOSPC, "the rest of the disk is kept free", str(root))


async def _blocks(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of about a mebibyte, so that a thread is worth its trip."""
    waiting: list[bytes] = []
    size = 0
    async for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)


async def read_file(path: Path, start: int, end: int) -> AsyncGenerator[bytes, None]:
    """As ``Storage.read_range``, of a file on this machine's disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ObjectMissing(path.name) from error
    try:
        while start < end:
            chunk = await read_at(descriptor, min(READ_CHUNK, end - start), start)
            if not chunk:
                raise EOFError(f"{path.name} ends at byte {start}, not at {end}")
            start += len(chunk)
            yield chunk
    finally:
        os.close(descriptor)


async def read_at(descriptor: int, size: int, start: int) -> bytes:
    """Up to ``size`` bytes, of at most READ_CHUNK, from ``start`` on; empty at the file's end."""
    chunk = _read_cached(descriptor, size, start)
    return await in_thread(os.pread, descriptor, size, start) if chunk is None else chunk


# Written and read between two awaits, by the event loop's thread alone.
_desk = memoryview(bytearray(READ_CHUNK))


def _read_cached(descriptor: int, size: int, start: int) -> bytes | None:
    """What the system has in memory, without the trip to a thread; None when it would wait for
    the disk, or cannot tell."""
    if _NOWAIT is None:
        return None
    try:
        got = os.preadv(descriptor, [_desk[:size]], start, _NOWAIT)
    except OSError:
        return None
    return bytes(_desk[:got])


def _create(draft: Path, opened: list[int]) -> None:
    draft.parent.mkdir(parents=True, exist_ok=True)
    opened.append(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view) :]


def _publish(draft: Path, root: Path, key: str) -> None:
    """Renames, and makes durable the folders that name the object, up to the root."""
    path = root / key
    path.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(path)
    for folder in path.parents:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if folder == root:
            return


def _remove_folder(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def _clean_folder(folder: Path, older_than: dt.timedelta) -> int:
    floor = time.time() - older_than.total_seconds()
    old = [path for path in folder.glob("*") if path.stat().st_mtime < floor]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _check_folder(root: Path) -> None:
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "cannot write", str(root))


def is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    text = str(error)
    return "No space left" in text or "StorageFull" in text or "QuotaExceeded" in text
