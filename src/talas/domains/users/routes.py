"""``/users``: profiles, one's own and others'."""

from litestar import delete, get, put
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import FromPath

from talas.core.errors import FieldError, InvalidData
from talas.core.http.describe import PAGE_QUERY, describe, text_query
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.core.http.small_file import read_small_file
from talas.core.text import FieldChecks
from talas.domains.auth import service as auth
from talas.domains.auth.passwords import check_new_password, hash_password
from talas.domains.users import access, service
from talas.domains.users.avatar import make_avatar
from talas.domains.users.schemas import (
    AccountDeletion,
    Avatar,
    OwnProfile,
    PasswordChange,
    ProfileUpdate,
    UpdatedProfile,
    UserProfile,
    UserSummary,
)

_SEARCH = text_query("search", "Part of a username, e-mail, first or last name")


@get(
    ["/auth/me", "/users/me"],
    **describe("One's own profile", tag="users"),
)
async def show_me(request: Request) -> Envelope[OwnProfile]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await access.load_own(conn, actor))


@get("/users", **describe("List users", tag="users", query=(*PAGE_QUERY, _SEARCH)))
async def list_users(request: Request) -> Paged[UserSummary]:
    await request.actor()
    page, search = request.read_page(), request.query_params.get("search", "")
    async with request.db.connection() as conn:
        rows, total = await service.list_users(conn, page, search=search)
    return paged(rows, page, total)


@get(
    "/users/except-me",
    **describe("List all users but oneself", tag="users", query=(*PAGE_QUERY, _SEARCH)),
)
async def list_others(request: Request) -> Paged[UserSummary]:
    actor = await request.actor()
    page, search = request.read_page(), request.query_params.get("search", "")
    async with request.db.connection() as conn:
        rows, total = await service.list_users(conn, page, search=search, but_user_id=actor.user_id)
    return paged(rows, page, total)


@get("/users/{user_id:int}", **describe("One user", tag="users", errors=(404,)))
async def show_user(request: Request, user_id: FromPath[int]) -> Envelope[UserProfile]:
    await request.actor()
    async with request.db.connection() as conn:
        return ok(await access.load_user(conn, user_id))


@put("/users/me", **describe("Change one's profile", tag="users", body=ProfileUpdate))
async def update_me(request: Request) -> Envelope[UpdatedProfile]:
    actor = await request.actor()
    changes = (await request.body_as(ProfileUpdate)).cleaned()
    async with request.db.connection() as conn:
        profile = await service.update_profile(conn, actor, changes)
    return ok(profile, "Profile updated successfully")


@put(
    "/users/password",
    **describe("Change one's password", tag="users", body=PasswordChange),
)
async def change_password(request: Request) -> Acknowledged:
    actor = await request.actor()
    body = await request.body_as(PasswordChange)
    old_hash = await _check_own_password(request, body.current_password, field="current_password")
    async with request.db.connection() as conn:
        me = await access.load_own(conn, actor)
    checks = FieldChecks()
    check_new_password(checks, "new_password", body.new_password, own_names=(me.username, me.email))
    checks.finish()
    new_hash = await hash_password(body.new_password)
    async with request.db.transaction() as conn:
        changed = await auth.change_password(conn, actor, old_hash=old_hash, new_hash=new_hash)
    if not changed:
        raise _wrong_password("current_password")
    request.context.guard.forget_user(actor.user_id)
    return Acknowledged(message="Password changed successfully")


@put(
    "/users/me/avatar",
    **describe(
        "Set one's avatar",
        tag="users",
        form={"file": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)},
        errors=(400, 413, 415, 507),
    ),
)
async def set_avatar(request: Request) -> Envelope[Avatar]:
    actor = await request.actor()
    picture = await read_small_file(
        request, fields=("file", "avatar"), most=request.settings.files.max_avatar_size
    )
    jpeg = await make_avatar(picture)
    async with request.db.transaction() as conn:
        url = await service.set_avatar(conn, request.storage, actor, jpeg)
    return ok(Avatar(avatar=url), "Avatar updated successfully")


@delete("/users/me/avatar", status_code=200, **describe("Remove one's avatar", tag="users"))
async def remove_avatar(request: Request) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.remove_avatar(conn, request.storage, actor)
    return Acknowledged(message="Avatar removed successfully")


@delete(
    "/users/me",
    status_code=200,
    **describe("Delete one's account", tag="users", body=AccountDeletion, errors=(409,)),
)
async def delete_me(request: Request) -> Acknowledged:
    actor = await request.actor()
    body = await request.body_as(AccountDeletion)
    await _check_own_password(request, body.password, field="password")
    async with request.db.transaction() as conn:
        await service.delete_account(conn, request.storage, actor)
    request.context.guard.forget_user(actor.user_id)
    return Acknowledged(message="Account deleted successfully")


async def _check_own_password(request: Request, password: str, *, field: str) -> str:
    """The hash that the password matched."""
    actor = await request.actor()
    password_hash = await auth.check_own_password(
        request.db,
        actor,
        password,
        address=request.client_address,
        throttled=request.settings.rate_limits,
    )
    if password_hash is None:
        raise _wrong_password(field)
    return password_hash


def _wrong_password(field: str) -> InvalidData:
    return InvalidData.of(FieldError(field, f"{field} is wrong"))


api_routes = [
    show_me,
    list_users,
    list_others,
    show_user,
    update_me,
    change_password,
    set_avatar,
    remove_avatar,
    delete_me,
]
