"""The catalogue: what there is to be owned, and how administrators keep it."""

from typing import Any

import asyncpg
import msgspec

from talas.core import counts
from talas.core.database import Connection
from talas.core.errors import Conflict, NotFound
from talas.core.search_index import SearchIndex
from talas.core.text import given
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.docs.service import forget_product
from talas.domains.products import access, sql
from talas.domains.products.checks import clean_category, clean_product
from talas.domains.products.schemas import (
    Category,
    CategoryChange,
    FoundProduct,
    NewCategory,
    NewProduct,
    Product,
    ProductChange,
)
from talas.domains.products.sql import CategoryRow
from talas.domains.search.service import find_products as search_products

# For those that the index still has and the catalogue has not.
_SPARE = 5


async def find_products(
    conn: Connection, search: SearchIndex, text: str, *, limit: int
) -> list[FoundProduct]:
    """Active ones, the best first; where ``text`` is empty, the newest. Raises Unavailable while
    there is no index."""
    if not text:
        return await sql.select_newest_products(conn, limit=limit)
    product_ids = await search_products(search, text, limit=limit + _SPARE)
    products = {product.id: product for product in await list_by_ids(conn, product_ids)}
    return [products[found] for found in product_ids if found in products][:limit]


async def list_by_ids(conn: Connection, product_ids: list[int]) -> list[FoundProduct]:
    """Those of them that are active, in any order."""
    return await sql.select_products_by_ids(conn, product_ids)


async def create_product(conn: Connection, by: Administrator, new: NewProduct) -> Product:
    """Raises NotFound for a category that is not there."""
    fields = clean_product(given(new))
    await _hold_category(conn, fields["category_id"])
    product_id = await sql.insert_product(conn, fields)
    await write_audit(conn, by, "product.create", product_id, after=fields)
    return await access.load_product_for_update(conn, product_id)


async def update_product(
    conn: Connection, by: Administrator, product_id: int, change: ProductChange
) -> Product:
    """Raises NotFound, for a category that is not there as well."""
    product = await access.load_product_for_update(conn, product_id)
    present = _editable(product)
    changes = _differing(clean_product(given(change)), present)
    if not changes:
        return product
    await _hold_category(conn, changes.get("category_id"))
    await sql.update_product(conn, product_id, present | changes)
    before = {field: present[field] for field in changes}
    await write_audit(conn, by, "product.update", product_id, before=before, after=changes)
    return await access.load_product_for_update(conn, product_id)


async def delete_product(conn: Connection, by: Administrator, product_id: int) -> None:
    """Its internal documents go with it. Raises NotFound, and Conflict where somebody owns it."""
    # Nobody adds it to their gear between the question and the deletion: they need a lock that
    # this one excludes.
    product = await access.load_product_for_update(conn, product_id)
    if await sql.select_product_owned(conn, product_id):
        raise Conflict(
            "Somebody owns this product; set its status to inactive instead",
            code="product_owned",
        )
    await forget_product(conn, product_id)
    await sql.delete_product(conn, product_id)
    await write_audit(conn, by, "product.delete", product_id, before=_editable(product))


async def _hold_category(conn: Connection, category_id: int | None) -> None:
    if category_id is not None and not await sql.hold_category(conn, category_id):
        raise NotFound("Category not found")


def _editable(product: Product) -> dict[str, Any]:
    return {field: getattr(product, field) for field in sql.EDITABLE}


def _differing(fields: dict[str, Any], present: dict[str, Any]) -> dict[str, Any]:
    return {
        field: value for field, value in fields.items() if _json(value) != _json(present[field])
    }


def _json(value: Any) -> bytes:
    """For comparisons: to Python, true and 1 are the same."""
    return msgspec.json.encode(value, order="deterministic")


async def list_categories(conn: Connection) -> list[Category]:
    """From A to Z."""
    return await _counted(conn, await sql.select_categories(conn))


async def create_category(conn: Connection, by: Administrator, new: NewCategory) -> Category:
    """Raises Conflict when the name is taken, in whatever case."""
    fields = clean_category(given(new))
    try:
        category_id = await sql.insert_category(conn, **fields)
    except asyncpg.UniqueViolationError:
        raise _name_taken(fields["name"]) from None
    await write_audit(conn, by, "category.create", category_id, after=fields)
    return Category(id=category_id, **fields, products_count=0)


async def update_category(
    conn: Connection, by: Administrator, category_id: int, change: CategoryChange
) -> Category:
    """Raises NotFound, and Conflict when the name is taken, in whatever case."""
    category = await access.load_category_for_update(conn, category_id)
    present = _fields_of(category)
    changes = _differing(clean_category(given(change)), present)
    if changes:
        try:
            await sql.update_category(conn, category_id, **present | changes)
        except asyncpg.UniqueViolationError:
            raise _name_taken(changes["name"]) from None
        before = {field: present[field] for field in changes}
        await write_audit(conn, by, "category.update", category_id, before=before, after=changes)
    changed = msgspec.structs.replace(category, **changes)
    return (await _counted(conn, [changed]))[0]


async def delete_category(conn: Connection, by: Administrator, category_id: int) -> None:
    """Raises NotFound, and Conflict where a product is in it, active or not."""
    category = await access.load_category_for_update(conn, category_id)
    if await sql.select_category_used(conn, category_id):
        raise Conflict(
            "This category has products; move them to another one first",
            code="category_used",
        )
    await sql.delete_category(conn, category_id)
    before = _fields_of(category)
    await write_audit(conn, by, "category.delete", category_id, before=before)


async def _counted(conn: Connection, rows: list[CategoryRow]) -> list[Category]:
    ids = [row.id for row in rows]
    totals = await counts.totals(conn, "products", "category_id", ids, status="active")
    return [
        Category(**msgspec.structs.asdict(row), products_count=total)
        for row, total in zip(rows, totals, strict=True)
    ]


def _fields_of(category: CategoryRow) -> dict[str, Any]:
    fields = msgspec.structs.asdict(category)
    del fields["id"]
    return fields


def _name_taken(name: str) -> Conflict:
    return Conflict(f"There is a category named {name} already", code="name_taken")
