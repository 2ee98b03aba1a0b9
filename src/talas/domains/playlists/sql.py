"""Playlists as PostgreSQL keeps them."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_row, as_rows


class PlaylistRow(msgspec.Struct, frozen=True):
    """A playlist as one user sees it: how many tracks it has and how long they are counts what
    that user may hear; ``role`` is None for who only listens."""

    id: int
    user_id: int
    username: str
    title: str
    description: str
    visibility: str
    tracks_count: int
    duration_ms: int
    role: str | None
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


# What is heard of a playlist is what tracks.access.may_see says of each track.
SELECT_PLAYLISTS = """
SELECT p.id, p.user_id, u.username, p.title, p.description, p.visibility,
  heard.tracks, heard.duration_ms,
  CASE
    WHEN p.user_id = $1 THEN 'owner'
    WHEN EXISTS (
      SELECT
      FROM playlist_collaborators AS c
      WHERE c.playlist_id = p.id AND c.user_id = $1
    ) THEN 'collaborator'
  END,
  p.version, p.created_at, p.updated_at
FROM unnest($2::INT[]) WITH ORDINALITY AS asked (id, place)
JOIN playlists AS p ON p.id = asked.id
JOIN users AS u ON u.id = p.user_id
CROSS JOIN LATERAL (
  SELECT count(*) AS tracks, coalesce(sum(t.duration_ms), 0)::BIGINT AS duration_ms
  FROM playlist_tracks AS e
  JOIN tracks AS t ON t.id = e.track_id
  WHERE e.playlist_id = p.id
    AND (t.user_id = $1 OR (t.status = 'ready' AND t.visibility <> 'private'))
) AS heard
ORDER BY asked.place
"""


async def select_playlists(
    conn: Connection, playlist_ids: list[int], *, viewer_id: int
) -> list[PlaylistRow]:
    """In the order of the ids, whoever may see them."""
    return as_rows(PlaylistRow, await conn.fetch(SELECT_PLAYLISTS, viewer_id, playlist_ids))


async def select_playlist(
    conn: Connection, playlist_id: int, *, viewer_id: int
) -> PlaylistRow | None:
    return as_row(PlaylistRow, await conn.fetchrow(SELECT_PLAYLISTS, viewer_id, [playlist_id]))


LOCK_PLAYLIST = """
SELECT
FROM playlists
WHERE id = $1
FOR NO KEY UPDATE
"""


async def lock_playlist(conn: Connection, playlist_id: int) -> None:
    """Until the transaction ends, nobody else changes it, its order or its collaborators."""
    await conn.execute(LOCK_PLAYLIST, playlist_id)


COUNT_PLAYLISTS_OF_USER = """
SELECT count(*)
FROM playlists
WHERE user_id = $1
"""


async def count_playlists_of_user(conn: Connection, user_id: int) -> int:
    return int(await conn.fetchval(COUNT_PLAYLISTS_OF_USER, user_id))


INSERT_PLAYLIST = """
INSERT INTO playlists (user_id, title, description, visibility)
VALUES ($1, $2, $3, $4)
RETURNING id
"""


async def insert_playlist(
    conn: Connection, user_id: int, *, title: str, description: str, visibility: str
) -> int:
    return int(await conn.fetchval(INSERT_PLAYLIST, user_id, title, description, visibility))


UPDATE_PLAYLIST = """
UPDATE playlists
SET title = $2, description = $3, visibility = $4, updated_at = now()
WHERE id = $1
"""


async def update_playlist(
    conn: Connection, playlist_id: int, *, title: str, description: str, visibility: str
) -> None:
    await conn.execute(UPDATE_PLAYLIST, playlist_id, title, description, visibility)


DELETE_PLAYLIST = """
DELETE FROM playlists
WHERE id = $1
"""


async def delete_playlist(conn: Connection, playlist_id: int) -> None:
    await conn.execute(DELETE_PLAYLIST, playlist_id)


LOCK_PLAYLISTS_OF_USER = """
SELECT
FROM playlists
WHERE user_id = $1
ORDER BY id
FOR UPDATE
"""


async def lock_playlists_of_user(conn: Connection, user_id: int) -> None:
    await conn.execute(LOCK_PLAYLISTS_OF_USER, user_id)


DELETE_PLAYLISTS_OF_USER = """
DELETE FROM playlists
WHERE user_id = $1
"""

DELETE_COLLABORATIONS_OF_USER = """
DELETE FROM playlist_collaborators
WHERE user_id = $1
"""

FORGET_ADDED_BY_USER = """
UPDATE playlist_tracks
SET added_by = NULL
WHERE added_by = $1
"""


async def delete_traces_of_user(conn: Connection, user_id: int) -> None:
    """Their playlists and collaborations. The tracks of others that they added elsewhere stay."""
    await conn.execute(DELETE_PLAYLISTS_OF_USER, user_id)
    await conn.execute(DELETE_COLLABORATIONS_OF_USER, user_id)
    await conn.execute(FORGET_ADDED_BY_USER, user_id)
