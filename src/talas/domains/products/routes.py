"""``/products`` and ``/categories``: the catalogue as everybody sees it, without a token."""

from litestar import get
from litestar.params import FromPath

from talas.core.http.describe import (
    PAGE_QUERY,
    choice_query,
    describe,
    id_query,
    int_query,
    text_query,
)
from talas.core.http.envelope import Envelope, Paged, ok
from talas.core.http.pagination import paged, parse_choice, parse_id, parse_int, parse_text
from talas.core.http.request import Request
from talas.domains.products import access, admin_routes, service
from talas.domains.products.lists import service as lists
from talas.domains.products.schemas import (
    CatalogueFilter,
    Category,
    FoundProduct,
    Product,
)

MAX_FOUND = 50


@get(
    "/products",
    **describe(
        "The catalogue",
        tag="products",
        public=True,
        query=(
            *PAGE_QUERY,
            id_query("category_id", "Only this category"),
            text_query("brand", "Only this brand, ignoring case"),
            choice_query(
                "sort",
                "What comes first: the newest (default), by name from A to Z, the cheapest "
                "(price), the dearest (price_desc); without a price comes last",
                lists.SORTS,
            ),
        ),
    ),
)
async def list_catalogue(request: Request) -> Paged[Product]:
    page, wanted = request.read_page(), _read_filter(request)
    async with request.db.connection() as conn:
        products, total = await lists.list_catalogue(conn, wanted, page)
    return paged(products, page, total)


def _read_filter(request: Request) -> CatalogueFilter:
    query = request.query_params
    category_id = parse_id("category_id", query.get("category_id"))
    brand = parse_text("brand", query.get("brand"))
    sort = parse_choice("sort", query.get("sort"), lists.SORTS) or lists.SORTS[0]
    return CatalogueFilter(category_id=category_id, brand=brand or None, sort=sort)


@get(
    "/products/search",
    **describe(
        "Find products",
        tag="products",
        public=True,
        query=(
            text_query("q", "What to look for; left out or empty: the newest"),
            int_query("limit", "How many at most", default=10, least=1, most=MAX_FOUND),
        ),
    ),
)
async def find_products(request: Request) -> Envelope[list[FoundProduct]]:
    query = request.query_params
    limit = parse_int("limit", query.get("limit"), default=10, least=1, most=MAX_FOUND)
    text = parse_text("q", query.get("q"))
    async with request.db.connection() as conn:
        return ok(await service.find_products(conn, request.search, text, limit=limit))


@get(
    "/products/{product_id:int}",
    **describe("One product", tag="products", public=True, errors=(404,)),
)
async def show_product(request: Request, product_id: FromPath[int]) -> Envelope[Product]:
    async with request.db.connection() as conn:
        return ok(await access.load_active_product(conn, product_id))


@get(
    "/categories",
    **describe("The categories, from A to Z", tag="products", public=True),
)
async def list_categories(request: Request) -> Envelope[list[Category]]:
    async with request.db.connection() as conn:
        return ok(await service.list_categories(conn))


api_routes = [
    list_catalogue,
    find_products,
    show_product,
    list_categories,
    *admin_routes.api_routes,
]
