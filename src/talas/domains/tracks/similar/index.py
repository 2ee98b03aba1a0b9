"""How all tracks sound, in the memory of an api process: read when it is first asked for, and
followed from then on."""

import asyncio
import datetime as dt
import time
from collections.abc import Iterable
from typing import Protocol

from talas.core.database import Database
from talas.core.storage import in_thread
from talas.domains.tracks.similar import sql
from talas.domains.tracks.similar.sql import FeaturesRow, PackedRow
from talas.domains.tracks.sql import select_now

FOLLOW_EVERY_S = 1.0
# A row carries the time at which its transaction began; none stays open for longer.
OVERLAP = dt.timedelta(seconds=90)
_AT_ONCE = 50_000


class _Matrix(Protocol):
    """As talas.domains.tracks.similar.matrix.Matrix."""

    def with_rows(self, packed_ids: bytes, packed_vectors: bytes) -> "_Matrix": ...

    def without(self, packed_ids: bytes) -> "_Matrix": ...

    def nearest(self, vector: bytes, wanted: int) -> list[tuple[int, float]]: ...


class SoundIndex:
    """A matrix of signed bytes for each version and length of vectors; as many bytes as all vectors
    have, and four for each track."""

    def __init__(self) -> None:
        self._matrices: dict[tuple[int, int], _Matrix] = {}
        self._following = asyncio.Lock()
        self._followed_at = 0.0
        self._read_until: dt.datetime | None = None

    async def follow(self, db: Database) -> None:
        """Reads what has changed, unless that was done within the last second."""
        async with self._following:
            if self._read_until and time.monotonic() - self._followed_at < FOLLOW_EVERY_S:
                return
            async with db.connection() as conn:
                now = await select_now(conn)
                since = self._read_until and self._read_until - OVERLAP
                last_id = 0
                while packed := await sql.select_packed(
                    conn, last_id, limit=_AT_ONCE, changed_after=since
                ):
                    await in_thread(self._take, packed)
                    last_id = max(row.last_id for row in packed)
            self._read_until, self._followed_at = now, time.monotonic()

    async def nearest(self, features: FeaturesRow, wanted: int) -> list[tuple[int, float]]:
        """The ids of the tracks that lie nearest to these features, with their distances."""
        matrix = self._matrices.get((features.version, len(features.vector)))
        if matrix is None:
            return []
        return await asyncio.to_thread(matrix.nearest, features.vector, wanted)

    async def forget(self, track_ids: Iterable[int]) -> None:
        """Tracks that were deleted."""
        packed_ids = b"".join(i.to_bytes(4, "big") for i in sorted(track_ids))
        async with self._following:
            await in_thread(self._drop, packed_ids, None)

    def _take(self, packed: list[PackedRow]) -> None:
        # Not before it is needed: numpy takes 25 MB, and many a house never asks.
        from talas.domains.tracks.similar.matrix import Matrix

        for row in packed:
            key = (row.version, row.length)
            matrix = self._matrices.get(key) or Matrix.empty(row.length)
            self._matrices[key] = matrix.with_rows(row.ids, row.vectors)
            self._drop(row.ids, key)

    def _drop(self, packed_ids: bytes, but: tuple[int, int] | None) -> None:
        for key, matrix in self._matrices.items():
            if key != but:
                self._matrices[key] = matrix.without(packed_ids)
