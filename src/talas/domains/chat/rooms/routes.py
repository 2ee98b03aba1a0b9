"""``/chat/rooms``: rooms over HTTP."""

from litestar import delete, get, post, put
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe, text_query
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.chat.rooms import changing, deletion, service
from talas.domains.chat.rooms.schemas import CreateRoom, RoomChange
from talas.domains.chat.rooms.sql import DetailedRoom, ListedRoom


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


@get("/chat/rooms/{room:str}", **describe("A room", tag="chat", errors=(404,)))
async def read_room(request: Request, room: FromPath[str]) -> Envelope[DetailedRoom]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await service.read_room(conn, actor, room))


@put(
    "/chat/rooms/{room:str}",
    **describe(
        "Change a room: its owner and its moderators; close it: moderators of the house too",
        tag="chat",
        body=RoomChange,
        errors=(403, 404, 409),
    ),
)
async def change_room(request: Request, room: FromPath[str]) -> Envelope[DetailedRoom]:
    actor = await request.actor()
    body = await request.body_as(RoomChange)
    async with request.db.transaction() as conn:
        changed = await changing.change_room(
            conn, actor, room, body, address=request.client_address
        )
    return ok(changed, "Room changed")


@delete(
    "/chat/rooms/{room:str}",
    status_code=200,
    **describe(
        "Delete a room with all that was said in it: its owner, or an administrator",
        tag="chat",
        errors=(403, 404, 409),
    ),
)
async def delete_room(request: Request, room: FromPath[str]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await deletion.delete_room(conn, actor, room, address=request.client_address)
    return Acknowledged(message="Room deleted")


api_routes = [list_rooms, create_room, read_room, change_room, delete_room]
