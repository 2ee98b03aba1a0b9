"""The ways to gear's files that check who asks: what is not one's own is not there."""

from talas.core.database import Connection, is_id
from talas.core.errors import NotFound
from talas.domains.files import sql
from talas.domains.files.sql import FileRow


async def check_own_gear(conn: Connection, owner_id: int, product_id: int) -> None:
    """Raises NotFound."""
    if not is_id(product_id) or not await sql.select_gear_owned(conn, product_id, user_id=owner_id):
        raise _no_gear()


async def lock_own_gear(conn: Connection, owner_id: int, product_id: int) -> None:
    """Until the transaction ends the gear stays, and nobody else adds files. Raises NotFound."""
    if not is_id(product_id) or not await sql.lock_own_gear(conn, product_id, user_id=owner_id):
        raise _no_gear()


async def load_own_file(conn: Connection, owner_id: int, file_id: int) -> FileRow:
    """Raises NotFound."""
    file = await sql.select_own_file(conn, file_id, user_id=owner_id) if is_id(file_id) else None
    if file is None:
        raise no_file()
    return file


def no_file() -> NotFound:
    return NotFound("File not found")


def _no_gear() -> NotFound:
    return NotFound("Product not found")
