"""Blocking: who is blocked cannot write to who has blocked them, and is not told why."""

from talas.core.database import Connection, is_id
from talas.core.errors import Forbidden, InvalidData
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.domains.chat.access import access_peer
from talas.domains.chat.blocks import sql
from talas.domains.chat.blocks.sql import Blocked
from talas.domains.chat.sql import select_is_blocked

MAX_BLOCKS = 5_000


async def block(conn: Connection, actor: Actor, user_id: int) -> None:
    """Who is blocked already stays so. Raises InvalidData for oneself, UserNotFound, Forbidden for
    one too many."""
    if user_id == actor.user_id:
        raise InvalidData("Nobody blocks themselves")
    await access_peer(conn, actor, user_id)
    await sql.lock_blocker(conn, actor.user_id)
    if await sql.count_blocks(conn, actor.user_id) >= MAX_BLOCKS:
        raise Forbidden(f"One can block {MAX_BLOCKS} users", code="too_many_blocks")
    await sql.insert_block(conn, actor.user_id, user_id)


async def unblock(conn: Connection, actor: Actor, user_id: int) -> None:
    """Who is not blocked stays so. Raises UserNotFound."""
    if is_id(user_id) and await sql.delete_block(conn, actor.user_id, user_id):
        return
    await access_peer(conn, actor, user_id)


async def is_blocked_by(conn: Connection, actor: Actor, user_id: int) -> bool:
    """Whether the user has blocked the actor."""
    return await select_is_blocked(conn, user_id, actor.user_id)


async def list_blocks(conn: Connection, actor: Actor, page: Page) -> tuple[list[Blocked], int]:
    """Blocked last first, and how many there are."""
    rows = await sql.select_blocks(conn, actor.user_id, limit=page.limit, offset=page.offset)
    return rows, await sql.count_blocks(conn, actor.user_id)
