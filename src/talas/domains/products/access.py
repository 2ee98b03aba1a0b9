"""The ways to a product and to a category."""

from talas.core.database import Connection, is_id
from talas.core.errors import NotFound
from talas.domains.products import sql
from talas.domains.products.schemas import Product
from talas.domains.products.sql import CategoryRow


async def load_active_product(conn: Connection, product_id: int) -> Product:
    """What everybody may see. Raises NotFound."""
    product = await sql.select_product(conn, product_id) if is_id(product_id) else None
    if product is None or product.status != "active":
        raise NotFound("Product not found")
    return product


async def load_product_for_update(conn: Connection, product_id: int) -> Product:
    """Active or not, locked until the transaction ends. Raises NotFound."""
    product = await sql.select_product_for_update(conn, product_id) if is_id(product_id) else None
    if product is None:
        raise NotFound("Product not found")
    return product


async def load_category_for_update(conn: Connection, category_id: int) -> CategoryRow:
    """Locked until the transaction ends. Raises NotFound."""
    category = None
    if is_id(category_id):
        category = await sql.select_category_for_update(conn, category_id)
    if category is None:
        raise NotFound("Category not found")
    return category
