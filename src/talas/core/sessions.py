"""Who is asking: tokens held against the sessions and accounts that stand behind them.

A session's state is read once and kept until an event says that it changed, so a request
costs no query and a ban works on the next one, in every process.
"""

import time

import msgspec

from talas.core.database import Connection, Database, as_row
from talas.core.errors import Forbidden, Unauthenticated
from talas.core.events import EventListener, publish
from talas.core.permissions import Permission, Role, holds
from talas.core.tokens import Claims, InvalidToken, TokenSigner, TokenType

SESSION_ENDED = "session.ended"
USER_CHANGED = "user.changed"
MAX_AGE_S = 60.0
_CACHE_SIZE = 50_000

SELECT_SESSION_STATE = """
SELECT s.user_id, u.username, u.role, u.status,
  extract(epoch FROM s.expires_at - now())::float8
FROM sessions AS s
JOIN users AS u ON u.id = s.user_id
WHERE s.id = $1
  AND s.ended_at IS NULL
  AND s.expires_at > now()
"""


HOLD_ACCOUNT = """
SELECT true
FROM users
WHERE id = $1 AND status = 'active'
FOR SHARE
"""


LOCK_ACCOUNT = """
SELECT true
FROM users
WHERE id = $1 AND status = 'active'
FOR NO KEY UPDATE
"""


class Actor(msgspec.Struct, frozen=True):
    """The account that a request, a socket or a job acts for."""

    user_id: int
    username: str
    role: Role
    session_id: int

    def require(self, permission: Permission) -> None:
        if not holds(self.role, permission):
            raise Forbidden("Your role does not allow this")


class _SessionRow(msgspec.Struct, frozen=True):
    user_id: int
    username: str
    role: str
    status: str
    seconds_left: float


class _Known(msgspec.Struct, frozen=True):
    actor: Actor | None
    suspended: bool
    good_until: float


class SessionGuard:
    """Turns a token into an Actor, or raises Unauthenticated."""

    def __init__(self, signer: TokenSigner, db: Database, events: EventListener) -> None:
        self.signer = signer
        self._db = db
        self._events = events
        self._known: dict[int, _Known] = {}
        self._changes = 0
        events.on(SESSION_ENDED, lambda event: self.forget_session(event["session_id"]))
        events.on(USER_CHANGED, lambda event: self.forget_user(event["user_id"]))
        events.on_gap(self.forget_all)

    async def authenticate(self, token: str, typ: TokenType = TokenType.ACCESS) -> Actor:
        claims = self.signer.read(token, typ)
        return await self.actor_of(claims)

    async def actor_of(self, claims: Claims) -> Actor:
        """The live session behind claims that were already verified."""
        known = self._fresh(claims.sid) or await self._load(claims.sid)
        if known.suspended:
            raise Unauthenticated("Invalid token", code="account_suspended")
        if known.actor is None or known.actor.user_id != claims.user_id:
            raise InvalidToken
        return known.actor

    def known_actor(self, claims: Claims) -> Actor | None:
        """As ``actor_of`` where it takes no query; None where it would, and for a refusal."""
        known = self._fresh(claims.sid)
        if known is None or known.actor is None or known.actor.user_id != claims.user_id:
            return None
        return known.actor

    def _fresh(self, session_id: int) -> "_Known | None":
        known = self._known.get(session_id)
        if known is None or known.good_until < time.monotonic() or not self._events.connected:
            return None
        return known

    async def _load(self, session_id: int) -> _Known:
        changes = self._changes
        async with self._db.connection() as conn:
            row = as_row(_SessionRow, await conn.fetchrow(SELECT_SESSION_STATE, session_id))
        active = row is not None and row.status == "active"
        actor = None
        if row is not None and active:
            actor = Actor(row.user_id, row.username, Role(row.role), session_id)
        known = _Known(
            actor=actor,
            suspended=row is not None and row.status == "suspended",
            good_until=time.monotonic() + min(MAX_AGE_S, row.seconds_left if row else MAX_AGE_S),
        )
        # What changed while the row was on its way may be newer than the row.
        if changes == self._changes and self._events.connected:
            if len(self._known) >= _CACHE_SIZE:
                self._known.clear()
            self._known[session_id] = known
        return known

    def forget_session(self, session_id: int) -> None:
        self._changes += 1
        self._known.pop(session_id, None)

    def forget_user(self, user_id: int) -> None:
        self._changes += 1
        for session_id, known in list(self._known.items()):
            if known.actor is None or known.actor.user_id == user_id:
                del self._known[session_id]

    def forget_all(self) -> None:
        self._changes += 1
        self._known.clear()


async def announce_session_ended(conn: Connection, session_id: int) -> None:
    await publish(conn, SESSION_ENDED, session_id=session_id)


async def announce_user_changed(conn: Connection, user_id: int) -> None:
    """Role, status or name changed, or all sessions ended."""
    await publish(conn, USER_CHANGED, user_id=user_id)


async def hold_account(conn: Connection, actor: Actor) -> None:
    """Until the transaction ends, the account can be neither suspended nor deleted.

    For what takes long between asking who it is and writing. Raises InvalidToken.
    """
    if not await conn.fetchval(HOLD_ACCOUNT, actor.user_id):
        raise InvalidToken


async def lock_account(conn: Connection, actor: Actor) -> None:
    """As ``hold_account``, and whoever does this for the same account comes after."""
    if not await conn.fetchval(LOCK_ACCOUNT, actor.user_id):
        raise InvalidToken
