"""Read marks and preferences over HTTP."""

from litestar import get, put
from litestar.params import FromPath

from talas.core.http.describe import describe
from talas.core.http.envelope import Envelope, ok
from talas.core.http.request import Request
from talas.domains.chat.reads import service
from talas.domains.chat.reads.schemas import PreferencesChange, ReadMark, ReadUpTo
from talas.domains.chat.reads.sql import Preferences


@put(
    "/chat/rooms/{room:str}/read",
    **describe("Mark a room as read", tag="chat", body=ReadUpTo, errors=(403, 404)),
)
async def read_room(request: Request, room: FromPath[str]) -> Envelope[ReadMark]:
    actor = await request.actor()
    body = await request.body_as(ReadUpTo)
    async with request.db.transaction() as conn:
        return ok(ReadMark(await service.read_room(conn, actor, room, body)))


@put(
    "/chat/dm/{user_id:int}/read",
    **describe("Mark a conversation as read", tag="chat", body=ReadUpTo, errors=(404,)),
)
async def read_conversation(request: Request, user_id: FromPath[int]) -> Envelope[ReadMark]:
    actor = await request.actor()
    body = await request.body_as(ReadUpTo)
    async with request.db.transaction() as conn:
        return ok(ReadMark(await service.read_conversation(conn, actor, user_id, body)))


@get("/chat/preferences", **describe("One's preferences in chat", tag="chat"))
async def show_preferences(request: Request) -> Envelope[Preferences]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await service.load_preferences(conn, actor))


@put(
    "/chat/preferences",
    **describe("Change one's preferences in chat", tag="chat", body=PreferencesChange),
)
async def change_preferences(request: Request) -> Envelope[Preferences]:
    actor = await request.actor()
    change = await request.body_as(PreferencesChange)
    async with request.db.transaction() as conn:
        preferences = await service.change_preferences(conn, actor, change)
    return ok(preferences, "Preferences updated")


api_routes = [read_room, read_conversation, show_preferences, change_preferences]
