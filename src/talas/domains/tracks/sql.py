"""Tracks as PostgreSQL keeps them."""

import datetime as dt
from typing import ClassVar

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.core.stored_rows import StoredRow


class TrackRow(msgspec.Struct, frozen=True):
    """A track as one user sees it; ``liked`` is theirs."""

    COLUMNS: ClassVar[str] = """t.id, t.user_id, t.title, t.artist, t.description, t.visibility,
  t.status, t.error, t.license, t.container, t.media_type, t.filename, t.content_hash, t.size,
  t.storage_key, t.duration_ms, t.bitrate, t.sample_rate, t.channels, t.loudness_lufs, t.peak_dbtp,
  t.bpm, t.key, t.has_cover,
  t.plays + (SELECT count(*)::INT FROM track_plays_unfolded AS p WHERE p.track_id = t.id),
  t.likes, t.created_at, t.updated_at,
  ARRAY(
    SELECT g.name
    FROM track_tags AS tt
    JOIN tags AS g ON g.id = tt.tag_id
    WHERE tt.track_id = t.id
    ORDER BY tt.position
  ),
  EXISTS (SELECT FROM track_likes AS l WHERE l.track_id = t.id AND l.user_id = $1)"""
    """Of a statement's table ``t``, as the user sees it whose id is ``$1``."""

    id: int
    user_id: int
    title: str
    artist: str
    description: str
    visibility: str
    status: str
    error: str | None
    license: str
    container: str
    media_type: str
    filename: str
    content_hash: bytes
    size: int
    storage_key: str
    duration_ms: int | None
    bitrate: int | None
    sample_rate: int | None
    channels: int | None
    loudness_lufs: float | None
    peak_dbtp: float | None
    bpm: float | None
    key: str | None
    has_cover: bool
    plays: int
    likes: int
    created_at: dt.datetime
    updated_at: dt.datetime
    tags: list[str]
    liked: bool


class MediaRow(msgspec.Struct, frozen=True):
    """What is needed of a track to send its bytes. ``analysed_at`` is when what was made of them
    may last have changed."""

    id: int
    user_id: int
    title: str
    visibility: str
    status: str
    container: str
    media_type: str
    content_hash: bytes
    size: int
    storage_key: str
    has_cover: bool
    created_at: dt.datetime
    analysed_at: dt.datetime
    codec: str | None
    samples: int | None
    duration_ms: int | None
    bitrate: int | None
    sample_rate: int | None
    channels: int | None
    loudness_lufs: float | None
    peak_dbtp: float | None


class NewRow(msgspec.Struct, frozen=True, kw_only=True):
    user_id: int
    title: str
    artist: str
    description: str
    visibility: str
    license: str
    container: str
    media_type: str
    filename: str
    content_hash: bytes
    size: int
    storage_key: str
    idempotency_key: str | None


class OutcomeRow(msgspec.Struct, frozen=True):
    id: int
    status: str
    error: str | None


# S608 below: what is put together are constants of this file.
SELECT_TRACK = f"""
SELECT {TrackRow.COLUMNS}
FROM tracks AS t
WHERE t.id = $2
"""  # noqa: S608


async def select_track(conn: Connection, *, viewer_id: int, track_id: int) -> TrackRow | None:
    return as_row(TrackRow, await conn.fetchrow(SELECT_TRACK, viewer_id, track_id))


SELECT_MEDIA = """
SELECT id, user_id, title, visibility, status, container, media_type, content_hash, size,
  storage_key, has_cover, created_at, coalesce(analysed_at, created_at), codec, samples,
  duration_ms, bitrate, sample_rate, channels, loudness_lufs, peak_dbtp
FROM tracks
WHERE id = $1
"""


async def select_media(conn: Connection, track_id: int) -> MediaRow | None:
    return as_row(MediaRow, await conn.fetchrow(SELECT_MEDIA, track_id))


SELECT_TRACK_FOR_UPDATE = f"""
SELECT {TrackRow.COLUMNS}
FROM tracks AS t
WHERE t.id = $2
FOR UPDATE OF t
"""  # noqa: S608


async def select_track_for_update(
    conn: Connection, *, viewer_id: int, track_id: int
) -> TrackRow | None:
    return as_row(TrackRow, await conn.fetchrow(SELECT_TRACK_FOR_UPDATE, viewer_id, track_id))


SELECT_TRACK_BY_IDEMPOTENCY_KEY = f"""
SELECT {TrackRow.COLUMNS}
FROM tracks AS t
WHERE t.user_id = $1 AND t.idempotency_key = $2
"""  # noqa: S608


async def select_track_by_idempotency_key(
    conn: Connection, *, user_id: int, idempotency_key: str
) -> TrackRow | None:
    return as_row(
        TrackRow, await conn.fetchrow(SELECT_TRACK_BY_IDEMPOTENCY_KEY, user_id, idempotency_key)
    )


INSERT_TRACK = """
INSERT INTO tracks (
  user_id, title, artist, description, visibility, license, container, media_type, format,
  filename, content_hash, size, storage_key, idempotency_key
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7, $9, $10, $11, $12, $13)
ON CONFLICT (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING id
"""


async def insert_track(conn: Connection, track: NewRow) -> int | None:
    """The id; None when the user has used the idempotency key before."""
    track_id: int | None = await conn.fetchval(INSERT_TRACK, *msgspec.structs.astuple(track))
    return track_id


UPDATE_TRACK = """
UPDATE tracks
SET title = $2, artist = $3, description = $4, visibility = $5, license = $6, updated_at = now()
WHERE id = $1
"""


async def update_track(
    conn: Connection,
    track_id: int,
    *,
    title: str,
    artist: str,
    description: str,
    visibility: str,
    license_id: str,
) -> None:
    await conn.execute(UPDATE_TRACK, track_id, title, artist, description, visibility, license_id)


DELETE_TRACK = """
DELETE FROM tracks
WHERE id = $1
"""


async def delete_track(conn: Connection, track_id: int) -> None:
    await conn.execute(DELETE_TRACK, track_id)


# One by one in the order of ids, as everybody who holds many, and none harder than what follows
# needs: those that go; those whose count of likes changes; and those of which plays or comments go,
# lest who deletes such a track waits for these while these wait for what that one deletes. Others
# go on playing and commenting all but the first.
LOCK_TRACKS_AROUND_USER = """
WITH around AS MATERIALIZED (
  SELECT id, min(rank) AS rank
  FROM (
    SELECT id, 1 FROM tracks WHERE user_id = $1
    UNION ALL
    SELECT track_id, 2 FROM track_likes WHERE user_id = $1
    UNION ALL
    SELECT track_id, 3 FROM track_plays WHERE user_id = $1
    UNION ALL
    SELECT track_id, 3 FROM track_comments WHERE user_id = $1
  ) AS touched (id, rank)
  GROUP BY id
)
SELECT count(own.id) + count(liked.id) + count(heard.id)
FROM (SELECT id, rank FROM around ORDER BY id) AS a
LEFT JOIN LATERAL (
  SELECT t.id FROM tracks AS t WHERE a.rank = 1 AND t.id = a.id FOR UPDATE
) AS own ON true
LEFT JOIN LATERAL (
  SELECT t.id FROM tracks AS t WHERE a.rank = 2 AND t.id = a.id FOR NO KEY UPDATE
) AS liked ON true
LEFT JOIN LATERAL (
  SELECT t.id FROM tracks AS t WHERE a.rank = 3 AND t.id = a.id FOR KEY SHARE
) AS heard ON true
"""


async def lock_tracks_around_user(conn: Connection, user_id: int) -> None:
    """Those that the user has, likes, played or wrote about."""
    await conn.execute(LOCK_TRACKS_AROUND_USER, user_id)


DELETE_TRACKS_OF_USER = """
DELETE FROM tracks
WHERE user_id = $1
RETURNING storage_key
"""


async def delete_tracks_of_user(conn: Connection, user_id: int) -> list[str]:
    """The storage keys that they had."""
    return [record[0] for record in await conn.fetch(DELETE_TRACKS_OF_USER, user_id)]


DELETE_LIKES_OF_USER = """
WITH taken AS (
  DELETE FROM track_likes
  WHERE user_id = $1
  RETURNING track_id
)
UPDATE tracks AS t
SET likes = t.likes - 1
FROM taken
WHERE t.id = taken.track_id
"""


async def delete_likes_of_user(conn: Connection, user_id: int) -> None:
    """The tracks' counts follow."""
    await conn.execute(DELETE_LIKES_OF_USER, user_id)


SELECT_CONTENT_KNOWN = """
SELECT EXISTS (SELECT FROM tracks WHERE user_id = $1 AND content_hash = $2)
"""


async def select_content_known(conn: Connection, *, user_id: int, content_hash: bytes) -> bool:
    known: bool = await conn.fetchval(SELECT_CONTENT_KNOWN, user_id, content_hash)
    return known


SELECT_KNOWN_KEYS = """
SELECT storage_key
FROM tracks
WHERE storage_key = ANY($1::TEXT[])
"""


async def select_known_keys(conn: Connection, storage_keys: list[str]) -> set[str]:
    return {record[0] for record in await conn.fetch(SELECT_KNOWN_KEYS, storage_keys)}


# A track of size 0 never had a file: no upload is empty, only a demo makes such rows.
SELECT_STORED = """
SELECT id, storage_key
FROM tracks
WHERE id > $1 AND status <> 'failed' AND size > 0
ORDER BY id
LIMIT 500
"""


async def select_stored(conn: Connection, after_id: int) -> list[StoredRow]:
    return as_rows(StoredRow, await conn.fetch(SELECT_STORED, after_id))


SELECT_OUTCOMES = """
SELECT id, status, error
FROM tracks
WHERE id = ANY($1::INT[]) AND status <> 'processing'
"""


async def select_outcomes(conn: Connection, track_ids: list[int]) -> list[OutcomeRow]:
    """Of those tracks the ones whose analysis has ended."""
    return as_rows(OutcomeRow, await conn.fetch(SELECT_OUTCOMES, track_ids))


SELECT_NOW = """
SELECT now()
"""


async def select_now(conn: Connection) -> dt.datetime:
    """By the clock that the times of rows go by."""
    now: dt.datetime = await conn.fetchval(SELECT_NOW)
    return now
