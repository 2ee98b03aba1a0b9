"""Lists of products: which way to a page costs least."""

from talas.core import counts
from talas.core.database import Connection
from talas.core.http.pagination import Page
from talas.domains.products.lists import sql
from talas.domains.products.schemas import AdminFilter, CatalogueFilter, Product

SORTS = sql.SORTS

Listed = tuple[list[Product], int]


async def list_catalogue(conn: Connection, wanted: CatalogueFilter, page: Page) -> Listed:
    """The active ones of the page, and exactly how many match."""
    if wanted.brand is None:
        total = await _total(conn, "active", wanted.category_id)
    else:
        total = await sql.count_of_brand(conn, wanted.brand, category_id=wanted.category_id)
    return await sql.select_catalogue(conn, wanted, page.window(total)), total


async def list_products(conn: Connection, wanted: AdminFilter, page: Page) -> Listed:
    """As ``list_catalogue``, inactive ones included."""
    if wanted.search is not None:
        return await _of_text(conn, wanted.search, wanted, page)
    total = await _total(conn, wanted.status, wanted.category_id)
    return await sql.select_products(conn, wanted, page.window(total)), total


async def _of_text(conn: Connection, text: str, wanted: AdminFilter, page: Page) -> Listed:
    rows = await sql.select_products_containing(conn, text, wanted, page)
    if page.offset == 0 and len(rows) < page.limit:
        return rows, len(rows)
    return rows, await sql.count_products_containing(conn, text, wanted)


async def _total(conn: Connection, status: str | None, category_id: int | None) -> int:
    key: dict[str, str | int | bool | None] = {}
    if status is not None:
        key["status"] = status
    if category_id is not None:
        key["category_id"] = category_id
    return await counts.total(conn, "products", **key)
