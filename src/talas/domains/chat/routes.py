"""``/chat``: rooms and histories over HTTP."""

from datetime import datetime

from litestar import get, post

from talas.core.http.describe import PAGE_QUERY, describe, int_query, text_query
from talas.core.http.envelope import Envelope, Paged, ok
from talas.core.http.pagination import paged, parse_int
from talas.core.http.request import Request
from talas.domains.chat import service
from talas.domains.chat.rooms import service as rooms_service
from talas.domains.chat.rooms.sql import ListedRoom
from talas.domains.chat.schemas import DEFAULT_HISTORY, MAX_HISTORY, CreateRoom, HistoryMessage

_HISTORY_QUERY = (
    int_query("limit", "How many at most", default=DEFAULT_HISTORY, least=1, most=MAX_HISTORY),
    text_query("before", "Older than this: the id of a message, or an instant"),
)


@get(
    "/chat/rooms",
    **describe(
        "Public rooms, and one's own private ones",
        tag="chat",
        query=(*PAGE_QUERY, text_query("search", "In the name or the description")),
    ),
)
async def list_rooms(request: Request) -> Paged[ListedRoom]:
    actor = await request.actor()
    page = request.read_page()
    search = request.query_params.get("search")
    async with request.db.connection() as conn:
        rooms, total = await rooms_service.list_rooms(conn, actor, page, search=search)
    return paged(rooms, page, total)


@post("/chat/rooms", **describe("Open a room", tag="chat", body=CreateRoom, errors=(409,)))
async def create_room(request: Request) -> Envelope[ListedRoom]:
    actor = await request.actor()
    body = await request.body_as(CreateRoom)
    async with request.db.transaction() as conn:
        room = await rooms_service.create_room(conn, actor, body)
    return ok(room, "Room created successfully")


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


api_routes = [list_rooms, create_room, read_room, read_direct]
