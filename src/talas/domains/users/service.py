"""Profiles, avatars, and the end of an account."""

from talas.core import counts
from talas.core.database import Connection, allow_long_statements
from talas.core.errors import Conflict
from talas.core.http.pagination import Page
from talas.core.permissions import Role
from talas.core.sessions import Actor
from talas.core.storage import Storage
from talas.core.text import clean_text
from talas.core.tokens import InvalidToken
from talas.domains.admin import service as admin
from talas.domains.auth import service as auth
from talas.domains.chat import service as chat
from talas.domains.chat.attachments import service as attachments
from talas.domains.following import service as following
from talas.domains.listening import service as listening
from talas.domains.playlists import service as playlists
from talas.domains.tracks import service as tracks
from talas.domains.user_products import service as user_products
from talas.domains.users import sql
from talas.domains.users.schemas import UpdatedProfile, UserSummary

MAX_SEARCH = 100


async def list_users(
    conn: Connection, page: Page, *, search: str = "", but_user_id: int = 0
) -> tuple[list[UserSummary], int]:
    """Active accounts in order of id, and how many match; ``but_user_id`` names an active one."""
    term = clean_text(search, "search", max_length=MAX_SEARCH)
    if term:
        return await _search_users(conn, term, page, but_user_id)
    total = await counts.total(conn, "users", status="active") - (but_user_id > 0)
    return await sql.select_users(conn, page.window(total), but_user_id=but_user_id), total


async def _search_users(
    conn: Connection, term: str, page: Page, but_user_id: int
) -> tuple[list[UserSummary], int]:
    limit, offset = page.limit, page.offset
    rows, total = await sql.search_users(
        conn, term, but_user_id=but_user_id, limit=limit, offset=offset
    )
    if total is None and offset:
        total = await sql.count_found_users(conn, term, but_user_id=but_user_id)
    return rows, total or 0


async def list_by_ids(conn: Connection, user_ids: list[int]) -> list[UserSummary]:
    """Those of them that are active accounts, in any order."""
    return await sql.select_users_by_ids(conn, user_ids)


async def update_profile(
    conn: Connection, actor: Actor, changes: dict[str, str | None]
) -> UpdatedProfile:
    """Raises InvalidToken when the account has ended meanwhile."""
    profile = await sql.update_profile(conn, actor.user_id, changes)
    if profile is None:
        raise InvalidToken
    return profile


def avatar_key(user_id: int) -> str:
    return f"avatars/{user_id}.jpg"


async def set_avatar(conn: Connection, storage: Storage, actor: Actor, jpeg: bytes) -> str:
    """The avatar's URL; ``jpeg`` is what ``make_avatar`` gave. Raises InvalidToken when the
    account has ended meanwhile."""
    url = f"/uploads/{avatar_key(actor.user_id)}"
    # The row's lock first: of two at once the object of the later one stays.
    if not await sql.update_avatar(conn, actor.user_id, url):
        raise InvalidToken
    await storage.put(avatar_key(actor.user_id), jpeg)
    return url


async def remove_avatar(conn: Connection, storage: Storage, actor: Actor) -> None:
    await sql.update_avatar(conn, actor.user_id, None)
    await storage.delete(avatar_key(actor.user_id))


async def delete_account(conn: Connection, storage: Storage, actor: Actor) -> None:
    """Anonymises what others still need (the row that messages and audit rows name), removes the
    rest: the objects of tracks and files by jobs of the same transaction.

    Raises Conflict for the last active super_admin, and for who becomes one at this moment.
    """
    await allow_long_statements(conn)
    await chat.hold_all_rooms(conn, actor.user_id)
    # Of others nobody has to wait for a deletion that takes long, to give roles or to sign in.
    if actor.role is Role.SUPER_ADMIN:
        await admin.check_not_last_super_admin(conn, actor.user_id)
    # Waits for uploads that hold the account; those that come later find it deleted.
    role = await auth.close_account(conn, actor.user_id)
    if role is Role.SUPER_ADMIN and actor.role is not role:
        raise Conflict("Your role has changed at this moment; try again", code="role_changed")
    await sql.anonymise_user(conn, actor.user_id)
    await playlists.hold_all(conn, actor.user_id)
    await tracks.forget_user(conn, actor.user_id)
    await listening.forget_user(conn, actor.user_id)
    await following.forget_user(conn, actor.user_id)
    await playlists.forget_user(conn, actor.user_id)
    await user_products.forget_user(conn, actor.user_id)
    await chat.leave_all_rooms(conn, actor.user_id)
    await attachments.forget_user(conn, actor.user_id)
    # Before the commit: of an account that is gone nothing would say that a picture is left.
    await storage.delete(avatar_key(actor.user_id))
