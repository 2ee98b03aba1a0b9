"""Roles and statuses: who may change whose, and the trace that each change leaves."""

from typing import Any

import msgspec

from talas.core.database import Connection, is_id
from talas.core.errors import Conflict, Forbidden, NotFound
from talas.core.permissions import Permission, Role, holds, may_change_role
from talas.core.sessions import announce_user_changed
from talas.core.text import MAX_EMAIL, clean_text, printable
from talas.domains.admin import sql
from talas.domains.auth import service as auth
from talas.domains.auth.service import NewAccount

ACTIVE = "active"
SUSPENDED = "suspended"


class Administrator(msgspec.Struct, frozen=True):
    """Who acts, and from where. The command line acts as nobody in particular, with all rights."""

    user_id: int | None
    name: str
    role: Role
    address: str


COMMAND_LINE = Administrator(None, "command line", Role.SUPER_ADMIN, "local")


async def find_account(conn: Connection, name: str) -> sql.AccountState:
    """By username or e-mail, ignoring case; raises NotFound. The row is locked."""
    name = clean_text(name, "name", max_length=MAX_EMAIL)
    await sql.select_super_admins_for_update(conn)
    user_id = await sql.select_id_by_name(conn, name)
    account = await sql.select_account_for_update(conn, user_id) if user_id else None
    if account is None:
        raise NotFound(f"No account is named {printable(name)}")
    return account


async def list_accounts(conn: Connection) -> list[sql.AccountListRow]:
    """All that are not deleted, in order of id."""
    return await sql.select_accounts(conn)


async def create_account(
    conn: Connection, by: Administrator, account: NewAccount, *, role: Role
) -> int:
    """The new user's id. Raises Conflict that names what is taken."""
    user_id = await auth.register(conn, account, role=role)
    after = {"username": account.username, "role": role, "status": ACTIVE}
    await write_audit(conn, by, "user.create", target_id=user_id, before=None, after=after)
    return user_id


async def change_account(
    conn: Connection,
    by: Administrator,
    user_id: int,
    *,
    role: Role | None = None,
    status: str | None = None,
) -> sql.AccountState:
    """The account after the change; what is None stays.

    Raises NotFound, Forbidden where the roles do not allow it, Conflict for the last active
    super_admin. A suspension ends all sessions.
    """
    super_admins = await sql.select_super_admins_for_update(conn)
    before = await sql.select_account_for_update(conn, user_id) if is_id(user_id) else None
    if before is None:
        raise NotFound("User not found")
    after = msgspec.structs.replace(
        before, role=role or before.role, status=status or before.status
    )
    # An actor who was a super_admin when the request came may have been demoted since.
    if by.role is Role.SUPER_ADMIN and by.user_id is not None and by.user_id not in super_admins:
        raise Forbidden("Your role does not allow this")
    _check_rights(by, before, after)
    if super_admins == [user_id] and (after.role, after.status) != (
        Role.SUPER_ADMIN,
        ACTIVE,
    ):
        raise _last_super_admin()
    if after == before:
        return after
    await sql.update_account_state(conn, user_id, role=after.role, status=after.status)
    await write_audit(
        conn,
        by,
        "user.update",
        target_id=user_id,
        before={"role": before.role, "status": before.status},
        after={"role": after.role, "status": after.status},
    )
    if after.status == SUSPENDED:
        await auth.end_all_sessions(conn, user_id)
    else:
        await announce_user_changed(conn, user_id)
    return after


def _check_rights(by: Administrator, before: sql.AccountState, after: sql.AccountState) -> None:
    if not holds(by.role, Permission.MANAGE_USERS):
        raise Forbidden("Your role does not allow this")
    if by.user_id == before.id:
        raise Forbidden("Nobody changes their own role or status")
    present, future = Role(before.role), Role(after.role)
    if not may_change_role(actor=by.role, present=present, future=future):
        raise Forbidden("You may act only on roles below your own")


async def check_not_last_super_admin(conn: Connection, user_id: int) -> None:
    """Raises Conflict when nobody else could administrate."""
    if await sql.select_super_admins_for_update(conn) == [user_id]:
        raise _last_super_admin()


def _last_super_admin() -> Conflict:
    return Conflict("The last active super_admin must stay", code="last_super_admin")


async def write_audit(
    conn: Connection,
    by: Administrator,
    action: str,
    *,
    target_id: int,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    target_type: str = "user",
) -> None:
    """In the transaction of the act itself: neither is there without the other."""
    await sql.insert_audit(
        conn,
        actor_id=by.user_id,
        actor_name=by.name,
        action=action,
        target_type=target_type,
        target_id=target_id,
        before=before,
        after=after,
        address=by.address,
    )
