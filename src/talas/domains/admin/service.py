"""Roles and statuses: who may change whose, and the trace that each change leaves."""

import msgspec

from talas.core import counts
from talas.core.database import Connection, is_id
from talas.core.errors import Conflict, Forbidden, NotFound
from talas.core.filters import given_filters
from talas.core.http.pagination import Page
from talas.core.permissions import Permission, Role, holds, may_change_role
from talas.core.sessions import announce_user_changed
from talas.core.text import MAX_EMAIL, clean_text, printable
from talas.domains.admin import sql
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.admin.schemas import (
    ACTIVE,
    STATUSES,
    SUSPENDED,
    AccountFilter,
    AuditEntry,
    AuditFilter,
    Dashboard,
    ManagedAccount,
)
from talas.domains.auth import service as auth
from talas.domains.auth.service import NewAccount

COMMAND_LINE = Administrator(None, "command line", Role.SUPER_ADMIN, "local")


async def find_account(conn: Connection, name: str) -> sql.AccountState:
    """By username or e-mail, ignoring case; raises NotFound. The row is locked."""
    name = clean_text(name, "name", max_length=MAX_EMAIL)
    await sql.hold_roles(conn)
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
    await write_audit(conn, by, "user.create", user_id, after=after)
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
    await sql.hold_roles(conn)
    super_admins = await sql.select_super_admins(conn)
    before = await sql.select_account_for_update(conn, user_id) if is_id(user_id) else None
    if before is None:
        raise NotFound("User not found")
    after = msgspec.structs.replace(
        before, role=role or before.role, status=status or before.status
    )
    _check_rights(await _as_of_now(conn, by), before, after)
    if super_admins == [user_id] and (after.role, after.status) != (Role.SUPER_ADMIN, ACTIVE):
        raise _last_super_admin()
    if after != before:
        await _apply(conn, by, before, after)
    return after


async def _as_of_now(conn: Connection, by: Administrator) -> Administrator:
    """Who was an administrator when the request came may have been demoted or suspended since."""
    if by.user_id is None:
        return by
    role = await sql.select_active_role_for_share(conn, by.user_id)
    return msgspec.structs.replace(by, role=Role(role or Role.USER))


def _check_rights(by: Administrator, before: sql.AccountState, after: sql.AccountState) -> None:
    if not holds(by.role, Permission.MANAGE_USERS):
        raise Forbidden("Your role does not allow this")
    if by.user_id == before.id:
        raise Forbidden("Nobody changes their own role or status")
    present, future = Role(before.role), Role(after.role)
    if not may_change_role(actor=by.role, present=present, future=future):
        raise Forbidden("You may act only on roles below your own, and give only such roles")


async def _apply(
    conn: Connection, by: Administrator, before: sql.AccountState, after: sql.AccountState
) -> None:
    await sql.update_account_state(conn, after.id, role=after.role, status=after.status)
    await write_audit(
        conn,
        by,
        "user.update",
        after.id,
        before={"role": before.role, "status": before.status},
        after={"role": after.role, "status": after.status},
    )
    if after.status == SUSPENDED:
        await auth.end_all_sessions(conn, after.id)
    else:
        await announce_user_changed(conn, after.id)


async def load_account(conn: Connection, user_id: int) -> ManagedAccount:
    """Raises NotFound; a deleted account is not there either."""
    account = await sql.select_account(conn, user_id) if is_id(user_id) else None
    if account is None:
        raise NotFound("User not found")
    return account


async def list_managed_accounts(
    conn: Connection, wanted: AccountFilter, page: Page, *, search: str
) -> tuple[list[ManagedAccount], int]:
    """Those that are not deleted, in order of id, and how many match."""
    limit, offset = page.limit, page.offset
    if search:
        return await sql.search_accounts(conn, search, wanted, limit=limit, offset=offset)
    rows = await sql.select_managed_accounts(conn, wanted, limit=limit, offset=offset)
    statuses = STATUSES if wanted.status is None else (wanted.status,)
    keys = [{**given_filters(wanted), "status": status} for status in statuses]
    return rows, sum([await counts.total(conn, "users", **key) for key in keys])


async def count_all(conn: Connection) -> Dashboard:
    users = [await counts.total(conn, "users", status=status) for status in STATUSES]
    return Dashboard(
        users_count=sum(users),
        products_count=await counts.total(conn, "products"),
        files_count=await counts.total(conn, "files"),
        tracks_count=await counts.total(conn, "tracks"),
        new_users_today=await sql.select_new_users_today(conn),
        active_sessions=await sql.select_live_sessions(conn),
    )


async def list_audit(
    conn: Connection, wanted: AuditFilter, page: Page
) -> tuple[list[AuditEntry], int]:
    """Newest first, and how many match."""
    rows = await sql.select_audit(conn, wanted, limit=page.limit, offset=page.offset)
    entries = [_as_entry(row) for row in rows]
    if wanted.target_id is not None:
        return entries, await sql.count_audit_of_target(conn, wanted)
    return entries, await counts.total(conn, "audit_log", **given_filters(wanted))


def _as_entry(row: sql.AuditRow) -> AuditEntry:
    fields = msgspec.structs.asdict(row)
    for side in ("before", "after"):
        fields[side] = msgspec.json.decode(fields[side] or "null")
    return AuditEntry(**fields)


async def check_not_last_super_admin(conn: Connection, user_id: int) -> None:
    """Raises Conflict when nobody else could administrate. It stays so until the transaction
    ends."""
    await sql.hold_roles(conn)
    if await sql.select_super_admins(conn) == [user_id]:
        raise _last_super_admin()


def _last_super_admin() -> Conflict:
    return Conflict("The last active super_admin must stay", code="last_super_admin")
