"""``/chat/rooms``: rooms over HTTP."""

from litestar import get, post

from talas.core.http.describe import PAGE_QUERY, describe, text_query
from talas.core.http.envelope import Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.chat.rooms import service
from talas.domains.chat.rooms.schemas import CreateRoom
from talas.domains.chat.rooms.sql import ListedRoom


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
        rooms, total = await service.list_rooms(conn, actor, page, search=search)
    return paged(rooms, page, total)


@post("/chat/rooms", **describe("Open a room", tag="chat", body=CreateRoom, errors=(409,)))
async def create_room(request: Request) -> Envelope[ListedRoom]:
    actor = await request.actor()
    body = await request.body_as(CreateRoom)
    async with request.db.transaction() as conn:
        room = await service.create_room(conn, actor, body)
    return ok(room, "Room created successfully")


api_routes = [list_rooms, create_room]
