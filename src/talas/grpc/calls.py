"""Around every call: who asks, how much they may, what is logged and measured, how it fails."""

import asyncio
import contextlib
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from urllib.parse import unquote

import grpc
import structlog
from google.protobuf.message import Message
from grpc.aio import ServicerContext

from talas.core.database import is_unavailable
from talas.core.errors import NotFound, TalasError, TooManyRequests, Unauthenticated, Unavailable
from talas.core.limits import RateLimiter, address_key
from talas.core.logging import AccessLog
from talas.core.sessions import Actor, SessionGuard
from talas.core.storage import ObjectMissing
from talas.core.tokens import Claims, TokenType
from talas.domains.streaming.errors import StreamCut
from talas.grpc.errors import Cut, Draining, ReaderTooSlow, status_of
from talas.grpc.metrics import CALL_SECONDS, CALLS, OPEN_STREAMS

SERVICE = "talas.v1.AudioStream"
CALLS_PER_MINUTE = 1_000
ANONYMOUS_PER_MINUTE = 100
MAX_STREAMS = 32
"""Of one user, of one process."""

SEND_DEADLINE_S = 60.0
WATCH_S = 1.0
_ABORT_S = 1.0
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Names a call in a log; nobody gains by guessing one.
_random = random.Random()  # noqa: S311

log = structlog.get_logger()


class Call:
    """A call under way. ``end`` breaks it off with an error, wherever it waits."""

    def __init__(self, context: ServicerContext, actor: Actor, claims: Claims) -> None:
        self.actor = actor
        self.claims = claims
        self.ended_with: TalasError | None = None
        self._context = context
        self._task = asyncio.current_task()

    async def send(self, message: Message) -> None:
        """Waits until the client takes it. Raises ReaderTooSlow."""
        try:
            async with asyncio.timeout(SEND_DEADLINE_S):
                await self._context.write(message)
        except TimeoutError:
            raise ReaderTooSlow(SEND_DEADLINE_S) from None
        except Exception:
            if self._context.done():
                # The library says that in many ways.
                raise asyncio.CancelledError from None
            raise

    def end(self, error: TalasError) -> None:
        if self.ended_with is None and self._task is not None:
            self.ended_with = error
            self._task.cancel()


class Calls:
    """All calls of a process."""

    def __init__(self, guard: SessionGuard, *, log_format: str, rate_limits: bool) -> None:
        self._guard = guard
        self._access_log = AccessLog(log_format)
        self._are_limited = rate_limits
        self._calls = RateLimiter(CALLS_PER_MINUTE)
        self._anonymous = RateLimiter(ANONYMOUS_PER_MINUTE)
        self._open: set[Call] = set()
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.under_way = 0

    @contextlib.asynccontextmanager
    async def answering(self, method: str, context: ServicerContext) -> AsyncIterator[Call]:
        """The block answers a call; what it raises becomes the call's status."""
        began, call = time.monotonic(), None
        request_id = _request_id(context)
        outcome = grpc.StatusCode.OK
        self._count(+1)
        try:
            await context.send_initial_metadata((("x-request-id", request_id),))
            call = await self._admit(context)
            yield call
        except asyncio.CancelledError:
            outcome = grpc.StatusCode.CANCELLED
            if call is None or call.ended_with is None:
                raise
            outcome, trailers = status_of(call.ended_with)
            await _abort(context, outcome, call.ended_with.message, trailers)
        except Exception as error:
            known = _as_talas_error(error, request_id)
            outcome, trailers = status_of(known)
            await _abort(context, outcome, known.message, trailers)
        finally:
            self._count(-1)
            took = time.monotonic() - began
            CALL_SECONDS.labels(method).observe(took)
            CALLS.labels(method, outcome.name).inc()
            user_id = None if call is None else call.actor.user_id
            path = f"/{SERVICE}/{method}"
            self._access_log.write("GRPC", path, outcome.name, took, request_id, user_id)

    @contextlib.contextmanager
    def streaming(self, call: Call) -> Iterator[None]:
        """The block sends for as long as it takes: it ends with the session, and when the process
        does. Raises TooManyRequests where the user has MAX_STREAMS already."""
        if self._draining:
            raise Draining
        streams = Counter(open_call.actor.user_id for open_call in self._open)
        if self._are_limited and streams[call.actor.user_id] >= MAX_STREAMS:
            raise TooManyRequests(
                f"You have {MAX_STREAMS} streams open; end one, or try again later",
                retry_after_s=SEND_DEADLINE_S,
            )
        self._open.add(call)
        OPEN_STREAMS.inc()
        try:
            yield
        finally:
            OPEN_STREAMS.dec()
            self._open.discard(call)

    async def watch(self) -> None:
        """Ends the streams of sessions that have ended, until it is cancelled."""
        while True:
            await asyncio.sleep(WATCH_S)
            sessions = {call.claims.sid: call.claims for call in self._open}
            for claims in sessions.values():
                await self._check(claims)

    def drain(self) -> None:
        """No stream begins any more."""
        self._draining = True

    def end_all(self) -> None:
        for call in [*self._open]:
            call.end(Draining())

    async def wait_until_idle(self, within_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()

    def _count(self, change: int) -> None:
        self.under_way += change
        if self.under_way:
            self._idle.clear()
        else:
            self._idle.set()

    async def _check(self, claims: Claims) -> None:
        try:
            await self._guard.actor_of(claims)
        except TalasError as error:
            for call in [*self._open]:
                if call.claims.sid == claims.sid:
                    call.end(error)
        except Exception as error:
            # While nobody can tell, who listens goes on.
            if not is_unavailable(error):
                log.error("grpc.session_unknown", exc_info=error)

    async def _admit(self, context: ServicerContext) -> Call:
        """Raises Unauthenticated and TooManyRequests."""
        try:
            claims = self._guard.signer.read(_bearer_token(context), TokenType.ACCESS)
            actor = await self._guard.actor_of(claims)
        except Unauthenticated:
            self._take(self._anonymous, address_key(_address(context)))
            raise
        self._take(self._calls, actor.user_id)
        return Call(context, actor, claims)

    def _take(self, limiter: RateLimiter, key: object) -> None:
        wait_s = limiter.take(key) if self._are_limited else 0.0
        if wait_s:
            raise TooManyRequests(
                f"Too many requests; try again in {int(wait_s) + 1} s", retry_after_s=wait_s
            )


async def _abort(
    context: ServicerContext,
    code: grpc.StatusCode,
    details: str,
    trailers: tuple[tuple[str, str], ...],
) -> None:
    """Raises what ends a call. A client that reads nothing gets its status when it reads on, if
    ever: nobody waits for that here."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ABORT_S):
            await context.abort(code, details, trailers)
    # The library takes it for a call that the client has left, and lets the status go out.
    raise asyncio.CancelledError


def _as_talas_error(error: Exception, request_id: str) -> TalasError:
    if isinstance(error, TalasError):
        return error
    if isinstance(error, StreamCut):
        return Cut()
    if isinstance(error, ObjectMissing):
        log.warning("storage.object_missing", key=str(error), request_id=request_id)
        return NotFound("Not found")
    if is_unavailable(error):
        log.warning("database.unavailable", error=str(error), request_id=request_id)
        return Unavailable("The database does not answer; try again soon")
    log.error("call.failed", request_id=request_id, exc_info=error)
    return TalasError(f"Internal error; request id {request_id}")


def _bearer_token(context: ServicerContext) -> str:
    given = _metadata(context, "authorization")
    if not given:
        raise Unauthenticated("Missing authorization metadata", code="missing_token")
    scheme, _, token = given[0].partition(" ")
    # Of two each reader might take another one.
    if scheme.lower() != "bearer" or not token.strip() or len(given) > 1:
        raise Unauthenticated("Invalid token", code="invalid_token")
    return token.strip()


def _request_id(context: ServicerContext) -> str:
    """The caller's, where it sent a sane one."""
    given = _metadata(context, "x-request-id")
    if given and _SANE_ID.fullmatch(given[0]):
        return given[0]
    return f"{_random.getrandbits(64):016x}"


def _metadata(context: ServicerContext, name: str) -> list[str]:
    pairs = context.invocation_metadata() or ()
    return [value for key, value in pairs if key == name and isinstance(value, str)]


def _address(context: ServicerContext) -> str:
    """Of ``ipv4:127.0.0.1:5000`` or ``ipv6:%5B::1%5D:5000`` what tells one client from another."""
    _, _, place = unquote(context.peer()).partition(":")
    return place.rpartition(":")[0].strip("[]")
