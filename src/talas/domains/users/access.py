"""Accounts as far as the asker may see them."""

import datetime as dt

from talas.core.database import Connection, is_id
from talas.core.errors import NotFound
from talas.core.sessions import Actor
from talas.core.tokens import InvalidToken
from talas.domains.users import sql
from talas.domains.users.schemas import OwnProfile, UserProfile


async def load_user(conn: Connection, user_id: int) -> UserProfile:
    """Raises NotFound; suspended and deleted accounts are not there either."""
    profile = await sql.select_user_profile(conn, user_id) if is_id(user_id) else None
    if profile is None:
        raise NotFound("User not found")
    return profile


async def load_own(conn: Connection, actor: Actor) -> OwnProfile:
    """Raises InvalidToken when the account has ended meanwhile."""
    profile = await sql.select_own_profile(conn, actor.user_id)
    if profile is None:
        raise InvalidToken
    return profile


async def load_avatar_instant(conn: Connection, user_id: int) -> dt.datetime:
    """An instant after which the avatar has not changed; raises NotFound where there is none."""
    instant = await sql.select_avatar_instant(conn, user_id) if is_id(user_id) else None
    if instant is None:
        raise NotFound("Not found")
    return instant
