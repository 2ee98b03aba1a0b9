"""The entries of a playlist: which track stands where, and who put it there."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_rows
from talas.domains.tracks import visibility


class EntryRow(msgspec.Struct, frozen=True):
    """``is_heard``: whether who asks may hear the track."""

    id: int
    track_id: int
    position: int
    is_heard: bool


class HeardRow(msgspec.Struct, frozen=True):
    track_id: int
    duration_ms: int | None


class HeardEntryRow(msgspec.Struct, frozen=True):
    id: int
    track_id: int
    added_by: int | None
    added_at: dt.datetime


class ExportRow(msgspec.Struct, frozen=True):
    track_id: int
    title: str
    artist: str
    duration_ms: int | None


# S608 below: what is put together are constants of this file and of visibility.
_HEARD = f"""FROM playlist_tracks AS e
JOIN tracks AS t ON t.id = e.track_id
WHERE e.playlist_id = $2 AND {visibility.SEEN}"""

SELECT_ENTRIES = f"""
SELECT e.id, e.track_id, e.position, {visibility.SEEN}
FROM playlist_tracks AS e
JOIN tracks AS t ON t.id = e.track_id
WHERE e.playlist_id = $2
ORDER BY e.position
"""  # noqa: S608


async def select_entries(conn: Connection, playlist_id: int, *, viewer_id: int) -> list[EntryRow]:
    """All of them, in order."""
    return as_rows(EntryRow, await conn.fetch(SELECT_ENTRIES, viewer_id, playlist_id))


SELECT_HEARD = f"""
SELECT e.track_id, t.duration_ms
{_HEARD}
ORDER BY e.position
"""


async def select_heard(conn: Connection, playlist_id: int, *, viewer_id: int) -> list[HeardRow]:
    """In order, those that the viewer may hear."""
    return as_rows(HeardRow, await conn.fetch(SELECT_HEARD, viewer_id, playlist_id))


SELECT_HEARD_ENTRIES = f"""
SELECT e.id, e.track_id, e.added_by, e.added_at
{_HEARD}
ORDER BY e.position
LIMIT $3 OFFSET $4
"""


async def select_heard_entries(
    conn: Connection, playlist_id: int, *, viewer_id: int, limit: int, offset: int
) -> list[HeardEntryRow]:
    """A page in order, of what the viewer may hear."""
    records = await conn.fetch(SELECT_HEARD_ENTRIES, viewer_id, playlist_id, limit, offset)
    return as_rows(HeardEntryRow, records)


SELECT_EXPORT = f"""
SELECT e.track_id, t.title, t.artist, t.duration_ms
{_HEARD}
  AND t.status = 'ready'
ORDER BY e.position
"""


async def select_export(conn: Connection, playlist_id: int, *, viewer_id: int) -> list[ExportRow]:
    """In order, what the viewer can play now."""
    return as_rows(ExportRow, await conn.fetch(SELECT_EXPORT, viewer_id, playlist_id))


# In the order of ids, and before any entry is touched: who deletes a track holds it and then comes
# to its entries.
HOLD_HEARD_TRACKS = f"""
SELECT t.id
FROM tracks AS t
WHERE t.id = ANY($2::INT[]) AND {visibility.SEEN}
ORDER BY t.id
FOR KEY SHARE
"""  # noqa: S608


async def hold_heard_tracks(conn: Connection, track_ids: list[int], *, viewer_id: int) -> set[int]:
    """Those of them that the viewer may hear; they stay until the transaction ends."""
    return {r[0] for r in await conn.fetch(HOLD_HEARD_TRACKS, viewer_id, track_ids)}


COUNT_ENTRIES = """
SELECT count(*), coalesce(max(position), -1)
FROM playlist_tracks
WHERE playlist_id = $1
"""


async def count_entries(conn: Connection, playlist_id: int) -> tuple[int, int]:
    """How many there are, and the last one's position: -1 where there is none."""
    row = await conn.fetchrow(COUNT_ENTRIES, playlist_id)
    assert row is not None
    return row[0], row[1]


INSERT_ENTRIES = """
INSERT INTO playlist_tracks (playlist_id, added_by, position, track_id)
SELECT $1, $2, placed.position, placed.track_id
FROM unnest($3::INT[], $4::INT[]) AS placed (position, track_id)
ORDER BY placed.position
"""


async def insert_entries(
    conn: Connection, playlist_id: int, *, added_by: int, positions: list[int], track_ids: list[int]
) -> None:
    await conn.execute(INSERT_ENTRIES, playlist_id, added_by, positions, track_ids)


UPDATE_POSITIONS = """
UPDATE playlist_tracks AS e
SET position = placed.position
FROM unnest($2::BIGINT[], $3::INT[]) AS placed (id, position)
WHERE e.playlist_id = $1 AND e.id = placed.id AND e.position <> placed.position
"""


async def update_positions(
    conn: Connection, playlist_id: int, *, entry_ids: list[int], positions: list[int]
) -> None:
    await conn.execute(UPDATE_POSITIONS, playlist_id, entry_ids, positions)


DELETE_OTHER_ENTRIES = """
DELETE FROM playlist_tracks
WHERE playlist_id = $1 AND id <> ALL($2::BIGINT[])
"""


async def delete_other_entries(conn: Connection, playlist_id: int, entry_ids: list[int]) -> None:
    """All but those."""
    await conn.execute(DELETE_OTHER_ENTRIES, playlist_id, entry_ids)


DELETE_HEARD_ENTRY = f"""
DELETE FROM playlist_tracks AS e
USING tracks AS t
WHERE e.playlist_id = $2 AND e.id = $3 AND t.id = e.track_id AND {visibility.SEEN}
RETURNING true
"""  # noqa: S608


async def delete_heard_entry(
    conn: Connection, playlist_id: int, entry_id: int, *, viewer_id: int
) -> bool:
    """False where the playlist has no such entry that the viewer may hear."""
    return bool(await conn.fetchval(DELETE_HEARD_ENTRY, viewer_id, playlist_id, entry_id))


UPDATE_VERSION = """
UPDATE playlists
SET version = version + 1, updated_at = now()
WHERE id = $1
"""


async def advance_version(conn: Connection, playlist_id: int) -> None:
    await conn.execute(UPDATE_VERSION, playlist_id)
