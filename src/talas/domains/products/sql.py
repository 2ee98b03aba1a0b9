"""The catalogue, as PostgreSQL keeps it."""

from typing import Any

import asyncpg
import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.domains.products.schemas import FoundProduct, Product


class CategoryRow(msgspec.Struct, frozen=True):
    id: int
    name: str
    description: str | None


# S608 below: what is put together are constants of this file.
product_columns = """p.id, p.name, p.category_id, c.name, p.brand, p.model, p.description, p.price,
  p.warranty_months, p.warranty_conditions, p.manufacturer_website, p.specifications, p.status,
  p.created_at, p.updated_at"""
_SPECIFICATIONS = 11


def as_product(record: asyncpg.Record) -> Product:
    """Of a record with ``product_columns``."""
    values = list(record)
    if values[_SPECIFICATIONS] is not None:
        values[_SPECIFICATIONS] = msgspec.json.decode(values[_SPECIFICATIONS])
    return Product(*values)


SELECT_PRODUCT = f"""
SELECT {product_columns}
FROM products AS p
LEFT JOIN categories AS c ON c.id = p.category_id
WHERE p.id = $1
"""  # noqa: S608


async def select_product(conn: Connection, product_id: int) -> Product | None:
    record = await conn.fetchrow(SELECT_PRODUCT, product_id)
    return None if record is None else as_product(record)


SELECT_PRODUCT_FOR_UPDATE = f"""
SELECT {product_columns}
FROM products AS p
LEFT JOIN categories AS c ON c.id = p.category_id
WHERE p.id = $1
FOR UPDATE OF p
"""  # noqa: S608


async def select_product_for_update(conn: Connection, product_id: int) -> Product | None:
    record = await conn.fetchrow(SELECT_PRODUCT_FOR_UPDATE, product_id)
    return None if record is None else as_product(record)


SELECT_PRODUCTS_BY_IDS = """
SELECT id, name, brand, model, description
FROM products
WHERE id = ANY($1::INT[]) AND status = 'active'
"""


async def select_products_by_ids(conn: Connection, product_ids: list[int]) -> list[FoundProduct]:
    return as_rows(FoundProduct, await conn.fetch(SELECT_PRODUCTS_BY_IDS, product_ids))


SELECT_NEWEST_PRODUCTS = """
SELECT id, name, brand, model, description
FROM products
WHERE status = 'active'
ORDER BY id DESC
LIMIT $1
"""


async def select_newest_products(conn: Connection, *, limit: int) -> list[FoundProduct]:
    return as_rows(FoundProduct, await conn.fetch(SELECT_NEWEST_PRODUCTS, limit))


INSERT_PRODUCT = """
INSERT INTO products (
  name, category_id, brand, model, description, price, warranty_months, warranty_conditions,
  manufacturer_website, specifications, status
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
RETURNING id
"""


async def insert_product(conn: Connection, fields: dict[str, Any]) -> int:
    """``fields`` are all of ``EDITABLE``."""
    product_id: int = await conn.fetchval(INSERT_PRODUCT, *_values(fields))
    return product_id


UPDATE_PRODUCT = """
UPDATE products
SET name = $2, category_id = $3, brand = $4, model = $5, description = $6, price = $7,
  warranty_months = $8, warranty_conditions = $9, manufacturer_website = $10,
  specifications = $11, status = $12, updated_at = now()
WHERE id = $1
"""


async def update_product(conn: Connection, product_id: int, fields: dict[str, Any]) -> None:
    """``fields`` are all of ``EDITABLE``."""
    await conn.execute(UPDATE_PRODUCT, product_id, *_values(fields))


EDITABLE = (
    "name",
    "category_id",
    "brand",
    "model",
    "description",
    "price",
    "warranty_months",
    "warranty_conditions",
    "manufacturer_website",
    "specifications",
    "status",
)


def _values(fields: dict[str, Any]) -> list[Any]:
    values = {field: fields[field] for field in EDITABLE}
    if values["specifications"] is not None:
        values["specifications"] = msgspec.json.encode(values["specifications"]).decode()
    return list(values.values())


SELECT_PRODUCT_OWNED = """
SELECT EXISTS (SELECT FROM user_products WHERE product_id = $1)
"""


async def select_product_owned(conn: Connection, product_id: int) -> bool:
    owned: bool = await conn.fetchval(SELECT_PRODUCT_OWNED, product_id)
    return owned


DELETE_PRODUCT = """
DELETE FROM products
WHERE id = $1
"""


async def delete_product(conn: Connection, product_id: int) -> None:
    await conn.execute(DELETE_PRODUCT, product_id)


SELECT_CATEGORIES = """
SELECT id, name, description
FROM categories
ORDER BY lower(name)
"""


async def select_categories(conn: Connection) -> list[CategoryRow]:
    return as_rows(CategoryRow, await conn.fetch(SELECT_CATEGORIES))


HOLD_CATEGORY = """
SELECT true
FROM categories
WHERE id = $1
FOR KEY SHARE
"""


async def hold_category(conn: Connection, category_id: int) -> bool:
    """Until the transaction ends it cannot be deleted; False when it is not there."""
    held: bool | None = await conn.fetchval(HOLD_CATEGORY, category_id)
    return held is not None


SELECT_CATEGORY_FOR_UPDATE = """
SELECT id, name, description
FROM categories
WHERE id = $1
FOR UPDATE
"""


async def select_category_for_update(conn: Connection, category_id: int) -> CategoryRow | None:
    return as_row(CategoryRow, await conn.fetchrow(SELECT_CATEGORY_FOR_UPDATE, category_id))


INSERT_CATEGORY = """
INSERT INTO categories (name, description)
VALUES ($1, $2)
RETURNING id
"""


async def insert_category(conn: Connection, *, name: str, description: str | None) -> int:
    """Raises asyncpg.UniqueViolationError when the name is taken, in whatever case."""
    category_id: int = await conn.fetchval(INSERT_CATEGORY, name, description)
    return category_id


UPDATE_CATEGORY = """
UPDATE categories
SET name = $2, description = $3, updated_at = now()
WHERE id = $1
"""


async def update_category(
    conn: Connection, category_id: int, *, name: str, description: str | None
) -> None:
    """Raises asyncpg.UniqueViolationError when the name is taken, in whatever case."""
    await conn.execute(UPDATE_CATEGORY, category_id, name, description)


SELECT_CATEGORY_USED = """
SELECT EXISTS (SELECT FROM products WHERE category_id = $1)
"""


async def select_category_used(conn: Connection, category_id: int) -> bool:
    used: bool = await conn.fetchval(SELECT_CATEGORY_USED, category_id)
    return used


DELETE_CATEGORY = """
DELETE FROM categories
WHERE id = $1
"""


async def delete_category(conn: Connection, category_id: int) -> None:
    await conn.execute(DELETE_CATEGORY, category_id)
