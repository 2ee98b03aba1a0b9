"""Tracks that wait to be analysed, and what becomes of them, as PostgreSQL keeps them."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_row, as_rows


class ReadyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the analysis found. A title or an artist takes the place of its placeholder only."""

    id: int
    container: str
    media_type: str
    codec: str
    samples: int
    duration_ms: int
    sample_rate: int
    channels: int
    bitrate: int
    loudness_lufs: float | None
    peak_dbtp: float | None
    bpm: float | None
    bpm_confidence: float | None
    key: str | None
    key_confidence: float | None
    silence_lead_ms: int
    silence_tail_ms: int
    has_cover: bool
    album: str | None
    genre: str | None
    recorded_on: str | None
    track_number: int | None
    placeholder_title: str | None
    title: str | None
    placeholder_artist: str | None
    artist: str | None
    analysis_version: int


class WaitingRow(msgspec.Struct, frozen=True):
    id: int
    user_id: int
    title: str
    status: str
    storage_key: str
    container: str


class RepeatRow(msgspec.Struct, frozen=True):
    id: int
    title: str
    storage_key: str


class AnalysedRow(msgspec.Struct, frozen=True):
    """``error`` is why the latest analysis failed, also that of a track that stayed ready."""

    id: int
    error: str | None
    analysed_at: dt.datetime | None


SELECT_TO_ANALYSE = """
SELECT id, user_id, title, status, storage_key, container
FROM tracks
WHERE id = $1 AND (status <> 'processing') = $2
"""


async def select_to_analyse(conn: Connection, track_id: int, *, again: bool) -> WaitingRow | None:
    """None where it does not wait for its first analysis, or has not had it, if it is ``again``."""
    return as_row(WaitingRow, await conn.fetchrow(SELECT_TO_ANALYSE, track_id, again))


COUNT_UNANALYSED = """
SELECT count(*)
FROM (
  SELECT
  FROM tracks
  WHERE user_id = $1 AND status = 'processing'
  LIMIT $2
) AS waiting
"""


async def count_unanalysed(conn: Connection, user_id: int, *, most: int) -> int:
    count: int = await conn.fetchval(COUNT_UNANALYSED, user_id, most)
    return count


SELECT_TRACK_EXISTS = """
SELECT EXISTS (SELECT FROM tracks WHERE id = $1)
"""


async def select_track_exists(conn: Connection, track_id: int) -> bool:
    exists: bool = await conn.fetchval(SELECT_TRACK_EXISTS, track_id)
    return exists


UPDATE_TRACK_READY = """
UPDATE tracks
SET status = 'ready', error = NULL,
  updated_at = CASE WHEN status = 'ready' THEN updated_at ELSE now() END,
  container = $2, format = $2, media_type = $3, codec = $4, samples = $5, duration_ms = $6,
  sample_rate = $7, channels = $8, bitrate = $9, loudness_lufs = $10, peak_dbtp = $11,
  bpm = $12, bpm_confidence = $13, key = $14, key_confidence = $15, silence_lead_ms = $16,
  silence_tail_ms = $17, has_cover = $18, album = $19, genre = $20, recorded_on = $21,
  track_number = $22,
  title = CASE WHEN title = $23 THEN coalesce($24, title) ELSE title END,
  artist = CASE WHEN artist = $25 THEN coalesce($26, artist) ELSE artist END,
  analysis_version = $27, analysed_at = now()
WHERE id = $1 AND (status <> 'processing') = $28
RETURNING title
"""


async def update_track_ready(conn: Connection, track: ReadyRow, *, again: bool) -> str | None:
    """The track's title, None when it was not waiting."""
    values = msgspec.structs.astuple(track)
    title: str | None = await conn.fetchval(UPDATE_TRACK_READY, *values, again)
    return title


UPSERT_FEATURES = """
INSERT INTO track_features (track_id, version, vector)
VALUES ($1, $2, $3)
ON CONFLICT (track_id) DO UPDATE
SET version = $2, vector = $3, changed_at = now()
"""


async def upsert_features(conn: Connection, track_id: int, *, version: int, vector: bytes) -> None:
    await conn.execute(UPSERT_FEATURES, track_id, version, vector)


DELETE_FEATURES = """
DELETE FROM track_features
WHERE track_id = $1
"""


async def delete_features(conn: Connection, track_id: int) -> None:
    await conn.execute(DELETE_FEATURES, track_id)


UPDATE_TRACK_FAILED = """
UPDATE tracks
SET status = 'failed', error = $2, updated_at = now(), analysis_version = $3, analysed_at = now()
WHERE id = $1 AND status <> 'failed'
RETURNING user_id, title
"""


async def update_track_failed(
    conn: Connection, track_id: int, *, error: str, version: int
) -> tuple[int, str] | None:
    """The uploader's id and the title, None when there is nothing to fail."""
    record = await conn.fetchrow(UPDATE_TRACK_FAILED, track_id, error, version)
    return None if record is None else (record[0], record[1])


SELECT_STALLED = """
SELECT id, user_id, title, status, storage_key, container
FROM tracks
WHERE status = 'processing'
  AND created_at < now() - make_interval(secs => $1)
ORDER BY created_at
LIMIT 1000
"""


async def select_stalled(conn: Connection, *, older_than_s: float) -> list[WaitingRow]:
    return as_rows(WaitingRow, await conn.fetch(SELECT_STALLED, older_than_s))


UPDATE_TRACK_KEPT = """
UPDATE tracks
SET error = $2, analysis_version = coalesce($3, analysis_version), analysed_at = now()
WHERE id = $1 AND status <> 'processing'
"""


async def update_track_kept(
    conn: Connection, track_id: int, *, error: str, version: int | None
) -> None:
    await conn.execute(UPDATE_TRACK_KEPT, track_id, error, version)


# A track of size 0 never had a file: no upload is empty, only a demo makes such rows.
SELECT_STALE = """
SELECT id, title, storage_key
FROM tracks
WHERE status = 'ready' AND size > 0 AND analysis_version < $1
ORDER BY analysis_version, id
LIMIT $2
"""


async def select_stale(conn: Connection, *, version: int, limit: int) -> list[RepeatRow]:
    return as_rows(RepeatRow, await conn.fetch(SELECT_STALE, version, limit))


SELECT_TO_REPEAT = """
SELECT id, title, storage_key
FROM tracks
WHERE id > $1 AND status <> 'processing' AND size > 0
  AND ($2::INT IS NULL OR user_id = $2)
  AND ($3::INT IS NULL OR analysis_version < $3)
ORDER BY id
LIMIT 500
"""


async def select_to_repeat(
    conn: Connection, after_id: int, *, user_id: int | None, before_version: int | None
) -> list[RepeatRow]:
    """None asks for those of all users, of all versions."""
    return as_rows(RepeatRow, await conn.fetch(SELECT_TO_REPEAT, after_id, user_id, before_version))


COUNT_TO_REPEAT = """
SELECT count(*)
FROM tracks
WHERE status <> 'processing' AND size > 0
  AND ($1::INT IS NULL OR user_id = $1)
  AND ($2::INT IS NULL OR analysis_version < $2)
"""


async def count_to_repeat(
    conn: Connection, *, user_id: int | None, before_version: int | None
) -> int:
    total: int = await conn.fetchval(COUNT_TO_REPEAT, user_id, before_version)
    return total


SELECT_ANALYSED = """
SELECT id, error, analysed_at
FROM tracks
WHERE id = ANY($1::INT[])
"""


async def select_analysed(conn: Connection, track_ids: list[int]) -> list[AnalysedRow]:
    return as_rows(AnalysedRow, await conn.fetch(SELECT_ANALYSED, track_ids))
