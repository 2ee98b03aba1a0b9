"""``/chat/messages``, pins and mentions over HTTP."""

from litestar import delete, get, put
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe, text_query
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.chat.messages import service
from talas.domains.chat.messages.reactions.sql import Reacting
from talas.domains.chat.messages.schemas import EditMessage, PlacedMessage
from talas.domains.chat.messages.sql import EarlierContent
from talas.domains.chat.schemas import HistoryMessage


@get(
    "/chat/messages/{message_id:int}",
    **describe("One message that one may see", tag="chat", errors=(404,)),
)
async def show_message(request: Request, message_id: FromPath[int]) -> Envelope[PlacedMessage]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await service.show_message(conn, actor, message_id))


@put(
    "/chat/messages/{message_id:int}",
    **describe("Edit one's own message", tag="chat", body=EditMessage, errors=(403, 404, 409)),
)
async def edit_message(request: Request, message_id: FromPath[int]) -> Envelope[PlacedMessage]:
    actor = await request.actor()
    body = await request.body_as(EditMessage)
    async with request.db.transaction() as conn:
        await service.edit_message(conn, actor, message_id, body.content)
        message = await service.show_message(conn, actor, message_id)
    return ok(message, "Message edited")


@delete(
    "/chat/messages/{message_id:int}",
    status_code=200,
    **describe("Delete a message: one's own, or as a moderator", tag="chat", errors=(403, 404)),
)
async def delete_message(request: Request, message_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.delete_message(conn, actor, message_id, address=request.client_address)
    return Acknowledged(message="Message deleted")


@get(
    "/chat/messages/{message_id:int}/edits",
    **describe("What a message said before, oldest first", tag="chat", errors=(404,)),
)
async def list_edits(request: Request, message_id: FromPath[int]) -> Envelope[list[EarlierContent]]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await service.list_edits(conn, actor, message_id))


@get(
    "/chat/messages/{message_id:int}/reactions",
    **describe(
        "Who has reacted to a message",
        tag="chat",
        query=(*PAGE_QUERY, text_query("emoji", "Only with this one")),
        errors=(404,),
    ),
)
async def list_reactions(request: Request, message_id: FromPath[int]) -> Paged[Reacting]:
    actor = await request.actor()
    page, emoji = request.read_page(), request.query_params.get("emoji")
    async with request.db.connection() as conn:
        rows, total = await service.list_reacting(conn, actor, message_id, page, emoji=emoji)
    return paged(rows, page, total)


@put(
    "/chat/messages/{message_id:int}/reactions/{emoji:str}",
    **describe("React to a message with an emoji", tag="chat", errors=(403, 404, 409)),
)
async def react(request: Request, message_id: FromPath[int], emoji: FromPath[str]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.react(conn, actor, message_id, emoji)
    return Acknowledged(message="Reaction added")


@delete(
    "/chat/messages/{message_id:int}/reactions/{emoji:str}",
    status_code=200,
    **describe("Take back one's reaction", tag="chat", errors=(403, 404, 409)),
)
async def unreact(
    request: Request, message_id: FromPath[int], emoji: FromPath[str]
) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.unreact(conn, actor, message_id, emoji)
    return Acknowledged(message="Reaction removed")


@put(
    "/chat/messages/{message_id:int}/pin",
    **describe("Pin a message", tag="chat", errors=(403, 404, 409)),
)
async def pin(request: Request, message_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.pin(conn, actor, message_id)
    return Acknowledged(message="Message pinned")


@delete(
    "/chat/messages/{message_id:int}/pin",
    status_code=200,
    **describe("Unpin a message", tag="chat", errors=(403, 404, 409)),
)
async def unpin(request: Request, message_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.unpin(conn, actor, message_id)
    return Acknowledged(message="Message unpinned")


@get(
    "/chat/rooms/{room:str}/pins",
    **describe("A room's pinned messages, pinned last first", tag="chat", errors=(404,)),
)
async def list_room_pins(request: Request, room: FromPath[str]) -> Envelope[list[HistoryMessage]]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await service.list_room_pins(conn, actor, room))


@get(
    "/chat/dm/{user_id:int}/pins",
    **describe("Pinned messages to and from a user", tag="chat", errors=(404,)),
)
async def list_direct_pins(
    request: Request, user_id: FromPath[int]
) -> Envelope[list[HistoryMessage]]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await service.list_direct_pins(conn, actor, user_id))


@get(
    "/chat/mentions",
    **describe("Messages that mention oneself, newest first", tag="chat", query=PAGE_QUERY),
)
async def list_mentions(request: Request) -> Paged[PlacedMessage]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        messages, total = await service.list_mentions(conn, actor, page)
    return paged(messages, page, total)


api_routes = [
    show_message,
    edit_message,
    delete_message,
    list_edits,
    list_reactions,
    react,
    unreact,
    pin,
    unpin,
    list_room_pins,
    list_direct_pins,
    list_mentions,
]
