"""The ways to gear that check who asks: what is not one's own is not there."""

from talas.core.database import Connection, is_id
from talas.core.errors import NotFound
from talas.domains.user_products import sql
from talas.domains.user_products.schemas import Gear, GearFields


async def load_own_gear(conn: Connection, owner_id: int, gear_id: int) -> Gear:
    """Raises NotFound."""
    gear = await sql.select_gear(conn, gear_id, user_id=owner_id) if is_id(gear_id) else None
    if gear is None:
        raise NotFound("Product not found")
    return gear


async def lock_own_gear(conn: Connection, owner_id: int, gear_id: int) -> GearFields:
    """Until the transaction ends nobody changes it, or adds files to it. Raises NotFound."""
    fields = await sql.lock_gear(conn, gear_id, user_id=owner_id) if is_id(gear_id) else None
    if fields is None:
        raise NotFound("Product not found")
    return fields
