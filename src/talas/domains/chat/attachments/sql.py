"""Uploads that messages carry, or may carry, as PostgreSQL keeps them.

Who links an upload to a message holds its row against deletion, and who deletes one has locked it
before looking for messages that carry it: neither misses the other.
"""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_columns, as_row, as_rows
from talas.core.stored_rows import StoredRow

Pair = tuple[int, int]


class UploadRow(msgspec.Struct, frozen=True):
    """``content_hash`` is SHA-256 in hexadecimal digits."""

    id: int
    user_id: int
    name: str
    media_type: str
    kind: str
    size: int
    content_hash: str
    storage_key: str
    created_at: dt.datetime


class NewUpload(msgspec.Struct, frozen=True, kw_only=True):
    user_id: int
    name: str
    media_type: str
    kind: str
    size: int
    content_hash: str
    storage_key: str


class ListedUpload(msgspec.Struct, frozen=True):
    """``in_use``: a message carries it."""

    id: int
    name: str
    media_type: str
    kind: str
    size: int
    created_at: dt.datetime
    in_use: bool


class OwnTrack(msgspec.Struct, frozen=True):
    id: int
    user_id: int
    title: str
    artist: str
    duration_ms: int | None


_COLUMNS = """
    u.id, u.user_id, u.name, u.media_type, u.kind, u.size, u.content_hash, u.storage_key,
    u.created_at"""

# In the order of ids, as everybody who holds several.
HOLD_OWN_UPLOADS = f"""
SELECT {_COLUMNS}
FROM unnest($1::int[], $2::int[]) AS asked (user_id, id)
JOIN chat_uploads AS u ON u.id = asked.id AND u.user_id = asked.user_id
ORDER BY u.id
FOR KEY SHARE OF u
"""  # noqa: S608

SELECT_OWN_TRACKS = """
SELECT t.id, t.user_id, t.title, t.artist, t.duration_ms
FROM unnest($1::int[], $2::int[]) AS asked (user_id, id)
JOIN tracks AS t ON t.id = asked.id AND t.user_id = asked.user_id
WHERE t.status <> 'failed'
"""

INSERT_MESSAGE_UPLOADS = """
INSERT INTO message_uploads (message_id, upload_id)
SELECT linked.message_id, linked.upload_id
FROM unnest($1::int[], $2::int[]) AS linked (message_id, upload_id)
ORDER BY linked.upload_id, linked.message_id
"""


# Of two uploads of an account one counts after the other, and the account does not end meanwhile.
LOCK_ACCOUNT = """
SELECT true
FROM users
WHERE id = $1 AND status = 'active'
FOR NO KEY UPDATE
"""

# What is older than the newest thousand is in use, or about to be cleaned away.
COUNT_UNUSED = """
SELECT count(*)
FROM (
    SELECT id
    FROM chat_uploads
    WHERE user_id = $1
    ORDER BY id DESC
    LIMIT 1000
) AS u
WHERE NOT EXISTS (SELECT FROM message_uploads AS l WHERE l.upload_id = u.id)
"""

INSERT_UPLOAD = """
INSERT INTO chat_uploads (user_id, name, media_type, kind, size, content_hash, storage_key)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id
"""

# Lateral, for each row by itself: EXISTS would be answered by reading every use of every upload.
_USE = """
LEFT JOIN LATERAL (
    SELECT l.message_id
    FROM message_uploads AS l
    WHERE l.upload_id = u.id
    LIMIT 1
) AS used ON true"""

SELECT_UPLOADS = f"""
SELECT
    u.id, u.name, u.media_type, u.kind, u.size, u.created_at, used.message_id IS NOT NULL
FROM chat_uploads AS u
{_USE}
WHERE u.user_id = $1
ORDER BY u.id DESC
LIMIT $2 OFFSET $3
"""  # noqa: S608

COUNT_UPLOADS = """
SELECT count(*)
FROM chat_uploads
WHERE user_id = $1
"""

# As ``access_message`` for one of the messages that carry it.
SELECT_VISIBLE_UPLOAD = f"""
SELECT {_COLUMNS}
FROM chat_uploads AS u
WHERE u.id = $1
  AND (
    u.user_id = $2
    OR EXISTS (
        SELECT
        FROM message_uploads AS l
        JOIN messages AS m ON m.id = l.message_id
        LEFT JOIN rooms AS r ON r.id = m.room_id
        LEFT JOIN room_members AS b ON b.room_id = m.room_id AND b.user_id = $2
        WHERE l.upload_id = u.id
          AND m.deleted_at IS NULL
          AND CASE
            WHEN m.room_id IS NULL THEN $2 IN (m.from_user, m.to_user)
            ELSE r.kind <> 'deleted'
              AND (b.user_id IS NOT NULL OR NOT r.is_private)
              AND (r.history <> 'joining' OR m.seq > coalesce(b.joined_seq, r.seq))
          END
    )
  )
"""  # noqa: S608

LOCK_OWN_UPLOAD = """
SELECT true
FROM chat_uploads
WHERE id = $1 AND user_id = $2
FOR UPDATE
"""

SELECT_UNUSED_OF_USER = """
SELECT u.id
FROM chat_uploads AS u
WHERE u.user_id = $1
  AND NOT EXISTS (SELECT FROM message_uploads AS l WHERE l.upload_id = u.id)
"""

LOCK_UPLOADS = """
SELECT id
FROM chat_uploads
WHERE id = ANY($1::int[])
ORDER BY id
FOR UPDATE
"""

DELETE_UNUSED = """
DELETE FROM chat_uploads AS u
WHERE u.id = ANY($1::int[])
  AND NOT EXISTS (SELECT FROM message_uploads AS l WHERE l.upload_id = u.id)
RETURNING u.storage_key
"""

SELECT_OLD = f"""
SELECT u.id, used.message_id IS NULL
FROM chat_uploads AS u
{_USE}
WHERE u.id > $1 AND u.created_at < now() - make_interval(secs => $2)
ORDER BY u.id
LIMIT 1000
"""  # noqa: S608

SELECT_KNOWN_KEYS = """
SELECT storage_key
FROM chat_uploads
WHERE storage_key = ANY($1::text[])
"""

SELECT_STORED = """
SELECT id, storage_key
FROM chat_uploads
WHERE id > $1
ORDER BY id
LIMIT 500
"""


async def hold_own_uploads(conn: Connection, pairs: list[Pair]) -> list[UploadRow]:
    """Of the pairs (user, upload) those that belong together. Until the transaction ends they are
    not deleted."""
    rows = await conn.fetch(HOLD_OWN_UPLOADS, *as_columns(pairs))
    return as_rows(UploadRow, rows)


async def select_own_tracks(conn: Connection, pairs: list[Pair]) -> list[OwnTrack]:
    """Of the pairs (user, track) those that belong together; failed tracks are left out."""
    return as_rows(OwnTrack, await conn.fetch(SELECT_OWN_TRACKS, *as_columns(pairs)))


async def insert_message_uploads(conn: Connection, pairs: list[Pair]) -> None:
    """The pairs are (message, upload)."""
    await conn.execute(INSERT_MESSAGE_UPLOADS, *as_columns(pairs))


async def lock_account(conn: Connection, user_id: int) -> bool:
    """False where it is no longer active."""
    return await conn.fetchval(LOCK_ACCOUNT, user_id) is not None


async def count_unused(conn: Connection, user_id: int) -> int:
    """How many of the user's newest thousand no message carries."""
    count: int = await conn.fetchval(COUNT_UNUSED, user_id)
    return count


async def insert_upload(conn: Connection, upload: NewUpload) -> int:
    upload_id: int = await conn.fetchval(INSERT_UPLOAD, *msgspec.structs.astuple(upload))
    return upload_id


async def select_uploads(
    conn: Connection, user_id: int, *, limit: int, offset: int
) -> list[ListedUpload]:
    return as_rows(ListedUpload, await conn.fetch(SELECT_UPLOADS, user_id, limit, offset))


async def count_uploads(conn: Connection, user_id: int) -> int:
    count: int = await conn.fetchval(COUNT_UPLOADS, user_id)
    return count


async def select_visible_upload(
    conn: Connection, upload_id: int, *, viewer_id: int
) -> UploadRow | None:
    """One's own, or one that a message carries which the viewer may see."""
    row = await conn.fetchrow(SELECT_VISIBLE_UPLOAD, upload_id, viewer_id)
    return as_row(UploadRow, row)


async def lock_own_upload(conn: Connection, upload_id: int, *, user_id: int) -> bool:
    """False where the user has no such upload."""
    return await conn.fetchval(LOCK_OWN_UPLOAD, upload_id, user_id) is not None


async def select_unused_of_user(conn: Connection, user_id: int) -> list[int]:
    return [record[0] for record in await conn.fetch(SELECT_UNUSED_OF_USER, user_id)]


async def lock_uploads(conn: Connection, upload_ids: list[int]) -> None:
    """Until the transaction ends no message comes to carry them. What is read after this knows of
    all that do."""
    await conn.execute(LOCK_UPLOADS, upload_ids)


async def delete_unused(conn: Connection, upload_ids: list[int]) -> list[str]:
    """Those of them, all locked, that no message carries; the storage keys that they had."""
    return [record[0] for record in await conn.fetch(DELETE_UNUSED, upload_ids)]


async def select_old(
    conn: Connection, after_id: int, *, older_than_s: float
) -> list[tuple[int, bool]]:
    """The next ids behind this one, each with whether no message carries it."""
    rows = await conn.fetch(SELECT_OLD, after_id, older_than_s)
    return [(row[0], row[1]) for row in rows]


async def select_known_keys(conn: Connection, storage_keys: list[str]) -> set[str]:
    return {record[0] for record in await conn.fetch(SELECT_KNOWN_KEYS, storage_keys)}


async def select_stored(conn: Connection, after_id: int) -> list[StoredRow]:
    return as_rows(StoredRow, await conn.fetch(SELECT_STORED, after_id))
