"""Vectors of many tracks, and which of them lie nearest to one. Brings numpy with it."""

from typing import Self

import numpy as np
import numpy.typing as npt

# So many rows at a time are as wide as arithmetic needs them, and fit the processor's cache; all
# others are bytes.
_BLOCK = 4_096


class Matrix:
    """Rows of signed bytes, one for each track, in the order of their ids. It never changes: with
    other rows it is another one, so any thread may ask any of them."""

    def __init__(self, ids: npt.NDArray[np.int32], vectors: npt.NDArray[np.int8]) -> None:
        """``ids`` of shape (n,), ascending; ``vectors`` of shape (n, length)."""
        self._ids = ids
        self._vectors = vectors

    @classmethod
    def empty(cls, length: int) -> Self:
        return cls(np.empty(0, np.int32), np.empty((0, length), np.int8))

    def __len__(self) -> int:
        return len(self._ids)

    def with_rows(self, packed_ids: bytes, packed_vectors: bytes) -> Self:
        """With these tracks besides, or as they are now. The ids ascend, as big-endian integers of
        32 bits; the vectors follow each other in the same order."""
        ids = np.frombuffer(packed_ids, ">i4").astype(np.int32)
        rows = np.frombuffer(packed_vectors, np.int8).reshape(len(ids), -1)
        places, known = self._find(ids)
        vectors = self._vectors
        if known.any() and not np.array_equal(vectors[places[known]], rows[known]):
            vectors = vectors.copy()
            vectors[places[known]] = rows[known]
        if known.all():
            return self if vectors is self._vectors else type(self)(self._ids, vectors)
        all_ids = np.concatenate([self._ids, ids[~known]])
        vectors = np.concatenate([vectors, rows[~known]])
        if len(self._ids) and ids[~known][0] < self._ids[-1]:
            order = np.argsort(all_ids, kind="stable")
            all_ids, vectors = all_ids[order], vectors[order]
        return type(self)(all_ids, vectors)

    def without(self, packed_ids: bytes) -> Self:
        """``packed_ids`` as for ``with_rows``."""
        places, known = self._find(np.frombuffer(packed_ids, ">i4").astype(np.int32))
        if not known.any():
            return self
        kept = np.ones(len(self._ids), bool)
        kept[places[known]] = False
        return type(self)(self._ids[kept], self._vectors[kept])

    def nearest(self, vector: bytes, wanted: int) -> list[tuple[int, float]]:
        """The ids of the nearest tracks, the nearest first and of equals the lower id, each with
        its Euclidean distance. Exact: every row is looked at."""
        count = min(wanted, len(self._ids))
        if not count:
            return []
        squares = self._squared_distances(np.frombuffer(vector, np.int8))
        # All that are as near as the last one, so that of equals none is left out by chance.
        furthest = np.partition(squares, count - 1)[count - 1]
        found = np.flatnonzero(squares <= furthest)
        found = found[np.lexsort((self._ids[found], squares[found]))][:count]
        distances = np.sqrt(squares[found])
        return list(zip(self._ids[found].tolist(), distances.tolist(), strict=True))

    def _squared_distances(self, vector: npt.NDArray[np.int8]) -> npt.NDArray[np.float32]:
        # By sums of squares rather than by a product of matrices, for which BLAS would start
        # threads that wait for each other wherever processors are busy.
        squares = np.empty(len(self._ids), np.float32)
        centre = vector.astype(np.float32)
        for start in range(0, len(squares), _BLOCK):
            block = self._vectors[start : start + _BLOCK].astype(np.float32)
            block -= centre
            np.einsum("ij,ij->i", block, block, out=squares[start : start + _BLOCK])
        return squares

    def _find(
        self, ids: npt.NDArray[np.int32]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
        """Where each stands, and whether it does."""
        places = np.searchsorted(self._ids, ids)
        known = np.zeros(len(ids), bool)
        inside = places < len(self._ids)
        known[inside] = self._ids[places[inside]] == ids[inside]
        return places, known
