"""A folder of music brought in, by the same rules as an upload."""

import asyncio
import enum
import hashlib
import os
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from talas.audio.sniff import HEAD_BYTES, sniff
from talas.core.database import Database
from talas.core.errors import TalasError
from talas.core.storage import Storage
from talas.core.uploads import stored
from talas.domains.tracks import service, sql
from talas.domains.tracks.objects import FOLDER
from talas.domains.tracks.schemas import NewTrack
from talas.domains.tracks.uploads import AudioInspector

_CHUNK = 1024 * 1024


class Fate(enum.Enum):
    IMPORTED = enum.auto()
    KNOWN = enum.auto()
    NOT_AUDIO = enum.auto()
    FAILED = enum.auto()


class Outcome(msgspec.Struct, frozen=True):
    """``reason`` says why it failed; ``track_id`` is set for what was imported."""

    path: str
    fate: Fate
    reason: str = ""
    track_id: int | None = None


class Importer:
    """Brings files in for one user. A dry run says what would become of them."""

    def __init__(
        self,
        db: Database,
        storage: Storage,
        *,
        user_id: int,
        username: str,
        visibility: str,
        max_size: int,
        dry_run: bool,
    ) -> None:
        self._db = db
        self._storage = storage
        self._user_id = user_id
        self._username = username
        self._visibility = visibility
        self._max_size = max_size
        self._dry_run = dry_run
        self._seen: set[bytes] = set()

    async def take(self, path: str) -> Outcome:
        """Never raises for what is wrong with a file."""
        try:
            return await self._take(path)
        except OSError as error:
            return Outcome(path, Fate.FAILED, error.strerror or str(error))
        except TalasError as error:
            return Outcome(path, Fate.FAILED, error.message)

    async def _take(self, path: str) -> Outcome:
        if not await asyncio.to_thread(_looks_like_audio, path):
            return Outcome(path, Fate.NOT_AUDIO)
        content_hash, size = await asyncio.to_thread(_digest, path)
        if await self._is_known(content_hash):
            return Outcome(path, Fate.KNOWN)
        self._seen.add(content_hash)
        if size > self._max_size:
            limit = f"MAX_TRACK_SIZE is {self._max_size} bytes, the file has {size}"
            return Outcome(path, Fate.FAILED, limit)
        if self._dry_run:
            return Outcome(path, Fate.IMPORTED)
        return Outcome(path, Fate.IMPORTED, track_id=await self._import(path))

    async def _is_known(self, content_hash: bytes) -> bool:
        if content_hash in self._seen:
            return True
        async with self._db.connection() as conn:
            return await sql.select_content_known(
                conn, user_id=self._user_id, content_hash=content_hash
            )

    async def _import(self, path: str) -> int:
        storing = stored(
            _chunks(path),
            self._storage,
            AudioInspector(Path(path).name),
            folder=FOLDER,
            max_size=self._max_size,
        )
        async with storing as upload, self._db.transaction() as conn:
            track = await service.create_track(
                conn,
                upload,
                NewTrack(visibility=self._visibility),
                user_id=self._user_id,
                username=self._username,
                artist_from_file=True,
            )
        return track.id


def find_files(folder: Path) -> Iterator[str | Outcome]:
    """Every regular file below, in the order of names; what cannot be entered as an Outcome.

    Symbolic links are followed, each folder entered once, so that loops end.
    """
    problems: list[Outcome] = []

    def note(error: OSError) -> None:
        reason = error.strerror or str(error)
        problems.append(Outcome(str(error.filename), Fate.FAILED, reason))

    entered: set[tuple[int, int]] = set()
    for parent, folders, names in os.walk(folder, onerror=note, followlinks=True):
        here = os.stat(parent)
        if (here.st_dev, here.st_ino) in entered:
            folders.clear()
            continue
        entered.add((here.st_dev, here.st_ino))
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            if _is_file(path):
                yield path
        yield from problems
        problems.clear()
    yield from problems


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        # A link to nothing is no file.
        return False


def _looks_like_audio(path: str) -> bool:
    with open(path, "rb") as file:
        return sniff(file.read(HEAD_BYTES)) is not None


def _digest(path: str) -> tuple[bytes, int]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        return digest, file.tell()


async def _chunks(path: str) -> AsyncIterator[bytes]:
    with open(path, "rb") as file:  # noqa: ASYNC230 (opening is quick, reading is elsewhere)
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk
