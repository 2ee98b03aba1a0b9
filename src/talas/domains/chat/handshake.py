"""Who may open a WebSocket, and the plain HTTP that is answered on the same port."""

import hmac
import http
import ipaddress
from email.utils import formatdate
from urllib.parse import parse_qs, urlsplit

import msgspec
import structlog
from websockets.datastructures import Headers, MultipleValuesError
from websockets.http11 import Request, Response

from talas.core.database import is_unavailable
from talas.core.errors import (
    Forbidden,
    InvalidData,
    NotFound,
    TalasError,
    Unauthenticated,
    Unavailable,
)
from talas.core.http.envelope import encode_failure
from talas.core.metrics import render_metrics
from talas.core.sessions import Actor
from talas.core.tokens import Claims, TokenType
from talas.domains.chat.errors import DatabaseUnavailable
from talas.domains.chat.node import Node

VERSION = "13"

log = structlog.get_logger()


class Admitted(msgspec.Struct, frozen=True):
    """``version`` is 2 for clients that asked for acknowledgements."""

    actor: Actor
    claims: Claims
    version: int


async def admit(node: Node, request: Request, address: str) -> Admitted | Response:
    """An open door, or the HTTP answer."""
    try:
        url = urlsplit(request.path)
        if url.path != "/":
            return await _plain_http(node, url.path, request.headers, address)
        if node.draining:
            raise Unavailable("Shutting down")
        if len(request.headers.get_all("Host")) != 1:
            raise InvalidData("A request has one Host header")
        _check_origin(request.headers, node.settings.http.cors_origins)
        query = parse_qs(url.query, max_num_fields=20)
        claims, actor = await _authenticate(node, _token(query, request.headers))
        if not _asks_for_websocket(request.headers):
            return _failure(_upgrade_required(), status=426)
        return Admitted(actor, claims, 2 if query.get("v") == ["2"] else 1)
    except TalasError as error:
        return _failure(error)
    except (ValueError, MultipleValuesError):
        return _failure(InvalidData("The request makes no sense"))
    except Exception as error:
        if is_unavailable(error):
            return _failure(DatabaseUnavailable())
        log.exception("chat.handshake_failed")
        return _failure(TalasError("Something went wrong here"))


def _check_origin(headers: Headers, allowed: tuple[str, ...]) -> None:
    """Browsers say which site opened the socket; other clients send no such header."""
    origin = headers.get("Origin")
    if origin is not None and origin not in allowed:
        raise Forbidden("This origin may not connect; see CORS_ALLOWED_ORIGINS")


def _asks_for_websocket(headers: Headers) -> bool:
    return (
        headers.get_all("Sec-WebSocket-Version") == [VERSION]
        and _lists(headers, "Upgrade", "websocket")
        and _lists(headers, "Connection", "upgrade")
    )


def _lists(headers: Headers, name: str, word: str) -> bool:
    listed = ",".join(headers.get_all(name)).split(",")
    return any(item.strip().lower() == word for item in listed)


def _upgrade_required() -> TalasError:
    """RFC 6455 section 4.2.2 wants the version to be named."""
    return TalasError(
        f"Only WebSocket version {VERSION} is spoken here",
        code="upgrade_required",
        headers={
            "Connection": "Upgrade, close",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": VERSION,
        },
    )


def _token(query: dict[str, list[str]], headers: Headers) -> str:
    if "token" in query:
        return query["token"][0]
    header = headers.get("Authorization")
    if not header:
        raise Unauthenticated("Missing authorization header", code="missing_token")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Invalid token", code="invalid_token")
    return token.strip()


async def _authenticate(node: Node, token: str) -> tuple[Claims, Actor]:
    claims = node.guard.signer.read(token, TokenType.ACCESS)
    return claims, await node.guard.actor_of(claims)


async def _plain_http(node: Node, path: str, headers: Headers, address: str) -> Response:
    if path == "/health":
        return _answer(200, b'{"status":"ok"}')
    if path == "/ready":
        if node.stopping:
            raise Unavailable("Shutting down")
        await node.db.ping()
        return _answer(200, b'{"status":"ready"}')
    if path == "/metrics":
        if not _may_read_metrics(node.settings.http.metrics_token, headers, address):
            raise Forbidden("Metrics are served to this machine, or to who shows METRICS_TOKEN")
        body, media_type = render_metrics()
        return _answer(200, body, media_type)
    raise NotFound("Nothing is here; the WebSocket is at /")


def _may_read_metrics(token: str | None, headers: Headers, address: str) -> bool:
    shown = headers.get("Authorization", "").removeprefix("Bearer ")
    if token is not None and hmac.compare_digest(shown.encode(), token.encode()):
        return True
    # A proxy on this machine makes everybody look local; it says so by this header.
    if "X-Forwarded-For" in headers or "Forwarded" in headers:
        return False
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _failure(error: TalasError, *, status: int | None = None) -> Response:
    return _answer(status or error.status, encode_failure(error), extra=error.headers)


def _answer(
    status: int,
    body: bytes,
    media_type: str = "application/json",
    *,
    extra: dict[str, str] | None = None,
) -> Response:
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Length": str(len(body)),
            "Content-Type": media_type,
            **(extra or {}),
        }
    )
    return Response(status, http.HTTPStatus(status).phrase, headers, body)
