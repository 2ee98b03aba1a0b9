"""``/admin/products`` and ``/admin/categories``: who keeps the catalogue."""

from litestar import delete, get, post, put
from litestar.params import FromPath

from talas.core.http.describe import (
    PAGE_QUERY,
    choice_query,
    describe,
    id_query,
    text_query,
)
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged, parse_choice, parse_id, parse_text
from talas.core.http.request import Request
from talas.core.permissions import Permission
from talas.domains.admin.acting import acting
from talas.domains.products import service
from talas.domains.products.checks import STATUSES
from talas.domains.products.lists import service as lists
from talas.domains.products.schemas import (
    AdminFilter,
    Category,
    CategoryChange,
    NewCategory,
    NewProduct,
    Product,
    ProductChange,
)


@get(
    "/admin/products",
    **describe(
        "The whole catalogue, inactive products included",
        tag="admin",
        errors=(403,),
        query=(
            *PAGE_QUERY,
            text_query("search", "Part of a name, brand or model"),
            id_query("category_id", "Only this category"),
            choice_query("status", "Only those with this status", STATUSES),
        ),
    ),
)
async def list_products(request: Request) -> Paged[Product]:
    (await request.actor()).require(Permission.MANAGE_CATALOGUE)
    page, wanted = request.read_page(), _read_filter(request)
    async with request.db.connection() as conn:
        products, total = await lists.list_products(conn, wanted, page)
    return paged(products, page, total)


def _read_filter(request: Request) -> AdminFilter:
    query = request.query_params
    search = parse_text("search", query.get("search"))
    status = parse_choice("status", query.get("status"), STATUSES)
    category_id = parse_id("category_id", query.get("category_id"))
    return AdminFilter(search=search or None, category_id=category_id, status=status)


@post(
    "/admin/products",
    **describe("Add a product", tag="admin", body=NewProduct, errors=(403, 404)),
)
async def create_product(request: Request) -> Envelope[Product]:
    by = await acting(request, Permission.MANAGE_CATALOGUE)
    body = await request.body_as(NewProduct)
    async with request.db.transaction() as conn:
        product = await service.create_product(conn, by, body)
    return ok(product, "Product created successfully")


@put(
    "/admin/products/{product_id:int}",
    **describe("Change a product", tag="admin", body=ProductChange, errors=(403, 404)),
)
async def update_product(request: Request, product_id: FromPath[int]) -> Envelope[Product]:
    by = await acting(request, Permission.MANAGE_CATALOGUE)
    body = await request.body_as(ProductChange)
    async with request.db.transaction() as conn:
        product = await service.update_product(conn, by, product_id, body)
    return ok(product, "Product updated successfully")


@delete(
    "/admin/products/{product_id:int}",
    status_code=200,
    **describe("Delete a product that nobody owns", tag="admin", errors=(403, 404, 409)),
)
async def delete_product(request: Request, product_id: FromPath[int]) -> Acknowledged:
    by = await acting(request, Permission.MANAGE_CATALOGUE)
    async with request.db.transaction() as conn:
        await service.delete_product(conn, by, product_id)
    return Acknowledged(message="Product deleted successfully")


@post(
    "/admin/categories",
    **describe("Add a category", tag="admin", body=NewCategory, errors=(403, 409)),
)
async def create_category(request: Request) -> Envelope[Category]:
    by = await acting(request, Permission.MANAGE_CATALOGUE)
    body = await request.body_as(NewCategory)
    async with request.db.transaction() as conn:
        category = await service.create_category(conn, by, body)
    return ok(category, "Category created successfully")


@put(
    "/admin/categories/{category_id:int}",
    **describe("Change a category", tag="admin", body=CategoryChange, errors=(403, 404, 409)),
)
async def update_category(request: Request, category_id: FromPath[int]) -> Envelope[Category]:
    by = await acting(request, Permission.MANAGE_CATALOGUE)
    body = await request.body_as(CategoryChange)
    async with request.db.transaction() as conn:
        category = await service.update_category(conn, by, category_id, body)
    return ok(category, "Category updated successfully")


@delete(
    "/admin/categories/{category_id:int}",
    status_code=200,
    **describe("Delete a category without products", tag="admin", errors=(403, 404, 409)),
)
async def delete_category(request: Request, category_id: FromPath[int]) -> Acknowledged:
    by = await acting(request, Permission.MANAGE_CATALOGUE)
    async with request.db.transaction() as conn:
        await service.delete_category(conn, by, category_id)
    return Acknowledged(message="Category deleted successfully")


api_routes = [
    list_products,
    create_product,
    update_product,
    delete_product,
    create_category,
    update_category,
    delete_category,
]
