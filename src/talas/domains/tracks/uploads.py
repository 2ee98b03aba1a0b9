"""From a body to a stored file: looked at, hashed and counted while it streams."""

import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterable, AsyncIterator

from talas.audio.containers import Container
from talas.audio.sniff import HEAD_BYTES, sniff
from talas.core.errors import InvalidData, TooLarge, UnsupportedMedia
from talas.core.http.multipart import FormReader
from talas.core.storage import Storage
from talas.domains.tracks.objects import FOLDER, ORIGINAL

MAX_FILENAME = 255


class Upload:
    """A file that is in storage and belongs to no track yet. ``size`` in bytes, ``content_hash``
    SHA-256. Unless ``keep`` is called it is removed when the block that received it ends."""

    def __init__(
        self, storage_key: str, filename: str, container: Container, size: int, content_hash: bytes
    ) -> None:
        self.storage_key = storage_key
        self.filename = filename
        self.container = container
        self.size = size
        self.content_hash = content_hash
        self.kept = False

    def keep(self) -> None:
        """From here on the transaction decides. Whether a commit whose answer was lost took
        place nobody knows: then the object stays, and cleaning finds out."""
        self.kept = True


class Form:
    """The fields of a track form, each with all its values, and the file."""

    def __init__(self, fields: dict[str, list[str]], upload: Upload) -> None:
        self.fields = fields
        self.upload = upload


@contextlib.asynccontextmanager
async def received(reader: FormReader, storage: Storage, *, max_size: int) -> AsyncIterator[Form]:
    """Reads the form to its end, the file straight into storage."""
    fields: dict[str, list[str]] = {}
    upload: Upload | None = None
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
            filename = clean_filename(part.filename or "")
            storing = stored(part.chunks(), storage, filename=filename, max_size=max_size)
            upload = await stack.enter_async_context(storing)
        if upload is None:
            raise InvalidData("The file is missing: it must be in the field 'file'")
        yield Form(fields, upload)


@contextlib.asynccontextmanager
async def stored(
    chunks: AsyncIterable[bytes], storage: Storage, *, filename: str, max_size: int
) -> AsyncIterator[Upload]:
    """Raises InvalidData for an empty file, UnsupportedMedia for one that is no audio (nothing of
    it is written then), TooLarge as soon as it is."""
    incoming = _Incoming(chunks, max_size)
    container = await incoming.look()
    folder = f"{FOLDER}/{secrets.token_hex(16)}"
    upload: Upload | None = None
    try:
        await storage.put_stream(f"{folder}/{ORIGINAL}", incoming.stream())
        upload = Upload(
            f"{folder}/{ORIGINAL}", filename, container, incoming.size, incoming.hash.digest()
        )
        yield upload
    finally:
        if upload is not None and not upload.kept:
            await storage.delete_under(folder)


class _Incoming:
    def __init__(self, chunks: AsyncIterable[bytes], max_size: int) -> None:
        self._chunks = aiter(chunks)
        self._max_size = max_size
        self._head: list[bytes] = []
        self.size = 0
        self.hash = hashlib.sha256()

    async def look(self) -> Container:
        """What the first bytes are."""
        while self.size < HEAD_BYTES and (chunk := await self._next()) is not None:
            self._head.append(chunk)
        if not self.size:
            raise InvalidData("The file is empty")
        container = sniff(b"".join(self._head))
        if container is None:
            raise UnsupportedMedia(
                "The file is not audio in a format that is accepted: "
                "MP3, AAC, M4A, FLAC, WAV, AIFF, Ogg Vorbis or Opus"
            )
        return container

    async def stream(self) -> AsyncIterator[bytes]:
        while self._head:
            yield self._head.pop(0)
        while (chunk := await self._next()) is not None:
            yield chunk

    async def _next(self) -> bytes | None:
        chunk = await anext(self._chunks, None)
        if chunk is not None:
            self.size += len(chunk)
            if self.size > self._max_size:
                raise TooLarge(f"The file must be at most {self._max_size} bytes")
            self.hash.update(chunk)
        return chunk


def clean_filename(name: str) -> str:
    """The last part of a path of any system, on one line, at most 255 characters."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in name if c.isprintable() and not "\ud800" <= c <= "\udfff")
    return " ".join(name.split())[:MAX_FILENAME]
