"""``/health``, ``/ready``, ``/metrics``, ``/openapi.json`` and ``/docs``."""

import asyncio
import functools
import hmac
import ipaddress
from typing import Any

import litestar
import msgspec
import structlog
from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec

from talas.core.errors import Forbidden, Unavailable
from talas.core.http.describe import failures
from talas.core.http.docs_page import DOCS_HEADERS, DOCS_PAGE
from talas.core.http.request import Request
from talas.core.metrics import render_metrics

log = structlog.get_logger()

READY_TIMEOUT_S = 3.0
_FIGURES = ResponseSpec(
    str,
    description="To this machine, or to who shows METRICS_TOKEN as a Bearer token",
    media_type="text/plain",
    generate_examples=False,
)


def _probe(
    summary: str, *, errors: tuple[int, ...] = (), success: ResponseSpec | None = None
) -> dict[str, Any]:
    """Unlike the API's routes, these know no limits and no accounts."""
    return {
        "summary": summary,
        "tags": ["probes"],
        "security": [],
        "responses": {**({200: success} if success else {}), **failures(errors)},
    }


@get("/health", **_probe("Whether the process lives"))
async def health() -> dict[str, str]:
    return {"status": "ok"}


@get("/ready", **_probe("Whether requests can be served", errors=(503,)))
async def ready(request: Request) -> dict[str, str]:
    """503 while the database or the storage does not answer, and while draining."""
    context = request.context
    if context.draining:
        raise Unavailable("Shutting down")
    for name, ping in (
        ("database", context.db.ping),
        ("storage", context.storage.ping),
        ("storage of documents", context.docs_storage.ping),
    ):
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await ping()
        except Exception as error:
            # Who waits for a start sees the log alone.
            log.warning("ready.refused", by=name, error=str(error) or type(error).__name__)
            raise Unavailable(f"The {name} does not answer") from error
    return {"status": "ready"}


@get("/metrics", **_probe("Figures for Prometheus", errors=(403,), success=_FIGURES))
async def metrics(request: Request) -> Response[bytes]:
    if not _may_read_metrics(request):
        raise Forbidden("Metrics are served to this machine, or to who shows METRICS_TOKEN")
    body, media_type = await asyncio.to_thread(render_metrics)
    # The framework names the character set of every text, and would do so a second time.
    return Response(body, media_type=media_type.removesuffix("; charset=utf-8"))


@get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response[bytes]:
    return Response(_document(request.app), media_type="application/json")


@functools.lru_cache(1)
def _document(app: litestar.Litestar) -> bytes:
    return msgspec.json.encode(app.openapi_schema.to_schema())


@get("/docs", include_in_schema=False)
async def docs() -> Response[str]:
    return Response(DOCS_PAGE, media_type="text/html", headers=DOCS_HEADERS)


def _may_read_metrics(request: Request) -> bool:
    token = request.settings.http.metrics_token
    shown = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token is not None and hmac.compare_digest(shown.encode(), token.encode()):
        return True
    # A proxy on this machine makes everybody look local; it says so by this header.
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.client_address).is_loopback
    except ValueError:
        return False


PROBE_ROUTES = [health, ready, metrics, openapi, docs]
