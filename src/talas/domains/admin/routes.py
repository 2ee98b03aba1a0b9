"""``/admin``: the dashboard, accounts, and the log of who changed what."""

from litestar import get, put
from litestar.params import FromPath

from talas.core.http.describe import (
    PAGE_QUERY,
    choice_query,
    describe,
    id_query,
    text_query,
)
from talas.core.http.envelope import Envelope, Paged, ok
from talas.core.http.pagination import paged, parse_choice, parse_id, parse_text
from talas.core.http.request import Request
from talas.core.permissions import Permission
from talas.domains.admin import service
from talas.domains.admin.acting import acting
from talas.domains.admin.schemas import (
    ACTIONS,
    ROLES,
    STATUSES,
    TARGET_TYPES,
    AccountChange,
    AccountFilter,
    AuditEntry,
    AuditFilter,
    Dashboard,
    ManagedAccount,
)

MAX_SEARCH = 100


@get("/admin/dashboard", **describe("How much there is of everything", tag="admin", errors=(403,)))
async def show_dashboard(request: Request) -> Envelope[Dashboard]:
    (await request.actor()).require(Permission.MANAGE_USERS)
    async with request.db.connection() as conn:
        return ok(await service.count_all(conn))


@get(
    "/admin/users",
    **describe(
        "Accounts, suspended ones included",
        tag="admin",
        errors=(403,),
        query=(
            *PAGE_QUERY,
            choice_query("role", "Only accounts of this role", ROLES),
            choice_query("status", "Only accounts of this status", STATUSES),
            text_query("search", "Part of a username, e-mail, first or last name"),
        ),
    ),
)
async def list_accounts(request: Request) -> Paged[ManagedAccount]:
    (await request.actor()).require(Permission.MANAGE_USERS)
    page, query = request.read_page(), request.query_params
    wanted = AccountFilter(
        role=parse_choice("role", query.get("role"), ROLES),
        status=parse_choice("status", query.get("status"), STATUSES),
    )
    search = parse_text("search", query.get("search"), max_length=MAX_SEARCH)
    async with request.db.connection() as conn:
        rows, total = await service.list_managed_accounts(conn, wanted, page, search=search)
    return paged(rows, page, total)


@get("/admin/users/{user_id:int}", **describe("One account", tag="admin", errors=(403, 404)))
async def show_account(request: Request, user_id: FromPath[int]) -> Envelope[ManagedAccount]:
    (await request.actor()).require(Permission.MANAGE_USERS)
    async with request.db.connection() as conn:
        return ok(await service.load_account(conn, user_id))


@put(
    "/admin/users/{user_id:int}",
    **describe(
        "Change the role or status of an account",
        tag="admin",
        body=AccountChange,
        errors=(403, 404, 409),
    ),
)
async def update_account(request: Request, user_id: FromPath[int]) -> Envelope[ManagedAccount]:
    by = await acting(request, Permission.MANAGE_USERS)
    role, status = (await request.body_as(AccountChange)).cleaned()
    async with request.db.transaction() as conn:
        await service.change_account(conn, by, user_id, role=role, status=status)
        account = await service.load_account(conn, user_id)
    request.context.guard.forget_user(user_id)
    return ok(account, "User updated successfully")


@get(
    "/admin/audit",
    **describe(
        "Who changed what, newest first",
        tag="admin",
        errors=(403,),
        query=(
            *PAGE_QUERY,
            id_query("actor", "Only the acts of this user"),
            choice_query("action", "Only acts of this kind", ACTIONS),
            text_query("target", "Only what was done to these: `user`, or `user:5` for one"),
        ),
    ),
)
async def list_audit(request: Request) -> Paged[AuditEntry]:
    (await request.actor()).require(Permission.READ_AUDIT_LOG)
    page, wanted = request.read_page(), _read_audit_filter(request)
    async with request.db.connection() as conn:
        entries, total = await service.list_audit(conn, wanted, page)
    return paged(entries, page, total)


def _read_audit_filter(request: Request) -> AuditFilter:
    query = request.query_params
    actor_id = parse_id("actor", query.get("actor"))
    action = parse_choice("action", query.get("action"), ACTIONS)
    target_type, target_id = None, None
    if (target := query.get("target")) is not None:
        kind, colon, number = target.partition(":")
        target_type = parse_choice("target", kind, TARGET_TYPES)
        if colon:
            hint = "target must be a type, or a type and an id like user:5"
            target_id = parse_id("target", number, hint=hint)
    return AuditFilter(actor_id, action, target_type, target_id)


api_routes = [show_dashboard, list_accounts, show_account, update_account, list_audit]
