"""Objects under server-made keys: on the local disk, or in S3, GCS or Azure, through obstore."""

import asyncio
import errno
import os
from collections.abc import AsyncIterable, AsyncIterator
from pathlib import Path

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from talas.core.errors import StorageFull
from talas.core.settings import FileSettings

CHUNK = 1024 * 1024


class ObjectMissing(Exception):
    """No object has this key."""


class Storage:
    """``local_path`` tells where an object lies on this machine's disk, if it does."""

    def __init__(self, store: ObjectStore, root: Path | None) -> None:
        self._store = store
        self._root = root

    @classmethod
    def open(cls, settings: FileSettings) -> "Storage":
        if settings.storage_url:
            return cls(from_url(settings.storage_url), None)
        settings.upload_path.mkdir(parents=True, exist_ok=True)
        return cls(LocalStore(settings.upload_path), settings.upload_path)

    def local_path(self, key: str) -> Path | None:
        return self._root / key if self._root else None

    async def put(self, key: str, data: bytes) -> None:
        await self.put_stream(key, _once(data))

    async def put_stream(self, key: str, chunks: AsyncIterable[bytes]) -> None:
        """The object exists whole and durable when this returns, and not at all if it raises."""
        try:
            await obstore.put_async(self._store, key, chunks, chunk_size=5 * CHUNK)
            if self._root:
                await asyncio.to_thread(_make_durable, self._root, key)
        except Exception as error:
            if _is_full(error):
                raise StorageFull("There is no room left for this file") from error
            raise

    async def size(self, key: str) -> int:
        try:
            meta = await obstore.head_async(self._store, key)
        except FileNotFoundError as error:
            raise ObjectMissing(key) from error
        return int(meta["size"])

    async def read(self, key: str) -> bytes:
        try:
            answer = await obstore.get_async(self._store, key)
            return bytes(await answer.bytes_async())
        except FileNotFoundError as error:
            raise ObjectMissing(key) from error

    async def read_range(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Bytes ``start`` up to but not including ``end``, in chunks; never held whole."""
        for position in range(start, end, CHUNK):
            until = min(end, position + CHUNK)
            part = await obstore.get_range_async(self._store, key, start=position, end=until)
            yield bytes(part)

    async def delete(self, key: str) -> None:
        """Deleting what is not there is no error."""
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return

    async def delete_under(self, prefix: str) -> None:
        async for batch in obstore.list(self._store, prefix=prefix):
            await obstore.delete_async(self._store, [item["path"] for item in batch])
        if self._root:
            await asyncio.to_thread(_remove_empty_folder, self._root / prefix)

    async def list_under(self, prefix: str) -> AsyncIterator[tuple[str, float]]:
        """Keys, and when each was last changed in seconds since 1970."""
        async for batch in obstore.list(self._store, prefix=prefix):
            for item in batch:
                yield item["path"], item["last_modified"].timestamp()

    async def ping(self) -> None:
        """Raises when objects cannot be written or read."""
        if self._root:
            await asyncio.to_thread(_check_folder, self._root)
        else:
            async for _ in obstore.list(self._store, prefix="ping", chunk_size=1):
                break


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _make_durable(root: Path, key: str) -> None:
    """fsync of the object and of the folders that name it, up to the root."""
    path = root / key
    for entry in (path, *path.parents):
        descriptor = os.open(entry, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if entry == root:
            return


def _remove_empty_folder(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _check_folder(root: Path) -> None:
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "cannot write", str(root))


def _is_full(error: Exception) -> bool:
    text = str(error)
    return "No space left" in text or "StorageFull" in text or "QuotaExceeded" in text
