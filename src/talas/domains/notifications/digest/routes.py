"""``/notifications/unsubscribe``: the link that stands in every mail, good without a login."""

from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec

from talas.core.http.describe import describe, text_query
from talas.core.http.request import Request
from talas.domains.notifications.digest import service
from talas.domains.notifications.digest.links import read_unsubscribe_token
from talas.domains.notifications.digest.page import ASK_PAGE, DONE_PAGE, HEADERS

_TOKEN = (text_query("token", "As it stands in the mail's link", required=True),)
_PAGE = {
    200: ResponseSpec(
        str, description="A page for a person", media_type="text/html", generate_examples=False
    )
}


@get(
    "/notifications/unsubscribe",
    **describe(
        "Ask whether the mails shall end",
        tag="notifications",
        public=True,
        query=_TOKEN,
        responses=_PAGE,
    ),
)
async def ask_to_unsubscribe(request: Request) -> Response[str]:
    """Changes nothing: mail programs follow links before anybody has clicked."""
    read_unsubscribe_token(_secret(request), request.query_params.get("token", ""))
    return Response(ASK_PAGE, media_type="text/html", headers=HEADERS)


@post(
    "/notifications/unsubscribe",
    status_code=200,
    **describe("End the mails", tag="notifications", public=True, query=_TOKEN, responses=_PAGE),
)
async def unsubscribe(request: Request) -> Response[str]:
    """In one click (RFC 8058); what the body says does not matter."""
    async with request.db.transaction() as conn:
        await service.unsubscribe(conn, _secret(request), request.query_params.get("token", ""))
    return Response(DONE_PAGE, media_type="text/html", headers=HEADERS)


def _secret(request: Request) -> str:
    return request.settings.auth.jwt_secret


api_routes = [ask_to_unsubscribe, unsubscribe]
