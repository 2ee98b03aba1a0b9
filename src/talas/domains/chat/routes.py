"""``/chat``: histories, and sending over HTTP."""

from datetime import datetime

from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from talas.core.http.describe import describe, int_query, text_query
from talas.core.http.envelope import Envelope, ok
from talas.core.http.pagination import parse_int
from talas.core.http.request import Request
from talas.core.sessions import Actor
from talas.domains.chat import service
from talas.domains.chat.messages import sending
from talas.domains.chat.messages.schemas import NewMessage
from talas.domains.chat.messages.service import shown
from talas.domains.chat.posting import Kept
from talas.domains.chat.schemas import DEFAULT_HISTORY, MAX_HISTORY, HistoryMessage

_HISTORY_QUERY = (
    int_query("limit", "How many at most", default=DEFAULT_HISTORY, least=1, most=MAX_HISTORY),
    text_query("before", "Older than this: the id of a message, or an instant"),
)
_SENT_BEFORE = ResponseSpec(
    Envelope[HistoryMessage],
    description="A message with this client_id was sent before: this one",
    generate_examples=False,
)


@get(
    "/chat/rooms/{room:str}/messages",
    **describe("A room's messages", tag="chat", query=_HISTORY_QUERY, errors=(404,)),
)
async def read_room(request: Request, room: FromPath[str]) -> Envelope[list[HistoryMessage]]:
    actor = await request.actor()
    limit, before = _read_window(request)
    async with request.db.connection() as conn:
        _, messages = await service.read_room_history(conn, actor, room, before=before, limit=limit)
        return ok(await shown(conn, actor.user_id, messages))


@get(
    "/chat/dm/{user_id:int}",
    **describe("Messages to and from a user", tag="chat", query=_HISTORY_QUERY, errors=(404,)),
)
async def read_direct(request: Request, user_id: FromPath[int]) -> Envelope[list[HistoryMessage]]:
    actor = await request.actor()
    limit, before = _read_window(request)
    async with request.db.connection() as conn:
        messages = await service.read_direct_history(
            conn, actor, user_id, before=before, limit=limit
        )
        return ok(await shown(conn, actor.user_id, messages))


@post(
    "/chat/rooms/{room:str}/messages",
    **describe(
        "Say something in a room; who is no member of a public one joins it",
        tag="chat",
        body=NewMessage,
        errors=(403, 404, 409),
        responses={200: _SENT_BEFORE},
    ),
)
async def send_to_room(request: Request, room: FromPath[str]) -> Response[Envelope[HistoryMessage]]:
    actor, body = await _read_message(request)
    async with request.db.transaction() as conn:
        return _sent(await sending.send_to_room(conn, actor, room, body))


@post(
    "/chat/dm/{user_id:int}",
    **describe(
        "Say something to a user",
        tag="chat",
        body=NewMessage,
        errors=(404, 409),
        responses={200: _SENT_BEFORE},
    ),
)
async def send_to_user(
    request: Request, user_id: FromPath[int]
) -> Response[Envelope[HistoryMessage]]:
    actor, body = await _read_message(request)
    async with request.db.transaction() as conn:
        return _sent(await sending.send_to_user(conn, actor, user_id, body))


async def _read_message(request: Request) -> tuple[Actor, NewMessage]:
    actor = await request.actor()
    body = await request.body_as(NewMessage)
    if request.settings.rate_limits:
        sending.check_pace(actor.user_id)
    return actor, body


def _sent(kept: Kept) -> Response[Envelope[HistoryMessage]]:
    return Response(ok(HistoryMessage.of(kept.message)), status_code=200 if kept.duplicate else 201)


def _read_window(request: Request) -> tuple[int, int | datetime]:
    query = request.query_params
    limit = parse_int(
        "limit", query.get("limit"), default=DEFAULT_HISTORY, least=1, most=MAX_HISTORY
    )
    return limit, service.read_before(query.get("before"))


api_routes = [read_room, read_direct, send_to_room, send_to_user]
