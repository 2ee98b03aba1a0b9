"""The API as an ASGI application: routes, errors in the envelope, OpenAPI, CORS."""

import functools
import re
from collections.abc import Sequence
from typing import Any

import litestar
import structlog
from litestar import Litestar, Response, Router
from litestar.datastructures import State
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
)
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute
from litestar.routes.base import parsers_map

from talas import __version__
from talas.core.database import is_unavailable
from talas.core.errors import (
    InvalidData,
    MethodNotAllowed,
    NotFound,
    TalasError,
    TooLarge,
    Unavailable,
)
from talas.core.http.cors import Cors
from talas.core.http.edge import Edge, allowed_methods
from talas.core.http.envelope import encode_failure
from talas.core.http.probes import PROBE_ROUTES
from talas.core.http.proxies import TrustedProxies
from talas.core.http.request import ApiContext, Request
from talas.core.storage import ObjectMissing

log = structlog.get_logger()

BASE_PATH = "/api/v1"
AnyRequest = litestar.Request[Any, Any, Any]


def create_app(
    context: ApiContext,
    *,
    api_routes: Sequence[Any],
    media_routes: Sequence[Any] = (),
    hot_paths: Sequence[str] = (),
    lifespan: Sequence[Any] = (),
) -> Edge:
    """``api_routes`` live under ``/api/v1``, ``media_routes`` at the root.

    ``hot_paths`` are routes below ``/api/v1`` whose answers may be up to a second old: what they
    answer depends on the actor, the query and the database alone, and a public one's not on the
    actor either.
    """
    settings = context.settings
    parsers_map[int] = parse_id
    app = Litestar(
        _routes(api_routes, media_routes),
        request_class=Request,
        state=State({"context": context}),
        lifespan=[*lifespan],
        exception_handlers={
            TalasError: _render,
            HTTPException: _render_http,
            ObjectMissing: _render_missing,
            Exception: _render_unexpected,
        },
        openapi_config=_openapi(),
        logging_config=None,
        request_max_body_size=None,
    )
    return Edge(
        app,  # type: ignore[arg-type]
        guard=context.guard,
        hot_reads=context.hot_reads,
        hot_paths={BASE_PATH + path: _is_public(app, BASE_PATH + path) for path in hot_paths},
        cors=Cors(settings.http.cors_origins),
        proxies=TrustedProxies(settings.http.trusted_proxies),
        methods_of=lambda path: _methods(app, path),
        secret_paths=_secret_paths(app),
        log_format=settings.log_format,
        rate_limits=settings.rate_limits,
    )


def _secret_paths(app: Litestar) -> tuple[str, ...]:
    """What comes before the tokens that some paths end with."""
    paths = (route.path.partition("/{token")[0] for route in app.routes if "/{token" in route.path)
    return tuple({f"{path}/" for path in paths})


def openapi_document(
    *, api_routes: Sequence[Any], media_routes: Sequence[Any] = ()
) -> dict[str, Any]:
    """What ``/openapi.json`` says of these routes, without a server."""
    app = Litestar(
        _routes(api_routes, media_routes),
        request_class=Request,
        openapi_config=_openapi(),
        logging_config=None,
    )
    return app.openapi_schema.to_schema()


def _routes(api_routes: Sequence[Any], media_routes: Sequence[Any]) -> list[Any]:
    return [Router(BASE_PATH, route_handlers=[*api_routes]), *media_routes, *PROBE_ROUTES]


def parse_id(segment: str) -> int:
    """A number in a path has one spelling: ``+1``, ``01``, ``1_0`` and ``\u0661`` name nothing.

    Raises ValueError, which the framework answers with 404. It has no other place for a
    converter than its own table.
    """
    number = int(segment)
    if str(number) != segment:
        raise ValueError(segment)
    return number


def _openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Talas",
        version=__version__,
        path="/schema",
        # Without one, the framework adds a page that loads scripts from elsewhere.
        render_plugins=[JsonRenderPlugin()],
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"),
                "mediaToken": SecurityScheme(
                    type="apiKey", name="token", security_scheme_in="query"
                ),
            }
        ),
    )


def _render(_request: AnyRequest, error: TalasError) -> Response[bytes]:
    return Response(
        encode_failure(error),
        status_code=error.status,
        media_type="application/json",
        headers=error.headers,
    )


def _render_missing(request: AnyRequest, error: ObjectMissing) -> Response[bytes]:
    """The row is there and its object is not, until the nightly check finds out."""
    log.warning(
        "storage.object_missing", key=str(error), request_id=request.scope.get("request_id")
    )
    return _render(request, NotFound("Not found"))


def _render_http(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """The framework's own refusals, in Talas's words."""
    if isinstance(error, NotFoundException):
        return _render(request, NotFound("Not found"))
    if isinstance(error, MethodNotAllowedException):
        return _render(request, MethodNotAllowed(request.method, _allowed_methods(request)))
    if error.status_code == 413:
        return _render(request, TooLarge("The body is too large"))
    if error.status_code >= 500:
        return _render_unexpected(request, error)
    return _render(request, InvalidData(error.detail))


def _allowed_methods(request: AnyRequest) -> list[str]:
    """The framework raises before it knows which route it was."""
    return allowed_methods(_methods(request.app, request.scope["path"]))


def _methods(app: Litestar, path: str) -> set[str]:
    """Of all routes with this path. As for the framework, a path that is written out comes before
    one with parameters."""
    path = path.rstrip("/") or "/"
    written_out: set[str] = set()
    with_parameters: set[str] = set()
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        if route.path_format == path:
            written_out.update(route.methods)
        elif _pattern(route.path).fullmatch(path):
            with_parameters.update(route.methods)
    return written_out or with_parameters


def _is_public(app: Litestar, path: str) -> bool:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path == path:
            handler, _ = route.route_handler_map["GET"]
            return handler.security == []
    raise ValueError(f"no route is {path}")


@functools.lru_cache(None)
def _pattern(route_path: str) -> re.Pattern[str]:
    pattern = re.sub(r"\\\{[^}]*:int\\\}", "[0-9]+", re.escape(route_path))
    return re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", pattern))


def _render_unexpected(request: AnyRequest, error: Exception) -> Response[bytes]:
    request_id = request.scope.get("request_id")
    if is_unavailable(error):
        log.warning("database.unavailable", error=str(error), request_id=request_id)
        return _render(request, Unavailable("The database does not answer; try again soon"))
    log.error("request.failed", request_id=request_id, exc_info=error)
    return _render(request, TalasError(f"Internal error; request id {request_id}"))
