"""Uploads that messages carry, or may carry, as PostgreSQL keeps them.

Who links an upload to a message holds its row against deletion, and who deletes one has locked it
before looking for messages that carry it: neither misses the other.
"""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_rows

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


class OwnTrack(msgspec.Struct, frozen=True):
    id: int
    user_id: int
    title: str
    artist: str
    duration_ms: int | None


# In the order of ids, as everybody who holds several.
HOLD_OWN_UPLOADS = """
SELECT
    u.id, u.user_id, u.name, u.media_type, u.kind, u.size, u.content_hash, u.storage_key,
    u.created_at
FROM unnest($1::int[], $2::int[]) AS asked (user_id, id)
JOIN chat_uploads AS u ON u.id = asked.id AND u.user_id = asked.user_id
ORDER BY u.id
FOR KEY SHARE OF u
"""

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


async def hold_own_uploads(conn: Connection, pairs: list[Pair]) -> list[UploadRow]:
    """Of the pairs (user, upload) those that belong together. Until the transaction ends they are
    not deleted."""
    rows = await conn.fetch(HOLD_OWN_UPLOADS, *_columns(pairs))
    return as_rows(UploadRow, rows)


async def select_own_tracks(conn: Connection, pairs: list[Pair]) -> list[OwnTrack]:
    """Of the pairs (user, track) those that belong together; failed tracks are left out."""
    return as_rows(OwnTrack, await conn.fetch(SELECT_OWN_TRACKS, *_columns(pairs)))


async def insert_message_uploads(conn: Connection, pairs: list[Pair]) -> None:
    """The pairs are (message, upload)."""
    await conn.execute(INSERT_MESSAGE_UPLOADS, *_columns(pairs))


def _columns(pairs: list[Pair]) -> tuple[list[int], list[int]]:
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
