"""From a body to a stored object: looked at, hashed and counted while it streams."""

import contextlib
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Generic, Protocol, TypeVar

from talas.core.errors import InvalidData, TooLarge
from talas.core.http.multipart import FormReader
from talas.core.objects import ORIGINAL, new_folder
from talas.core.storage import Storage

KindT = TypeVar("KindT")
KindT_co = TypeVar("KindT_co", covariant=True)
Change = Callable[[AsyncIterable[bytes]], AsyncIterable[bytes]]


class Inspector(Protocol[KindT_co]):
    """Learns from the bytes of one file what it is. ``filename`` is the name that it keeps.

    Each method raises UnsupportedMedia or InvalidData for a file that must not come in.
    """

    filename: str
    head_bytes: int

    def begin(self, head: bytes) -> None:
        """Before anything is stored: the first ``head_bytes`` or more, or the whole file."""

    def take(self, chunk: bytes) -> None:
        """Every chunk, from the first."""

    def finish(self) -> KindT_co:
        """All has been taken; the object is not there yet."""


def as_sent(chunks: AsyncIterable[bytes]) -> AsyncIterable[bytes]:
    return chunks


class Upload(Generic[KindT]):
    """A file that is in storage and belongs to no row yet. ``size`` in bytes, ``content_hash``
    SHA-256. Unless ``keep`` is called it is removed when the block that received it ends."""

    def __init__(
        self, storage_key: str, filename: str, kind: KindT, size: int, content_hash: bytes
    ) -> None:
        self.storage_key = storage_key
        self.filename = filename
        self.kind = kind
        self.size = size
        self.content_hash = content_hash
        self.kept = False

    def keep(self) -> None:
        """From here on the transaction decides. Whether a commit whose answer was lost took
        place nobody knows: then the object stays, and cleaning finds out."""
        self.kept = True


class Form(Generic[KindT]):
    """The fields of a form, each with all its values, and the file."""

    def __init__(self, fields: dict[str, list[str]], upload: Upload[KindT]) -> None:
        self.fields = fields
        self.upload = upload


@contextlib.asynccontextmanager
async def received(
    reader: FormReader,
    storage: Storage,
    *,
    folder: str,
    max_size: int,
    inspect: Callable[[str], Inspector[KindT]],
    change: Change = as_sent,
) -> AsyncIterator[Form[KindT]]:
    """Reads the form to its end, the file in its field ``file`` straight into storage.

    ``inspect`` is given the file's name as sent. What ``change`` makes of the bytes is looked at,
    counted and stored.
    """
    fields: dict[str, list[str]] = {}
    upload: Upload[KindT] | None = None
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(reader.close)
        async for part in reader.parts():
            if part.name != "file":
                if part.filename is not None:
                    raise InvalidData("The file must be in the field 'file'")
                fields.setdefault(part.name, []).append(await part.text())
                continue
            if upload is not None:
                raise InvalidData("There must be one file; send several one by one")
            inspector = inspect(part.filename or "")
            chunks = change(part.chunks())
            storing = stored(chunks, storage, inspector, folder=folder, max_size=max_size)
            upload = await stack.enter_async_context(storing)
        if upload is None:
            raise InvalidData("The file is missing: it must be in the field 'file'")
        yield Form(fields, upload)


@contextlib.asynccontextmanager
async def stored(
    chunks: AsyncIterable[bytes],
    storage: Storage,
    inspector: Inspector[KindT],
    *,
    folder: str,
    max_size: int,
) -> AsyncIterator[Upload[KindT]]:
    """Raises InvalidData for an empty file, TooLarge as soon as it is, and what ``inspector``
    raises: nothing of the file stays then."""
    incoming = _Incoming(chunks, inspector, max_size)
    await incoming.look()
    own_folder = new_folder(folder)
    key = f"{own_folder}/{ORIGINAL}"
    upload: Upload[KindT] | None = None
    try:
        await storage.put_stream(key, incoming.stream())
        upload = Upload(
            key, inspector.filename, incoming.kind, incoming.size, incoming.hash.digest()
        )
        yield upload
    finally:
        if upload is not None and not upload.kept:
            await storage.delete_under(own_folder)


class _Incoming(Generic[KindT]):
    """``kind`` is known once the stream has ended."""

    kind: KindT

    def __init__(
        self, chunks: AsyncIterable[bytes], inspector: Inspector[KindT], max_size: int
    ) -> None:
        self._chunks = aiter(chunks)
        self._inspector = inspector
        self._max_size = max_size
        self._head: list[bytes] = []
        self.size = 0
        self.hash = hashlib.sha256()

    async def look(self) -> None:
        while self.size < self._inspector.head_bytes and (chunk := await self._next()) is not None:
            self._head.append(chunk)
        if not self.size:
            raise InvalidData("The file is empty")
        self._inspector.begin(b"".join(self._head))

    async def stream(self) -> AsyncIterator[bytes]:
        while self._head:
            yield self._taken(self._head.pop(0))
        while (chunk := await self._next()) is not None:
            yield self._taken(chunk)
        self.kind = self._inspector.finish()

    def _taken(self, chunk: bytes) -> bytes:
        self._inspector.take(chunk)
        return chunk

    async def _next(self) -> bytes | None:
        chunk = await anext(self._chunks, None)
        if chunk is not None:
            self.size += len(chunk)
            if self.size > self._max_size:
                raise TooLarge(f"The file must be at most {self._max_size} bytes")
            self.hash.update(chunk)
        return chunk
