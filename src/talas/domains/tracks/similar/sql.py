"""How tracks sound, as the analysis has measured it."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.domains.tracks import visibility


class FeaturesRow(msgspec.Struct, frozen=True):
    """``vector``: signed bytes, comparable with those of the same version."""

    version: int
    vector: bytes


class PackedRow(msgspec.Struct, frozen=True):
    """The vectors of many tracks, one behind the other in the order of the tracks' ids. ``ids``
    are big-endian integers of 32 bits, ``length`` the bytes of each vector."""

    version: int
    length: int
    ids: bytes
    vectors: bytes
    last_id: int


class SeenRow(msgspec.Struct, frozen=True):
    track_id: int
    shown: bool


SELECT_FEATURES = """
SELECT version, vector
FROM track_features
WHERE track_id = $1
"""


async def select_features(conn: Connection, track_id: int) -> FeaturesRow | None:
    return as_row(FeaturesRow, await conn.fetchrow(SELECT_FEATURES, track_id))


# S608 below: what is put together are constants of this file.
def _packed(condition: str) -> str:
    """Packed by the database: a million small values cost the event loop seconds."""
    return f"""
SELECT version, octet_length(vector),
  string_agg(int4send(track_id), ''::BYTEA ORDER BY track_id),
  string_agg(vector, ''::BYTEA ORDER BY track_id),
  max(track_id)
FROM (
  SELECT track_id, version, vector
  FROM track_features
  WHERE track_id > $1 AND {condition}
  ORDER BY track_id
  LIMIT $2
) AS batch
GROUP BY version, octet_length(vector)
"""  # noqa: S608


SELECT_PACKED = _packed("true")
SELECT_PACKED_CHANGED = _packed("changed_at > $3")


async def select_packed(
    conn: Connection, after_id: int, *, limit: int, changed_after: dt.datetime | None
) -> list[PackedRow]:
    """Of the next ``limit`` tracks by id: one row for each version and length."""
    if changed_after is None:
        records = await conn.fetch(SELECT_PACKED, after_id, limit)
    else:
        records = await conn.fetch(SELECT_PACKED_CHANGED, after_id, limit, changed_after)
    return as_rows(PackedRow, records)


SELECT_SEEN = f"""
SELECT t.id, {visibility.SHARED} OR t.user_id = $1
FROM track_features AS f
JOIN tracks AS t ON t.id = f.track_id
WHERE f.track_id = ANY($2::INT[])
"""  # noqa: S608


async def select_seen(conn: Connection, track_ids: list[int], *, viewer_id: int) -> list[SeenRow]:
    """Those of them that are still there, and whether the viewer is shown them in lists."""
    return as_rows(SeenRow, await conn.fetch(SELECT_SEEN, viewer_id, track_ids))
