"""What the index is fed from: the log of changes, and the rows as they are now."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.domains.search.entities import (
    Entity,
    IndexedFile,
    IndexedProduct,
    IndexedRoom,
    IndexedTrack,
    IndexedUser,
)


class Source(msgspec.Struct, frozen=True):
    """``identity`` tells this database from every other, a restored copy of it included.
    The log holds what came after ``forgotten``, up to ``position``."""

    identity: str
    position: int
    forgotten: int
    has_intake: bool


class Change(msgspec.Struct, frozen=True):
    position: int
    kind: str
    id: int
    moved_at: dt.datetime


# A copy of the database, or of its tables, has other oids.
SELECT_SOURCE = """
SELECT
  concat_ws('-', s.identity, d.oid, s.tableoid),
  s.position,
  s.forgotten,
  EXISTS (SELECT FROM search_intake)
FROM search_source AS s
JOIN pg_database AS d ON d.datname = current_database()
"""


async def select_source(conn: Connection) -> Source:
    source = as_row(Source, await conn.fetchrow(SELECT_SOURCE))
    assert source is not None
    return source


# The row of search_source is the lock: positions are given out by one transaction after another,
# so that they become visible in their order. Who does not get it leaves the rows to its holder.
MOVE_INTAKE = """
WITH source AS (
  SELECT position
  FROM search_source
  FOR UPDATE SKIP LOCKED
), taken AS (
  DELETE FROM search_intake
  WHERE ctid = ANY (ARRAY(SELECT ctid FROM search_intake LIMIT $1))
    AND EXISTS (SELECT FROM source)
  RETURNING kind, id
), change AS (
  SELECT kind, id, row_number() OVER (ORDER BY kind, id) AS number
  FROM (SELECT DISTINCT kind, id FROM taken) AS once
), logged AS (
  INSERT INTO search_log (position, kind, id)
  SELECT source.position + change.number, change.kind, change.id
  FROM source
  CROSS JOIN change
)
UPDATE search_source
SET position = position + (SELECT count(*) FROM change)
WHERE EXISTS (SELECT FROM change)
RETURNING position
"""


async def move_intake(conn: Connection, *, limit: int) -> int | None:
    """Moves up to ``limit`` rows to the log, each thing once. The log's new end; None when there
    was nothing to move, or somebody else does."""
    position: int | None = await conn.fetchval(MOVE_INTAKE, limit)
    return position


SELECT_LOG = """
SELECT position, kind, id, moved_at
FROM search_log
WHERE position > $1
ORDER BY position
LIMIT $2
"""


async def select_log(conn: Connection, *, after: int, limit: int) -> list[Change]:
    return as_rows(Change, await conn.fetch(SELECT_LOG, after, limit))


# By age, and by number whatever the age, a step at a time.
FORGET_LOG = """
WITH source AS (
  SELECT position, forgotten
  FROM search_source
  FOR UPDATE SKIP LOCKED
), last AS (
  SELECT max(l.position) AS position
  FROM source
  JOIN search_log AS l
    ON l.position > source.forgotten AND l.position <= source.forgotten + $3::BIGINT
  WHERE l.moved_at < now() - make_interval(secs => $1)
    OR l.position <= source.position - $2::BIGINT
), gone AS (
  DELETE FROM search_log
  WHERE position <= (SELECT position FROM last)
)
UPDATE search_source
SET forgotten = last.position
FROM last
WHERE last.position IS NOT NULL
RETURNING forgotten
"""


async def forget_log(
    conn: Connection, *, older_than_s: float, beyond: int, step: int
) -> int | None:
    """Up to where the log was forgotten; None when there was nothing to forget."""
    forgotten: int | None = await conn.fetchval(FORGET_LOG, older_than_s, beyond, step)
    return forgotten


# S608 below: what is put together are constants of this file.
_USERS = """
SELECT u.id, u.username, u.email, u.first_name, u.last_name, u.bio, (
    SELECT count(*)
    FROM (
      SELECT FROM tracks AS t
      WHERE t.user_id = u.id AND t.status = 'ready' AND t.visibility = 'public'
      LIMIT 1000
    ) AS found
  )
FROM users AS u
WHERE u.status = 'active' AND u.id"""

_PRODUCTS = """
SELECT p.id, p.name, p.brand, p.model, c.name, p.description, p.status, p.created_at, (
    SELECT count(*)
    FROM (SELECT FROM user_products AS up WHERE up.product_id = p.id LIMIT 10000) AS found
  )
FROM products AS p
LEFT JOIN categories AS c ON c.id = p.category_id
WHERE p.status = 'active' AND p.id"""

_FILES = """
SELECT f.id, up.user_id, f.filename, f.type, p.name
FROM files AS f
JOIN user_products AS up ON up.id = f.product_id
JOIN products AS p ON p.id = up.product_id
WHERE f.id"""

_TRACKS = """
SELECT t.id, t.user_id, t.title, t.artist, u.username, t.description,
  ARRAY(
    SELECT g.name
    FROM track_tags AS tt
    JOIN tags AS g ON g.id = tt.tag_id
    WHERE tt.track_id = t.id
    ORDER BY tt.position
  ),
  t.genre, t.album, t.visibility, t.status, t.plays, t.likes, t.duration_ms, t.bpm, t.key,
  t.license, t.created_at
FROM tracks AS t
JOIN users AS u ON u.id = t.user_id
WHERE t.id"""

_ROOMS = """
SELECT r.id, r.name, r.description, r.is_private,
  ARRAY(
    SELECT m.user_id FROM room_members AS m WHERE m.room_id = r.id AND r.is_private
  ), (
    SELECT count(*)
    FROM (SELECT FROM room_members AS m WHERE m.room_id = r.id LIMIT 10000) AS found
  )
FROM rooms AS r
WHERE r.kind = 'room' AND r.id"""

_BY_IDS = " = ANY ($1::INT[])"
_AFTER = " > $1 ORDER BY 1 LIMIT $2"

SELECT_USERS = _USERS + _BY_IDS
SELECT_PRODUCTS = _PRODUCTS + _BY_IDS
SELECT_FILES = _FILES + _BY_IDS
SELECT_TRACKS = _TRACKS + _BY_IDS
SELECT_ROOMS = _ROOMS + _BY_IDS

SELECT_USERS_AFTER = _USERS + _AFTER
SELECT_PRODUCTS_AFTER = _PRODUCTS + _AFTER
SELECT_FILES_AFTER = _FILES + _AFTER
SELECT_TRACKS_AFTER = _TRACKS + _AFTER
SELECT_ROOMS_AFTER = _ROOMS + _AFTER

_KINDS: dict[str, tuple[Any, str, str]] = {
    "users": (IndexedUser, SELECT_USERS, SELECT_USERS_AFTER),
    "products": (IndexedProduct, SELECT_PRODUCTS, SELECT_PRODUCTS_AFTER),
    "files": (IndexedFile, SELECT_FILES, SELECT_FILES_AFTER),
    "tracks": (IndexedTrack, SELECT_TRACKS, SELECT_TRACKS_AFTER),
    "rooms": (IndexedRoom, SELECT_ROOMS, SELECT_ROOMS_AFTER),
}
KINDS = tuple(_KINDS)


async def select_entities(conn: Connection, kind: str, ids: Sequence[int]) -> list[Entity]:
    """``kind`` is one of KINDS. What nobody may find is not there."""
    entity, statement, _ = _KINDS[kind]
    return as_rows(entity, await conn.fetch(statement, ids))


async def select_entities_after(
    conn: Connection, kind: str, *, after: int, limit: int
) -> list[Entity]:
    """A page of all, by id."""
    entity, _, statement = _KINDS[kind]
    return as_rows(entity, await conn.fetch(statement, after, limit))


COUNT_ROWS = """
SELECT
  (SELECT count(*) FROM users WHERE status = 'active'),
  (SELECT count(*) FROM products WHERE status = 'active'),
  (SELECT count(*) FROM files),
  (SELECT count(*) FROM tracks),
  (SELECT count(*) FROM rooms WHERE kind = 'room')
"""


async def count_rows(conn: Connection) -> dict[str, int]:
    """How many of each kind there are to index."""
    [record] = await conn.fetch(COUNT_ROWS)
    return dict(zip(KINDS, record, strict=True))
