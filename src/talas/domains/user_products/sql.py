"""Gear: what somebody owns of the catalogue, as PostgreSQL keeps it."""

import datetime as dt

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.domains.user_products.schemas import Gear, GearFields, GearWarranty


class Insertion(msgspec.Struct, frozen=True, kw_only=True):
    """Whether there is an active product; whether its warranty would end after the year 9999; the
    row, which without either cause against it is missing where the user has the product already."""

    has_product: bool
    ends_too_late: bool
    gear: Gear | None


class Expiry(msgspec.Struct, frozen=True):
    id: int
    product_name: str
    brand: str | None
    warranty_expires: dt.date
    created_at: dt.datetime
    updated_at: dt.datetime


# S608 below: what is put together are constants of this file.
_TODAY = "(now() AT TIME ZONE 'UTC')::DATE"
_LAST_DAY = "DATE '9999-12-30'"
_COLUMNS = f"""up.id, up.user_id, up.product_id, p.name, c.name, p.brand, p.model, up.version,
  up.serial_number, up.purchase_date, up.purchase_price, up.warranty_expires,
  coalesce(up.warranty_expires >= {_TODAY}, false), up.status, up.notes,
  (SELECT count(*) FROM files AS f WHERE f.product_id = up.id),
  (SELECT count(*) FROM product_docs AS d WHERE d.product_id = up.product_id),
  up.created_at, up.updated_at"""  # noqa: S608
_TABLES = """user_products AS up
JOIN products AS p ON p.id = up.product_id
LEFT JOIN categories AS c ON c.id = p.category_id"""

SELECT_GEAR = f"""
SELECT {_COLUMNS}
FROM {_TABLES}
WHERE up.id = $1 AND up.user_id = $2
"""  # noqa: S608


async def select_gear(conn: Connection, gear_id: int, *, user_id: int) -> Gear | None:
    return as_row(Gear, await conn.fetchrow(SELECT_GEAR, gear_id, user_id))


LOCK_GEAR = """
SELECT version, serial_number, purchase_date, purchase_price, warranty_expires, notes, status
FROM user_products
WHERE id = $1 AND user_id = $2
FOR UPDATE
"""


async def lock_gear(conn: Connection, gear_id: int, *, user_id: int) -> GearFields | None:
    record = await conn.fetchrow(LOCK_GEAR, gear_id, user_id)
    return None if record is None else GearFields(**record)


SELECT_PAGE = f"""
SELECT {_COLUMNS}
FROM {_TABLES}
WHERE up.user_id = $1
  AND ($2::TEXT IS NULL OR up.status = $2)
ORDER BY up.id DESC
LIMIT $3 OFFSET $4
"""  # noqa: S608


async def select_page(
    conn: Connection, user_id: int, *, status: str | None, limit: int, offset: int
) -> list[Gear]:
    return as_rows(Gear, await conn.fetch(SELECT_PAGE, user_id, status, limit, offset))


COUNT_GEAR = """
SELECT count(*)
FROM user_products
WHERE user_id = $1
  AND ($2::TEXT IS NULL OR status = $2)
"""


async def count_gear(conn: Connection, user_id: int, *, status: str | None) -> int:
    total: int = await conn.fetchval(COUNT_GEAR, user_id, status)
    return total


_WARRANTY_STATUS = f"""CASE
    WHEN up.warranty_expires IS NULL THEN 'none'
    WHEN up.warranty_expires < {_TODAY} THEN 'expired'
    WHEN up.warranty_expires <= {_TODAY} + $2::INT THEN 'expiring'
    ELSE 'active'
  END"""

SELECT_WARRANTIES = f"""
SELECT {_COLUMNS}, {_WARRANTY_STATUS}, up.warranty_expires - {_TODAY}
FROM {_TABLES}
WHERE up.user_id = $1
  AND ($3::TEXT IS NULL OR {_WARRANTY_STATUS} = $3)
ORDER BY up.warranty_expires < {_TODAY}, up.warranty_expires, up.id
LIMIT $4 OFFSET $5
"""  # noqa: S608


async def select_warranties(
    conn: Connection, user_id: int, *, days: int, status: str | None, limit: int, offset: int
) -> list[GearWarranty]:
    """What ends next comes first, then what has ended, then what has no warranty."""
    records = await conn.fetch(SELECT_WARRANTIES, user_id, days, status, limit, offset)
    return as_rows(GearWarranty, records)


COUNT_WARRANTIES = f"""
SELECT count(*)
FROM user_products AS up
WHERE up.user_id = $1
  AND ($3::TEXT IS NULL OR {_WARRANTY_STATUS} = $3)
"""  # noqa: S608


async def count_warranties(conn: Connection, user_id: int, *, days: int, status: str | None) -> int:
    total: int = await conn.fetchval(COUNT_WARRANTIES, user_id, days, status)
    return total


SELECT_EXPIRIES = f"""
SELECT up.id, p.name, p.brand, up.warranty_expires, up.created_at, up.updated_at
FROM user_products AS up
JOIN products AS p ON p.id = up.product_id
WHERE up.user_id = $1
  AND up.warranty_expires >= {_TODAY} - 366
  AND up.status IN ('active', 'broken')
ORDER BY up.warranty_expires, up.id
LIMIT $2
"""  # noqa: S608


async def select_expiries(conn: Connection, user_id: int, *, limit: int) -> list[Expiry]:
    """Of what is still theirs."""
    return as_rows(Expiry, await conn.fetch(SELECT_EXPIRIES, user_id, limit))


# The locks keep the account from being suspended and the product from being deleted, and are
# taken in this order. As interval arithmetic has it, a month's last day stays one; the most months
# that may be added keep dates in PostgreSQL's range, and are beyond _LAST_DAY for any purchase.
INSERT_GEAR = f"""
WITH account AS (
  SELECT id
  FROM users
  WHERE id = $1 AND status = 'active'
  FOR SHARE
), product AS (
  SELECT p.id, p.name, p.brand, p.model, p.category_id,
    CASE
      WHEN NOT $10::BOOL THEN $7::DATE
      WHEN p.warranty_months > 0 THEN (
        $5::DATE + make_interval(months => least(p.warranty_months, 120000))
      )::DATE
    END AS warranty_expires
  FROM account
  JOIN products AS p ON p.id = $2 AND p.status = 'active'
  FOR KEY SHARE OF p
), added AS (
  INSERT INTO user_products (
    user_id, product_id, version, serial_number, purchase_date, purchase_price, warranty_expires,
    notes, status
  )
  SELECT account.id, product.id, $3, $4, $5, $6, product.warranty_expires, $8, $9
  FROM account, product
  WHERE (product.warranty_expires > {_LAST_DAY}) IS NOT TRUE
  ON CONFLICT (user_id, product_id) DO NOTHING
  RETURNING *
)
SELECT p.id IS NOT NULL, coalesce(p.warranty_expires > {_LAST_DAY}, false), {_COLUMNS}
FROM account
LEFT JOIN product AS p ON true
LEFT JOIN categories AS c ON c.id = p.category_id
LEFT JOIN added AS up ON true
"""  # noqa: S608


async def insert_gear(
    conn: Connection,
    user_id: int,
    product_id: int | None,
    fields: GearFields,
    *,
    warranty_of_product: bool,
) -> Insertion | None:
    """None when the account is not active. ``warranty_of_product`` takes the purchase date and the
    product's months of warranty in place of what ``fields`` says."""
    values = msgspec.structs.astuple(fields)
    record = await conn.fetchrow(INSERT_GEAR, user_id, product_id, *values, warranty_of_product)
    if record is None:
        return None
    has_product, ends_too_late, gear_id, *_ = record
    return Insertion(
        has_product=has_product,
        ends_too_late=ends_too_late,
        gear=None if gear_id is None else Gear(*record[2:]),
    )


UPDATE_GEAR = """
UPDATE user_products
SET version = $2, serial_number = $3, purchase_date = $4, purchase_price = $5,
  warranty_expires = $6, notes = $7, status = $8, updated_at = now()
WHERE id = $1
"""


async def update_gear(conn: Connection, gear_id: int, fields: GearFields) -> None:
    await conn.execute(UPDATE_GEAR, gear_id, *msgspec.structs.astuple(fields))


SELECT_HAS_FILES = """
SELECT EXISTS (SELECT FROM files WHERE product_id = $1)
"""


async def select_has_files(conn: Connection, gear_id: int) -> bool:
    has_files: bool = await conn.fetchval(SELECT_HAS_FILES, gear_id)
    return has_files


DELETE_GEAR = """
DELETE FROM user_products
WHERE id = $1
"""


async def delete_gear(conn: Connection, gear_id: int) -> None:
    await conn.execute(DELETE_GEAR, gear_id)


# In the order of ids, as every other who holds several.
LOCK_GEAR_OF_USER = """
SELECT
FROM user_products
WHERE user_id = $1
ORDER BY id
FOR UPDATE
"""


async def lock_gear_of_user(conn: Connection, user_id: int) -> None:
    await conn.execute(LOCK_GEAR_OF_USER, user_id)


DELETE_GEAR_OF_USER = """
DELETE FROM user_products
WHERE user_id = $1
"""


async def delete_gear_of_user(conn: Connection, user_id: int) -> None:
    await conn.execute(DELETE_GEAR_OF_USER, user_id)
