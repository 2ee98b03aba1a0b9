"""``/auth``: accounts come in, sessions begin and end."""

from litestar import delete, get, post
from litestar.params import FromPath

from talas.core.database import is_id
from talas.core.errors import NotFound, Unauthenticated
from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.core.tokens import TokenType
from talas.domains.auth import service
from talas.domains.auth.schemas import (
    Login,
    LoginRequest,
    MediaToken,
    Refreshed,
    RefreshRequest,
    RegisteredUser,
    RegisterRequest,
    SessionInfo,
    SignedInUser,
)


@post(
    "/auth/register",
    **describe(
        "Create an account",
        tag="auth",
        public=True,
        body=RegisterRequest,
        errors=(400, 409),
    ),
)
async def register(request: Request) -> Envelope[RegisteredUser]:
    body = await request.body_as(RegisterRequest)
    account = await service.prepare_account(body)
    async with request.db.transaction() as conn:
        user_id = await service.register(conn, account)
    user = RegisteredUser(user_id=user_id, username=account.username, email=account.email)
    return ok(user, "User registered successfully")


@post(
    "/auth/login",
    status_code=200,
    **describe("Sign in", tag="auth", public=True, body=LoginRequest, errors=(401, 403)),
)
async def login(request: Request) -> Envelope[Login]:
    body = await request.body_as(LoginRequest)
    context, settings = request.context, request.settings.auth
    account = await service.check_login(
        request.db,
        email=body.email,
        password=body.password,
        address=request.client_address,
        throttled=request.settings.rate_limits,
    )
    async with request.db.transaction() as conn:
        claims = await service.open_session(
            conn,
            account,
            settings=settings,
            user_agent=request.headers.get("user-agent"),
            address=request.client_address,
        )
    signer = context.guard.signer
    answer = Login(
        access_token=service.sign_access(signer, claims, settings.access_lifetime_s),
        refresh_token=signer.sign(claims),
        expires_in=settings.access_lifetime_s,
        user=SignedInUser(
            id=account.id,
            username=account.username,
            email=account.email,
            role=account.role,
        ),
    )
    return ok(answer, "Login successful")


@post(
    "/auth/refresh",
    status_code=200,
    **describe("Renew tokens", tag="auth", public=True, body=RefreshRequest, errors=(401,)),
)
async def refresh(request: Request) -> Envelope[Refreshed]:
    body = await request.body_as(RefreshRequest)
    signer = request.context.guard.signer
    claims = signer.read(body.refresh_token, TokenType.REFRESH)
    async with request.db.transaction() as conn:
        refreshed = await service.refresh(
            conn,
            claims,
            rotate=body.rotate,
            settings=request.settings.auth,
            signer=signer,
        )
    if refreshed is None:
        request.context.guard.forget_session(claims.sid)
        raise Unauthenticated("Invalid token", code="token_replayed")
    return ok(refreshed)


@post("/auth/logout", status_code=200, **describe("Sign out", tag="auth"))
async def logout(request: Request) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.end_session(conn, actor.session_id, user_id=actor.user_id)
    request.context.guard.forget_session(actor.session_id)
    return Acknowledged(message="Logout successful")


@post(
    "/auth/media-token",
    status_code=200,
    **describe("A token for media URLs", tag="auth"),
)
async def media_token(request: Request) -> Envelope[MediaToken]:
    actor = await request.actor()
    lifetime_s = service.MEDIA_TOKEN_LIFETIME_S
    token = service.sign_media(request.context.guard.signer, actor, lifetime_s)
    return ok(MediaToken(token=token, expires_in=lifetime_s))


@get("/auth/sessions", **describe("One's own sessions", tag="auth", query=PAGE_QUERY))
async def list_sessions(request: Request) -> Paged[SessionInfo]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        sessions, total = await service.list_sessions(conn, actor, page)
    return paged(sessions, page, total)


@delete(
    "/auth/sessions/{session_id:int}",
    status_code=200,
    **describe("End one of one's own sessions", tag="auth", errors=(404,)),
)
async def end_session(request: Request, session_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    if not is_id(session_id):
        raise NotFound("Session not found")
    async with request.db.transaction() as conn:
        await service.end_session(conn, session_id, user_id=actor.user_id)
    request.context.guard.forget_session(session_id)
    return Acknowledged(message="Session ended")


api_routes = [register, login, refresh, logout, media_token, list_sessions, end_session]
