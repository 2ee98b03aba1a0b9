"""Following: to whose tracks one's feed listens."""

from talas.core import counts
from talas.core.database import Connection, is_id
from talas.core.errors import Forbidden, InvalidData, NotFound
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.core.tokens import InvalidToken
from talas.domains.chat.blocks import service as blocks
from talas.domains.following import sql
from talas.domains.following.schemas import FollowState
from talas.domains.following.sql import FollowRow

MAX_FOLLOWS = 5_000
_DELETED_AT_ONCE = 10_000


async def follow(conn: Connection, actor: Actor, user_id: int) -> FollowState:
    """Who is followed already stays so. Raises InvalidData for oneself, Forbidden for one too many,
    and NotFound also for who has blocked the actor, who is not told why."""
    if user_id == actor.user_id:
        raise InvalidData("Nobody follows themselves")
    if not is_id(user_id):
        raise NotFound("User not found")
    held = await sql.hold_accounts(conn, [actor.user_id, user_id])
    if actor.user_id not in held:
        raise InvalidToken
    if user_id not in held or await blocks.is_blocked_by(conn, actor, user_id):
        raise NotFound("User not found")
    if await sql.count_all_following(conn, actor.user_id) >= MAX_FOLLOWS and not (
        await sql.select_follows(conn, actor.user_id, user_id)
    ):
        raise Forbidden(f"One can follow {MAX_FOLLOWS} users", code="too_many_follows")
    await sql.insert_follow(conn, actor.user_id, user_id)
    return await _state(conn, actor, user_id)


async def unfollow(conn: Connection, actor: Actor, user_id: int) -> FollowState:
    """Who is not followed stays so. One may leave who is not active any more. Raises NotFound."""
    if not is_id(user_id) or not await sql.delete_follow(conn, actor.user_id, user_id):
        await _check_active(conn, user_id)
    return await _state(conn, actor, user_id)


async def get_state(conn: Connection, actor: Actor, user_id: int) -> FollowState:
    """Raises NotFound."""
    await _check_active(conn, user_id)
    return await _state(conn, actor, user_id)


async def list_followers(conn: Connection, user_id: int, page: Page) -> tuple[list[FollowRow], int]:
    """Active accounts, who followed last first, and how many they are. Raises NotFound."""
    await _check_active(conn, user_id)
    total = await counts.total(conn, "follows", user_id=user_id, follower_active=True)
    return await sql.select_followers(conn, user_id, page.window(total)), total


async def list_following(conn: Connection, user_id: int, page: Page) -> tuple[list[FollowRow], int]:
    """Active accounts, followed last first, and how many they are. Raises NotFound."""
    await _check_active(conn, user_id)
    rows = await sql.select_following(conn, user_id, limit=page.limit, offset=page.offset)
    return rows, await sql.count_following(conn, user_id)


async def forget_user(conn: Connection, user_id: int) -> None:
    """Whom the user follows, and who follows them."""
    await sql.delete_following(conn, user_id)
    while await sql.delete_followers(conn, user_id, limit=_DELETED_AT_ONCE) == _DELETED_AT_ONCE:
        pass


async def _state(conn: Connection, actor: Actor, user_id: int) -> FollowState:
    return FollowState(
        user_id,
        followed=await sql.select_follows(conn, actor.user_id, user_id),
        follows_me=await sql.select_follows(conn, user_id, actor.user_id),
        followers=await counts.total(conn, "follows", user_id=user_id, follower_active=True),
        following=await sql.count_following(conn, user_id),
    )


async def _check_active(conn: Connection, user_id: int) -> None:
    if not is_id(user_id) or not await sql.select_is_active(conn, user_id):
        raise NotFound("User not found")
