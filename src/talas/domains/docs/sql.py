"""Documents of the house about a product of the catalogue, as PostgreSQL keeps it."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.core.stored_rows import StoredRow


class DocRow(msgspec.Struct, frozen=True):
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
    uploaded_by: int | None


SELECT_PRODUCT_SHOWN = """
SELECT EXISTS (
  SELECT
  FROM products AS p
  WHERE p.id = $1
    AND (
      p.status = 'active'
      OR $2
      OR EXISTS (SELECT FROM user_products AS up WHERE up.product_id = p.id AND up.user_id = $3)
    )
)
"""


async def select_product_shown(
    conn: Connection, product_id: int, *, with_inactive: bool, viewer_id: int
) -> bool:
    shown: bool = await conn.fetchval(SELECT_PRODUCT_SHOWN, product_id, with_inactive, viewer_id)
    return shown


HOLD_PRODUCT = """
SELECT true
FROM products
WHERE id = $1
FOR KEY SHARE
"""


async def hold_product(conn: Connection, product_id: int) -> bool:
    """Until the transaction ends nobody can delete it. False where there is none."""
    return await conn.fetchval(HOLD_PRODUCT, product_id) is not None


SELECT_DOCS = """
SELECT id, product_id, filename, type, mime_type, size, content_hash, storage_key, uploaded_at
FROM product_docs
WHERE product_id = $1
ORDER BY id DESC
LIMIT $2 OFFSET $3
"""


async def select_docs(
    conn: Connection, product_id: int, *, limit: int, offset: int
) -> list[DocRow]:
    return as_rows(DocRow, await conn.fetch(SELECT_DOCS, product_id, limit, offset))


COUNT_DOCS = """
SELECT count(*)
FROM product_docs
WHERE product_id = $1
"""


async def count_docs(conn: Connection, product_id: int) -> int:
    count: int = await conn.fetchval(COUNT_DOCS, product_id)
    return count


SELECT_DOC_SHOWN = """
SELECT d.id, d.product_id, d.filename, d.type, d.mime_type, d.size, d.content_hash, d.storage_key,
  d.uploaded_at
FROM product_docs AS d
JOIN products AS p ON p.id = d.product_id
WHERE d.id = $1
  AND (
    p.status = 'active'
    OR $2
    OR EXISTS (SELECT FROM user_products AS up WHERE up.product_id = p.id AND up.user_id = $3)
  )
"""


async def select_doc_shown(
    conn: Connection, doc_id: int, *, with_inactive: bool, viewer_id: int
) -> DocRow | None:
    record = await conn.fetchrow(SELECT_DOC_SHOWN, doc_id, with_inactive, viewer_id)
    return as_row(DocRow, record)


INSERT_DOC = """
INSERT INTO product_docs (
  product_id, filename, type, mime_type, size, content_hash, storage_key, uploaded_by
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING id, product_id, filename, type, mime_type, size, content_hash, storage_key, uploaded_at
"""


async def insert_doc(conn: Connection, doc: NewRow) -> DocRow:
    row = as_row(DocRow, await conn.fetchrow(INSERT_DOC, *msgspec.structs.astuple(doc)))
    assert row is not None
    return row


DELETE_DOC = """
DELETE FROM product_docs
WHERE id = $1
RETURNING id, product_id, filename, type, mime_type, size, content_hash, storage_key, uploaded_at
"""


async def delete_doc(conn: Connection, doc_id: int) -> DocRow | None:
    """What it was; None where there is none."""
    return as_row(DocRow, await conn.fetchrow(DELETE_DOC, doc_id))


DELETE_DOCS_OF_PRODUCT = """
DELETE FROM product_docs
WHERE product_id = $1
RETURNING storage_key
"""


async def delete_docs_of_product(conn: Connection, product_id: int) -> list[str]:
    """The storage keys that they had."""
    return [record[0] for record in await conn.fetch(DELETE_DOCS_OF_PRODUCT, product_id)]


SELECT_KNOWN_KEYS = """
SELECT storage_key
FROM product_docs
WHERE storage_key = ANY($1::TEXT[])
"""


async def select_known_keys(conn: Connection, storage_keys: list[str]) -> set[str]:
    return {record[0] for record in await conn.fetch(SELECT_KNOWN_KEYS, storage_keys)}


SELECT_STORED = """
SELECT id, storage_key
FROM product_docs
WHERE id > $1
ORDER BY id
LIMIT 500
"""


async def select_stored(conn: Connection, after_id: int) -> list[StoredRow]:
    return as_rows(StoredRow, await conn.fetch(SELECT_STORED, after_id))
