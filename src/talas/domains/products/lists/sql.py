"""Pages of the catalogue, each kind along the index that has its order or finds its rows.

The statements' first arguments are the limit and the offset, then the filters.
"""

from talas.core.database import Connection, has_trigrams
from talas.core.http.pagination import Page, Window
from talas.core.trigrams import may_contain
from talas.domains.products.schemas import AdminFilter, CatalogueFilter, Product
from talas.domains.products.sql import as_product, product_columns

# Each with its reverse, for pages that are nearer to the end.
_ORDERS = {
    "newest": ("p.id DESC", "p.id"),
    "name": ("lower(p.name), p.id", "lower(p.name) DESC, p.id DESC"),
    "price": ("p.price, p.id", "p.price DESC, p.id DESC"),
    "price_desc": ("p.price DESC NULLS LAST, p.id DESC", "p.price NULLS FIRST, p.id"),
}
SORTS = tuple(_ORDERS)
# By whether there is a filter for the category, and for the brand.
_ACTIVE = {
    (False, False): "p.status = 'active'",
    (True, False): "p.status = 'active' AND p.category_id = $3",
    (False, True): "p.status = 'active' AND lower(p.brand) = lower($3)",
    (True, True): "p.status = 'active' AND p.category_id = $3 AND lower(p.brand) = lower($4)",
}
# By the status, and by whether there is a filter for the category.
_ANY = {
    (None, False): "true",
    (None, True): "p.category_id = $3",
    ("active", False): "p.status = 'active'",
    ("active", True): "p.status = 'active' AND p.category_id = $3",
    ("inactive", False): "p.status = 'inactive'",
    ("inactive", True): "p.status = 'inactive' AND p.category_id = $3",
}


# S608 below: what is put together are constants of this file.
def _page(condition: str, order: str, along: str) -> str:
    """``along`` is the order, or its reverse."""
    return f"""
WITH page AS (
  SELECT p.id
  FROM products AS p
  WHERE {condition}
  ORDER BY {along}
  LIMIT $1
  OFFSET $2
)
SELECT {product_columns}
FROM page
JOIN products AS p ON p.id = page.id
LEFT JOIN categories AS c ON c.id = p.category_id
ORDER BY {order}
"""  # noqa: S608


CATALOGUE_PAGES = {
    (sort, *by, from_end): _page(condition, order, reverse if from_end else order)
    for sort, (order, reverse) in _ORDERS.items()
    for by, condition in _ACTIVE.items()
    for from_end in (False, True)
}
PAGES = {
    (*by, from_end): _page(condition, "p.id DESC", "p.id" if from_end else "p.id DESC")
    for by, condition in _ANY.items()
    for from_end in (False, True)
}


async def select_catalogue(
    conn: Connection, wanted: CatalogueFilter, window: Window
) -> list[Product]:
    """Active ones. ``wanted.sort`` is one of SORTS."""
    by = (wanted.category_id is not None, wanted.brand is not None)
    filters = [value for value in (wanted.category_id, wanted.brand) if value is not None]
    statement = CATALOGUE_PAGES[wanted.sort, *by, window.from_end]
    records = await conn.fetch(statement, window.limit, window.offset, *filters)
    return [as_product(record) for record in records]


COUNT_OF_BRAND = """
SELECT count(*)
FROM products AS p
WHERE p.status = 'active'
  AND lower(p.brand) = lower($1)
  AND ($2::INT IS NULL OR p.category_id = $2)
"""


async def count_of_brand(conn: Connection, brand: str, *, category_id: int | None) -> int:
    """Active ones; None stands for every category."""
    count: int = await conn.fetchval(COUNT_OF_BRAND, brand, category_id)
    return count


async def select_products(conn: Connection, wanted: AdminFilter, window: Window) -> list[Product]:
    """The newest first. The filter's ``search`` is not looked at."""
    filters = [] if wanted.category_id is None else [wanted.category_id]
    statement = PAGES[wanted.status, wanted.category_id is not None, window.from_end]
    records = await conn.fetch(statement, window.limit, window.offset, *filters)
    return [as_product(record) for record in records]


def _matching(text: str, category_id: str, status: str) -> str:
    return f"""products AS p
  WHERE strpos(lower(concat_ws(E'\\n', p.name, p.brand, p.model)), lower({text})) > 0
    AND ({category_id}::INT IS NULL OR p.category_id = {category_id})
    AND ({status}::TEXT IS NULL OR p.status = {status})"""


def _may_match(text: str) -> str:
    return may_contain(
        "p.name || E'\\n' || coalesce(p.brand, '') || E'\\n' || coalesce(p.model, '')", text
    )


def _page_of_text(source: str) -> str:
    """All that match are looked up before the page is cut."""
    return f"""
WITH found AS MATERIALIZED (
  SELECT p.id
  FROM {source}
), page AS (
  SELECT id
  FROM found
  ORDER BY id DESC
  LIMIT $1
  OFFSET $2
)
SELECT {product_columns}
FROM page
JOIN products AS p ON p.id = page.id
LEFT JOIN categories AS c ON c.id = p.category_id
ORDER BY p.id DESC
"""  # noqa: S608


PAGE_OF_SHORT_TEXT = _page_of_text(_matching("$3", "$4", "$5"))
PAGE_OF_TEXT = _page_of_text(f"{_matching('$3', '$4', '$5')}\n    AND {_may_match('$3')}")
COUNT_OF_SHORT_TEXT = f"SELECT count(*)\nFROM {_matching('$1', '$2', '$3')}"
COUNT_OF_TEXT = f"{COUNT_OF_SHORT_TEXT}\n    AND {_may_match('$1')}"


async def select_products_containing(
    conn: Connection, text: str, wanted: AdminFilter, page: Page
) -> list[Product]:
    """As ``select_products``. A text of fewer than three characters reads the whole table."""
    statement = PAGE_OF_TEXT if has_trigrams(text) else PAGE_OF_SHORT_TEXT
    filters = (text, wanted.category_id, wanted.status)
    records = await conn.fetch(statement, page.limit, page.offset, *filters)
    return [as_product(record) for record in records]


async def count_products_containing(conn: Connection, text: str, wanted: AdminFilter) -> int:
    """As ``select_products_containing``."""
    statement = COUNT_OF_TEXT if has_trigrams(text) else COUNT_OF_SHORT_TEXT
    count: int = await conn.fetchval(statement, text, wanted.category_id, wanted.status)
    return count
