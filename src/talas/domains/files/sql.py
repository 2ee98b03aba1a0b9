"""Files that people keep with their gear, as PostgreSQL keeps it.

``product_id`` is everywhere the id of a piece of gear, a row of user_products.
"""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.core.stored_rows import StoredRow


class FileRow(msgspec.Struct, frozen=True):
    id: int
    product_id: int
    filename: str
    type: str
    mime_type: str
    size: int
    content_hash: bytes
    storage_key: str
    uploaded_at: dt.datetime


class NewRow(msgspec.Struct, frozen=True, kw_only=True):
    product_id: int
    filename: str
    type: str
    mime_type: str
    size: int
    content_hash: bytes
    storage_key: str


SELECT_GEAR_OWNED = """
SELECT EXISTS (SELECT FROM user_products WHERE id = $1 AND user_id = $2)
"""


async def select_gear_owned(conn: Connection, product_id: int, *, user_id: int) -> bool:
    owned: bool = await conn.fetchval(SELECT_GEAR_OWNED, product_id, user_id)
    return owned


# Who deletes the gear waits for this, and this for them; of two uploads one counts after the other.
LOCK_OWN_GEAR = """
SELECT true
FROM user_products
WHERE id = $1 AND user_id = $2
FOR NO KEY UPDATE
"""


async def lock_own_gear(conn: Connection, product_id: int, *, user_id: int) -> bool:
    """False where the user has no such gear."""
    return await conn.fetchval(LOCK_OWN_GEAR, product_id, user_id) is not None


COUNT_FILES = """
SELECT count(*)
FROM files
WHERE product_id = $1
"""


async def count_files(conn: Connection, product_id: int) -> int:
    count: int = await conn.fetchval(COUNT_FILES, product_id)
    return count


SELECT_FILES = """
SELECT id, product_id, filename, type, mime_type, size, content_hash, storage_key, uploaded_at
FROM files
WHERE product_id = $1
ORDER BY id DESC
LIMIT $2 OFFSET $3
"""


async def select_files(
    conn: Connection, product_id: int, *, limit: int, offset: int
) -> list[FileRow]:
    return as_rows(FileRow, await conn.fetch(SELECT_FILES, product_id, limit, offset))


SELECT_OWN_FILES_BY_IDS = """
SELECT f.id, f.product_id, f.filename, f.type, f.mime_type, f.size, f.content_hash, f.storage_key,
  f.uploaded_at
FROM files AS f
JOIN user_products AS p ON p.id = f.product_id
WHERE f.id = ANY($1::INT[]) AND p.user_id = $2
"""


async def select_own_files_by_ids(
    conn: Connection, file_ids: list[int], *, user_id: int
) -> list[FileRow]:
    return as_rows(FileRow, await conn.fetch(SELECT_OWN_FILES_BY_IDS, file_ids, user_id))


SELECT_KNOWN_KEYS = """
SELECT storage_key
FROM files
WHERE storage_key = ANY($1::TEXT[])
"""


async def select_known_keys(conn: Connection, storage_keys: list[str]) -> set[str]:
    return {record[0] for record in await conn.fetch(SELECT_KNOWN_KEYS, storage_keys)}


SELECT_STORED = """
SELECT id, storage_key
FROM files
WHERE id > $1
ORDER BY id
LIMIT 500
"""


async def select_stored(conn: Connection, after_id: int) -> list[StoredRow]:
    return as_rows(StoredRow, await conn.fetch(SELECT_STORED, after_id))


SELECT_OWN_FILE = """
SELECT f.id, f.product_id, f.filename, f.type, f.mime_type, f.size, f.content_hash, f.storage_key,
  f.uploaded_at
FROM files AS f
JOIN user_products AS p ON p.id = f.product_id
WHERE f.id = $1 AND p.user_id = $2
"""


async def select_own_file(conn: Connection, file_id: int, *, user_id: int) -> FileRow | None:
    return as_row(FileRow, await conn.fetchrow(SELECT_OWN_FILE, file_id, user_id))


INSERT_FILE = """
INSERT INTO files (product_id, filename, type, mime_type, size, content_hash, storage_key)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id
"""


async def insert_file(conn: Connection, file: NewRow) -> int:
    file_id: int = await conn.fetchval(INSERT_FILE, *msgspec.structs.astuple(file))
    return file_id


DELETE_OWN_FILE = """
DELETE FROM files AS f
USING user_products AS p
WHERE f.id = $1 AND p.id = f.product_id AND p.user_id = $2
RETURNING f.storage_key
"""


async def delete_own_file(conn: Connection, file_id: int, *, user_id: int) -> str | None:
    """The storage key that it had; None where the user has no such file."""
    storage_key: str | None = await conn.fetchval(DELETE_OWN_FILE, file_id, user_id)
    return storage_key


DELETE_FILES_OF_GEAR = """
DELETE FROM files
WHERE product_id = $1
RETURNING storage_key
"""


async def delete_files_of_gear(conn: Connection, product_id: int) -> list[str]:
    """The storage keys that they had."""
    return [record[0] for record in await conn.fetch(DELETE_FILES_OF_GEAR, product_id)]


DELETE_FILES_OF_USER = """
DELETE FROM files AS f
USING user_products AS p
WHERE p.id = f.product_id AND p.user_id = $1
RETURNING f.storage_key
"""


async def delete_files_of_user(conn: Connection, user_id: int) -> list[str]:
    """The storage keys that they had."""
    return [record[0] for record in await conn.fetch(DELETE_FILES_OF_USER, user_id)]
