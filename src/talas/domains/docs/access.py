"""The ways to documents that check who asks. Those of a product that is not active are there for
who keeps the catalogue, and for who owns the product."""

from talas.core.database import Connection, is_id
from talas.core.errors import NotFound
from talas.core.permissions import Permission, holds
from talas.core.sessions import Actor
from talas.domains.docs import sql
from talas.domains.docs.sql import DocRow


async def check_product(conn: Connection, actor: Actor, product_id: int) -> None:
    """Raises NotFound."""
    if not is_id(product_id) or not await sql.select_product_shown(
        conn, product_id, with_inactive=_sees_inactive(actor), viewer_id=actor.user_id
    ):
        raise _no_product()


async def hold_product(conn: Connection, product_id: int) -> None:
    """Until the transaction ends the product stays. Raises NotFound."""
    if not is_id(product_id) or not await sql.hold_product(conn, product_id):
        raise _no_product()


async def load_doc(conn: Connection, actor: Actor, doc_id: int) -> DocRow:
    """Raises NotFound."""
    doc = None
    if is_id(doc_id):
        doc = await sql.select_doc_shown(
            conn, doc_id, with_inactive=_sees_inactive(actor), viewer_id=actor.user_id
        )
    if doc is None:
        raise no_doc()
    return doc


def no_doc() -> NotFound:
    return NotFound("Document not found")


def _no_product() -> NotFound:
    return NotFound("Product not found")


def _sees_inactive(actor: Actor) -> bool:
    return holds(actor.role, Permission.MANAGE_CATALOGUE)
