"""``/chat/rooms/{room}/members``: who is in a room."""

from litestar import Response, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.chat.members import leaving, service
from talas.domains.chat.members.schemas import MemberChange, NewMember
from talas.domains.chat.members.sql import Member

_HAD = "Who joins was a member already"


@get(
    "/chat/rooms/{room:str}/members",
    **describe(
        "A room's owner, its moderators and its members",
        tag="chat",
        query=PAGE_QUERY,
        errors=(404,),
    ),
)
async def list_members(request: Request, room: FromPath[str]) -> Paged[Member]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        members, total = await service.list_members(conn, actor, room, page)
    return paged(members, page, total)


@post(
    "/chat/rooms/{room:str}/members",
    **describe(
        "Add somebody to a room; or, naming nobody, join a public one (200: one was in already)",
        tag="chat",
        body=NewMember,
        errors=(403, 404, 409),
        responses={200: ResponseSpec(Envelope[Member], description=_HAD, generate_examples=False)},
    ),
)
async def add_member(request: Request, room: FromPath[str]) -> Response[Envelope[Member]]:
    actor = await request.actor()
    body = await request.body_as(NewMember)
    async with request.db.transaction() as conn:
        member, is_new = await service.add_member(conn, actor, room, body)
    if is_new:
        return Response(ok(member, "Member added"), status_code=201)
    return Response(ok(member, "You are a member already"), status_code=200)


@put(
    "/chat/rooms/{room:str}/members/{user_id:int}",
    **describe(
        "Mute a member, or change the role: of owner, moderator, member. A new owner's "
        "predecessor becomes a moderator",
        tag="chat",
        body=MemberChange,
        errors=(403, 404, 409),
    ),
)
async def change_member(
    request: Request, room: FromPath[str], user_id: FromPath[int]
) -> Envelope[Member]:
    actor = await request.actor()
    body = await request.body_as(MemberChange)
    async with request.db.transaction() as conn:
        member = await service.change_member(
            conn, actor, room, user_id, body, address=request.client_address
        )
    return ok(member, "Member changed")


@delete(
    "/chat/rooms/{room:str}/members/{user_id:int}",
    status_code=200,
    **describe(
        "Remove a member, who comes back only when added or invited; or leave, oneself",
        tag="chat",
        errors=(403, 404),
    ),
)
async def remove_member(
    request: Request, room: FromPath[str], user_id: FromPath[int]
) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        if user_id == actor.user_id:
            await leaving.leave(conn, actor, room)
            return Acknowledged(message="You left the room")
        await service.remove_member(conn, actor, room, user_id, address=request.client_address)
    return Acknowledged(message="Member removed")


@post(
    "/chat/rooms/{room:str}/leave",
    status_code=200,
    **describe(
        "Leave a room for good; an owner leaves it to the moderator or member who came first",
        tag="chat",
        errors=(404,),
    ),
)
async def leave(request: Request, room: FromPath[str]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await leaving.leave(conn, actor, room)
    return Acknowledged(message="You left the room")


api_routes = [list_members, add_member, change_member, remove_member, leave]
