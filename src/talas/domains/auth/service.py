"""Registration, login, and the life of a session."""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator

import asyncpg
import msgspec

from talas.core.database import Connection, Database
from talas.core.errors import (
    Conflict,
    FieldError,
    Forbidden,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from talas.core.http.pagination import Page
from talas.core.permissions import Role
from talas.core.sessions import Actor, announce_session_ended, announce_user_changed
from talas.core.settings import AuthSettings
from talas.core.text import MAX_EMAIL, FieldChecks, clean_text
from talas.core.tokens import Claims, InvalidToken, TokenSigner, TokenType
from talas.domains.auth import sql, throttle
from talas.domains.auth.passwords import (
    check_new_password,
    hash_password,
    needs_rehash,
    verify_password,
)
from talas.domains.auth.schemas import Refreshed, RegisterRequest, SessionInfo

MEDIA_TOKEN_LIFETIME_S = 3600
# A client whose answer was lost asks again; one that asks later replays.
RETRY_GRACE = dt.timedelta(seconds=10)
_USER_AGENT_LENGTH = 300
# One thread hashes, so more guesses at once would only hold connections while they wait.
_one_guess = asyncio.Lock()
_waiting = 0
# At some 25 ms each these take about as long as a person waits for a page.
MAX_WAITING = 256


class NewAccount(msgspec.Struct, frozen=True):
    """Checked, and its password hashed: ready to be inserted."""

    username: str
    email: str
    password_hash: str


async def prepare_account(request: RegisterRequest) -> NewAccount:
    """Raises InvalidData with all that does not fit."""
    checks = FieldChecks()
    username = checks.username("username", request.username)
    email = checks.email("email", request.email)
    check_new_password(checks, "password", request.password, own_names=(username, email))
    checks.finish()
    return NewAccount(username, email, await hash_password(request.password))


async def register(conn: Connection, account: NewAccount, *, role: Role = Role.USER) -> int:
    """The new user's id; raises Conflict that names what is taken."""
    try:
        async with conn.transaction():
            return await sql.insert_user(
                conn,
                username=account.username,
                email=account.email,
                password_hash=account.password_hash,
                role=role,
            )
    except asyncpg.UniqueViolationError:
        raise await _taken(conn, account) from None


async def _taken(conn: Connection, account: NewAccount) -> Conflict:
    name_taken, email_taken = await sql.select_taken(
        conn, username=account.username, email=account.email
    )
    details = []
    if name_taken:
        details.append(FieldError("username", "Username already exists"))
    if email_taken:
        details.append(FieldError("email", "Email already exists"))
    message = " and ".join(detail.message for detail in details) or "Account already exists"
    return Conflict(message, code="already_exists", details=details)


async def check_login(
    db: Database, *, email: str, password: str, address: str, throttled: bool
) -> sql.AccountRow:
    """The active account behind an e-mail and its password.

    Raises Unauthenticated alike for unknown and wrong, Forbidden for a suspended account
    once its password was right, TooManyRequests. Opens transactions of its own: a failure is
    kept although the login fails.
    """
    email = clean_text(email, "email", max_length=MAX_EMAIL)
    async with _turn_to_guess(), db.transaction() as conn:
        account = await sql.select_account_by_email(conn, email)
        # The account's own spelling, where there is one: all that finds it counts together.
        spelling = account.email if account else email
        password_hash = account.password_hash if account else None
        matches = await _guess(
            conn, password_hash, password, email=spelling, address=address, throttled=throttled
        )
    if account is None or not matches:
        raise Unauthenticated("Invalid credentials", code="invalid_credentials")
    if account.status != "active":
        raise Forbidden("This account is suspended", code="account_suspended")
    if needs_rehash(account.password_hash):
        fresh_hash = await hash_password(password)
        async with db.transaction() as conn:
            if await sql.update_password(
                conn, account.id, old_hash=account.password_hash, new_hash=fresh_hash
            ):
                return msgspec.structs.replace(account, password_hash=fresh_hash)
    return account


async def check_own_password(
    db: Database, actor: Actor, password: str, *, address: str, throttled: bool
) -> str | None:
    """The hash that the password matched, None where it is not the actor's. Guesses count as
    failed logins do. Raises InvalidToken when the account has ended meanwhile."""
    async with _turn_to_guess(), db.transaction() as conn:
        account = await sql.select_account(conn, actor.user_id)
        if account is None or account.status != "active":
            raise InvalidToken
        matches = await _guess(
            conn,
            account.password_hash,
            password,
            email=account.email,
            address=address,
            throttled=throttled,
        )
    return account.password_hash if matches else None


@contextlib.asynccontextmanager
async def _turn_to_guess() -> AsyncIterator[None]:
    """Raises Unavailable at once where too many wait already: their passwords take a while."""
    global _waiting
    if _waiting >= MAX_WAITING:
        raise Unavailable("Too many are signing in at this moment; try again soon")
    _waiting += 1
    try:
        async with _one_guess:
            yield
    finally:
        _waiting -= 1


async def _guess(
    conn: Connection,
    password_hash: str | None,
    password: str,
    *,
    email: str,
    address: str,
    throttled: bool,
) -> bool:
    if throttled:
        await throttle.check_attempt(conn, email=email, address=address)
    matches = await verify_password(password_hash, password)
    if matches:
        await throttle.forget_failures(conn, email)
    else:
        await throttle.note_failure(conn, email=email, address=address)
    return matches


async def open_session(
    conn: Connection,
    account: sql.AccountRow,
    *,
    settings: AuthSettings,
    user_agent: str | None,
    address: str,
) -> Claims:
    """The claims of the session's first refresh token.

    Raises Unauthenticated when the account was suspended, or its password changed, since it was
    checked.
    """
    session_id = await sql.insert_session(
        conn,
        user_id=account.id,
        password_hash=account.password_hash,
        user_agent=user_agent[:_USER_AGENT_LENGTH] if user_agent else None,
        ip=address,
        lifetime_s=settings.refresh_lifetime_s,
    )
    if session_id is None:
        raise Unauthenticated("Invalid credentials", code="invalid_credentials")
    now = int(time.time())
    return Claims(
        user_id=account.id,
        username=account.username,
        role=account.role,
        sid=session_id,
        typ=TokenType.REFRESH,
        iat=now,
        exp=now + settings.refresh_lifetime_s,
    )


def sign_access(signer: TokenSigner, claims: Claims, lifetime_s: int) -> str:
    now = int(time.time())
    return signer.sign(
        msgspec.structs.replace(claims, typ=TokenType.ACCESS, iat=now, exp=now + lifetime_s, gen=0)
    )


def sign_media(signer: TokenSigner, actor: Actor, lifetime_s: int) -> str:
    now = int(time.time())
    return signer.sign(
        Claims(
            user_id=actor.user_id,
            username=actor.username,
            role=actor.role,
            sid=actor.session_id,
            typ=TokenType.MEDIA,
            iat=now,
            exp=now + lifetime_s,
        )
    )


async def refresh(
    conn: Connection,
    claims: Claims,
    *,
    rotate: bool,
    settings: AuthSettings,
    signer: TokenSigner,
) -> Refreshed | None:
    """New tokens, or None when the token was replayed and its session has been ended.

    None instead of an error, because the caller's transaction has to commit before the
    refusal goes out. Raises InvalidToken for a session that is over already.
    """
    session = await sql.select_session_for_update(conn, claims.sid)
    if session is None or session.user_id != claims.user_id or session.status != "active":
        raise InvalidToken
    current = _current_claims(session)
    if claims.gen == session.generation:
        if rotate:
            current = await _rotate(conn, session, settings)
        else:
            await sql.update_session_used(conn, session.id)
    elif not (rotate and _is_retry(claims, session)):
        await end_session(conn, session.id, user_id=session.user_id)
        return None
    refreshed = Refreshed(
        access_token=sign_access(signer, current, settings.access_lifetime_s),
        expires_in=settings.access_lifetime_s,
    )
    if rotate:
        refreshed.refresh_token = signer.sign(current)
    return refreshed


def _is_retry(claims: Claims, session: sql.SessionRow) -> bool:
    """The parent comes again while nobody has used its child: the answer was lost."""
    age = dt.datetime.now(dt.UTC) - session.rotated_at
    return (
        claims.gen == session.generation - 1 and not session.generation_used and age < RETRY_GRACE
    )


async def _rotate(conn: Connection, session: sql.SessionRow, settings: AuthSettings) -> Claims:
    generation, rotated_at, expires_at = await sql.update_session_rotated(
        conn, session.id, lifetime_s=settings.refresh_lifetime_s
    )
    return _current_claims(
        msgspec.structs.replace(
            session, generation=generation, rotated_at=rotated_at, expires_at=expires_at
        )
    )


def _current_claims(session: sql.SessionRow) -> Claims:
    """The newest refresh token's claims follow from the row, so the token need not be kept."""
    return Claims(
        user_id=session.user_id,
        username=session.username,
        role=session.role,
        sid=session.id,
        typ=TokenType.REFRESH,
        iat=int(session.rotated_at.timestamp()),
        exp=int(session.expires_at.timestamp()),
        gen=session.generation,
    )


async def list_sessions(
    conn: Connection, actor: Actor, page: Page
) -> tuple[list[SessionInfo], int]:
    """The live ones, last used first, and how many there are."""
    rows = await sql.select_sessions(conn, actor.user_id, limit=page.limit, offset=page.offset)
    total = await sql.count_sessions(conn, actor.user_id)
    sessions = [
        SessionInfo(**msgspec.structs.asdict(row), current=row.id == actor.session_id)
        for row in rows
    ]
    return sessions, total


async def end_session(conn: Connection, session_id: int, *, user_id: int) -> None:
    """Raises NotFound for a session that is not the user's, or is over."""
    if not await sql.update_session_ended(conn, session_id, user_id=user_id):
        raise NotFound("Session not found")
    await announce_session_ended(conn, session_id)


async def end_all_sessions(conn: Connection, user_id: int, *, but_session_id: int = 0) -> None:
    for session_id in await sql.update_sessions_ended(conn, user_id, but_session_id=but_session_id):
        await announce_session_ended(conn, session_id)
    await announce_user_changed(conn, user_id)


async def change_password(conn: Connection, actor: Actor, *, old_hash: str, new_hash: str) -> bool:
    """Ends every other session; False when somebody else changed the password meanwhile."""
    if not await sql.update_password(conn, actor.user_id, old_hash=old_hash, new_hash=new_hash):
        return False
    await end_all_sessions(conn, actor.user_id, but_session_id=actor.session_id)
    return True


async def close_account(conn: Connection, user_id: int) -> Role:
    """Ends every session; nothing stays of them or of failed logins. Whoever wants to sign in, to
    upload or to change the role waits from here on until the transaction ends: the role that it is.
    Raises InvalidToken for an account that is not active any more."""
    account = await sql.select_active_account_for_update(conn, user_id)
    if account is None:
        raise InvalidToken
    await end_all_sessions(conn, user_id)
    await sql.delete_sessions(conn, user_id)
    await throttle.forget_failures(conn, account.email)
    return Role(account.role)
