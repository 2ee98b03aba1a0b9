"""``GET /chat/search``."""

from litestar import get

from talas.core.http.describe import describe, id_query, int_query, text_query
from talas.core.http.envelope import Envelope, ok
from talas.core.http.pagination import DEFAULT_LIMIT, MAX_LIMIT, parse_id, parse_int
from talas.core.http.request import Request
from talas.domains.chat.lookup import service
from talas.domains.chat.lookup.schemas import FoundMessage
from talas.domains.chat.lookup.service import Wanted


@get(
    "/chat/search",
    **describe(
        "Messages of one's own rooms and conversations, newest first",
        tag="chat",
        query=(
            text_query("q", "All of these words; the last may be the start of one", required=True),
            text_query("room", "Only in this room"),
            id_query("with", "Only in the conversation with this user"),
            id_query("before", "Only older than this message; for the next page, the last one's"),
            int_query("limit", "How many at most", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT),
        ),
        errors=(403, 404),
    ),
)
async def find_messages(request: Request) -> Envelope[list[FoundMessage]]:
    actor = await request.actor()
    query = request.query_params
    wanted = Wanted(
        text=query.get("q", ""),
        room=query.get("room"),
        with_user=parse_id("with", query.get("with")),
        before=parse_id("before", query.get("before")),
        limit=parse_int(
            "limit", query.get("limit"), default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT
        ),
    )
    async with request.db.transaction() as conn:
        return ok(await service.find_messages(conn, actor, wanted))


api_routes = [find_messages]
