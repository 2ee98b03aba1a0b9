"""The outermost layer of the API: request ids, limits, the log line and the metrics."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from talas.core.errors import Forbidden, TalasError, TooManyRequests, Unauthenticated
from talas.core.http.body import WatchedBody
from talas.core.http.cors import Cors
from talas.core.http.envelope import encode_failure
from talas.core.http.hot_reads import HotReads, Key
from talas.core.http.proxies import TrustedProxies
from talas.core.limits import RateLimiter, address_key
from talas.core.logging import GATHER_S, AccessLog
from talas.core.metrics import OPEN_REQUESTS, REQUEST_SECONDS, RESPONSES
from talas.core.sessions import SessionGuard
from talas.core.tokens import Claims, TokenType

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

READS_PER_MINUTE = 1_000
WRITES_PER_MINUTE = 200
ANONYMOUS_PER_MINUTE = 100
_MAX_QUERY = 8 * 1024
_PROBES = frozenset({"/health", "/ready", "/metrics"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _READS | {"POST", "PUT", "PATCH", "DELETE"}
# Names a request in a log; nobody gains by guessing one.
_random = random.Random()  # noqa: S311
_SANE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Edge:
    """ASGI middleware around the whole application."""

    def __init__(
        self,
        app: Asgi,
        *,
        guard: SessionGuard,
        hot_reads: HotReads,
        hot_paths: Mapping[str, bool],
        cors: Cors,
        proxies: TrustedProxies,
        methods_of: Callable[[str], set[str]],
        secret_paths: tuple[str, ...],
        log_format: str,
        rate_limits: bool,
    ) -> None:
        """``hot_paths`` says of each path whose answers ``hot_reads`` may hold whether it is the
        same for everybody; the others are held for each actor. What follows one of
        ``secret_paths`` is not logged."""
        self._app = app
        self._guard = guard
        self._hot_reads = hot_reads
        self._hot_paths = hot_paths
        self._cors = cors
        self._proxies = proxies
        self._methods_of = methods_of
        self._secret_paths = secret_paths
        self._access_log = AccessLog(log_format)
        self._limits = _Limits() if rate_limits else None
        self._observers: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._open = 0
        self._telling_open = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = _request_id(headers)
        scope["request_id"] = request_id
        scope["client"] = self._client(scope, headers)
        claims = self._claims(scope, headers)
        if claims is not None and len(headers) == len(scope["headers"]):
            scope["claims"] = claims
        user_id = None if claims is None else claims.user_id
        method, status = scope["method"], 500
        if method == "HEAD" and "HEAD" not in self._methods_of(scope["path"]):
            # As GET; the server leaves the body out.
            scope["method"] = "GET"
        added = [(b"x-request-id", request_id.encode())]
        added += self._cors.headers(headers.get(b"origin"))
        body = WatchedBody(receive, headers)
        if not body.ended:
            receive = body.receive

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if not (body.ended or await body.read_short_rest()):
                    added.append((b"connection", b"close"))
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        self._open += 1
        self._idle.clear()
        self._tell_open()
        try:
            if _is_preflight(scope, headers):
                await self._answer_preflight(headers[b"origin"], send_with_id)
            else:
                hot_key = self._hot_key(scope, headers, claims) if body.ended else None
                await self._let_through(scope, user_id, hot_key, receive, send_with_id)
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()
            self._tell_open()
            took = time.perf_counter() - started
            self._observe(method, scope.get("path_template"), status, took)
            path = self._loggable(scope["path"])
            self._access_log.write(method, path, status, took, request_id, user_id)

    def _loggable(self, path: str) -> str:
        """A link that lets somebody in is a secret also where the request was refused."""
        if not path.startswith(self._secret_paths):
            return path
        return next(f"{start}***" for start in self._secret_paths if path.startswith(start))

    def _tell_open(self) -> None:
        """At once, and of what follows together: a figure that processes share costs more than
        many a step of a request."""
        if not self._telling_open:
            self._telling_open = True
            OPEN_REQUESTS.set(self._open)
            asyncio.get_running_loop().call_later(GATHER_S, self._tell_last_open)

    def _tell_last_open(self) -> None:
        self._telling_open = False
        OPEN_REQUESTS.set(self._open)

    async def wait_until_idle(self, timeout_s: float) -> bool:
        """Whether all open requests ended within the time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def _let_through(
        self,
        scope: Scope,
        user_id: int | None,
        hot_key: Key | None,
        receive: Receive,
        send: Send,
    ) -> None:
        try:
            if self._limits is not None and scope["path"] not in _PROBES:
                self._limits.check(scope, user_id)
        except TooManyRequests as error:
            await send_failure(error, send)
            return
        if hot_key is not None:
            scope["path_template"] = scope["path"]
            await self._hot_reads.answer(hot_key, partial(self._app, scope, receive), send)
        elif scope["method"] == "OPTIONS" and (methods := self._methods_of(scope["path"])):
            allowed = ", ".join(allowed_methods(methods))
            await _send_empty([(b"allow", allowed.encode())], send)
        elif scope["method"] in _READS:
            await self._app(scope, receive, send)
        else:
            await self._write(scope, receive, send)

    async def _write(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Who has the answer to a write, and then reads, reads what was written."""

        async def forget_first(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._hot_reads.forget_all()
            await send(message)

        try:
            await self._app(scope, receive, forget_first)
        finally:
            self._hot_reads.forget_all()

    def _hot_key(
        self, scope: Scope, headers: dict[bytes, bytes], claims: Claims | None
    ) -> Key | None:
        """None where the answer has to come from the route, refusals among them."""
        public = self._hot_paths.get(scope["path"])
        if public is None or scope["method"] != "GET" or len(headers) != len(scope["headers"]):
            return None
        if public:
            return None, scope["path"], scope["query_string"]
        if claims is None or claims.typ is not TokenType.ACCESS:
            return None
        actor = self._guard.known_actor(claims)
        return None if actor is None else (actor, scope["path"], scope["query_string"])

    async def _answer_preflight(self, origin: bytes, send: Send) -> None:
        """Browsers ask before most writes; it costs nothing and counts for no limit."""
        headers = self._cors.preflight(origin)
        if headers is None:
            await send_failure(Forbidden("This origin is not allowed"), send)
            return
        await _send_empty(headers, send)

    def _client(self, scope: Scope, headers: dict[bytes, bytes]) -> tuple[str, int]:
        peer, port = scope.get("client") or ("unknown", 0)
        forwarded_for = headers.get(b"x-forwarded-for")
        if forwarded_for is None:
            return peer, port
        return self._proxies.client_of(peer, forwarded_for.decode("latin-1")), port

    def _claims(self, scope: Scope, headers: dict[bytes, bytes]) -> Claims | None:
        """Whom the token names; whether its session still lives is the route's question."""
        header = headers.get(b"authorization")
        try:
            if header is None:
                token, typ = _query_token(scope["query_string"]), TokenType.MEDIA
            elif header[:7].lower() == b"bearer ":
                token, typ = header[7:].strip().decode(), TokenType.ACCESS
            else:
                return None
            return self._guard.signer.read(token, typ) if token else None
        except (Unauthenticated, ValueError):
            return None

    def _observe(self, method: str, route: str | None, status: int, took: float) -> None:
        """Labels come from lists of ours: what strangers think up would fill the memory."""
        key = (method if method in _METHODS else "OTHER", route or "unmatched", status)
        observers = self._observers.get(key)
        if observers is None:
            observers = (
                REQUEST_SECONDS.labels(*key[:2]),
                RESPONSES.labels(*key[:2], str(status)),
            )
            self._observers[key] = observers
        observers[0].observe(took)
        observers[1].inc()


class _Limits:
    def __init__(self) -> None:
        self._reads = RateLimiter(READS_PER_MINUTE)
        self._writes = RateLimiter(WRITES_PER_MINUTE)
        self._anonymous = RateLimiter(ANONYMOUS_PER_MINUTE)

    def check(self, scope: Scope, user_id: int | None) -> None:
        if user_id is None:
            wait_s = self._anonymous.take(address_key(scope["client"][0]))
        elif scope["method"] in _READS:
            wait_s = self._reads.take(user_id)
        else:
            wait_s = self._writes.take(user_id)
        if wait_s:
            raise TooManyRequests(
                f"Too many requests; try again in {int(wait_s) + 1} s",
                retry_after_s=wait_s,
            )


async def send_failure(error: TalasError, send: Send) -> None:
    body = encode_failure(error)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in error.headers.items()),
    ]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def allowed_methods(methods: set[str]) -> list[str]:
    """Of a path whose routes have these methods: what GET answers, HEAD does too."""
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


async def _send_empty(headers: list[tuple[bytes, bytes]], send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _is_preflight(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    return (
        scope["method"] == "OPTIONS"
        and b"origin" in headers
        and b"access-control-request-method" in headers
    )


def _query_token(query: bytes) -> str:
    if b"token=" not in query or len(query) > _MAX_QUERY:
        return ""
    return parse_qs(query.decode()).get("token", [""])[0]


def _request_id(headers: dict[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id")
    if given is not None and _SANE_ID.fullmatch(given):
        return given.decode()
    return f"{_random.getrandbits(64):016x}"
