"""Playlists as PostgreSQL keeps them."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.domains.tracks import visibility


class PlaylistRow(msgspec.Struct, frozen=True):
    """A playlist as one user sees it; ``role`` is None for who only listens."""

    id: int
    user_id: int
    username: str
    title: str
    description: str
    visibility: str
    role: str | None
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


SELECT_PLAYLISTS = """
SELECT p.id, p.user_id, u.username, p.title, p.description, p.visibility,
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


# S608: what is put together are constants. By indexes alone: that of the order, and the one of the
# few tracks that are withheld.
COUNT_HEARD = f"""
SELECT e.playlist_id, count(*)
FROM playlist_tracks AS e
WHERE e.playlist_id = ANY($2::INT[])
  AND NOT EXISTS (
    SELECT
    FROM tracks AS t
    WHERE t.id = e.track_id AND {visibility.WITHHELD}
  )
GROUP BY e.playlist_id
"""  # noqa: S608


async def count_heard(
    conn: Connection, playlist_ids: list[int], *, viewer_id: int
) -> dict[int, int]:
    """How many entries the viewer may hear of each; of those that are not named, none."""
    records = await conn.fetch(COUNT_HEARD, viewer_id, playlist_ids)
    return {record[0]: record[1] for record in records}


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
