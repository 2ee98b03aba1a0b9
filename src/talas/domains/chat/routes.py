"""``/chat``: histories over HTTP."""

from datetime import datetime

from litestar import get

from talas.core.http.describe import describe, int_query, text_query
from talas.core.http.envelope import Envelope, ok
from talas.core.http.pagination import parse_int
from talas.core.http.request import Request
from talas.domains.chat import service
from talas.domains.chat.schemas import DEFAULT_HISTORY, MAX_HISTORY, HistoryMessage

_HISTORY_QUERY = (
    int_query("limit", "How many at most", default=DEFAULT_HISTORY, least=1, most=MAX_HISTORY),
    text_query("before", "Older than this: the id of a message, or an instant"),
)


@get(
    "/chat/rooms/{room:str}/messages",
    **describe("A room's messages", tag="chat", query=_HISTORY_QUERY, errors=(404,)),
)
async def read_room(request: Request, room: str) -> Envelope[list[HistoryMessage]]:
    actor = await request.actor()
    limit, before = _read_window(request)
    async with request.db.connection() as conn:
        _, messages = await service.read_room_history(conn, actor, room, before=before, limit=limit)
    return ok([HistoryMessage.of(message) for message in messages])


@get(
    "/chat/dm/{user_id:int}",
    **describe("Messages to and from a user", tag="chat", query=_HISTORY_QUERY, errors=(404,)),
)
async def read_direct(request: Request, user_id: int) -> Envelope[list[HistoryMessage]]:
    actor = await request.actor()
    limit, before = _read_window(request)
    async with request.db.connection() as conn:
        messages = await service.read_direct_history(
            conn, actor, user_id, before=before, limit=limit
        )
    return ok([HistoryMessage.of(message) for message in messages])


def _read_window(request: Request) -> tuple[int, int | datetime]:
    query = request.query_params
    limit = parse_int(
        "limit", query.get("limit"), default=DEFAULT_HISTORY, least=1, most=MAX_HISTORY
    )
    return limit, service.read_before(query.get("before"))


api_routes = [read_room, read_direct]
