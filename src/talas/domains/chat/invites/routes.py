"""``/chat/rooms/{room}/invites`` and ``/chat/invites/{token}``: invitations by link."""

from litestar import Response, delete, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from talas.core.http.describe import describe
from talas.core.http.envelope import Acknowledged, Envelope, ok
from talas.core.http.request import Request
from talas.domains.chat.invites import service
from talas.domains.chat.invites.schemas import InvitedTo, MadeInvite, NewInvite
from talas.domains.chat.invites.sql import Invite
from talas.domains.chat.rooms.sql import DetailedRoom

_HAD = "One was a member already; no use is spent"


@post(
    "/chat/rooms/{room:str}/invites",
    **describe(
        "Make an invitation to a room; its token is shown this once",
        tag="chat",
        body=NewInvite,
        errors=(403, 404, 409),
    ),
)
async def make_invite(request: Request, room: FromPath[str]) -> Envelope[MadeInvite]:
    actor = await request.actor()
    body = await request.body_as(NewInvite)
    async with request.db.transaction() as conn:
        made = await service.make_invite(conn, actor, room, body)
    return ok(made, "Invitation made")


@get(
    "/chat/rooms/{room:str}/invites",
    **describe(
        "A room's invitations that have not expired, newest first", tag="chat", errors=(403, 404)
    ),
)
async def list_invites(request: Request, room: FromPath[str]) -> Envelope[list[Invite]]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await service.list_invites(conn, actor, room))


@delete(
    "/chat/rooms/{room:str}/invites/{invite_id:int}",
    status_code=200,
    **describe("Take an invitation back; who came by it stays", tag="chat", errors=(403, 404)),
)
async def take_back(
    request: Request, room: FromPath[str], invite_id: FromPath[int]
) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.take_back(conn, actor, room, invite_id)
    return Acknowledged(message="Invitation taken back")


@get(
    "/chat/invites/{token:str}",
    **describe(
        "What an invitation leads to, for who holds its token", tag="chat", errors=(403, 404)
    ),
)
async def look_at(request: Request, token: FromPath[str]) -> Envelope[InvitedTo]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await service.look_at(conn, actor, token))


@post(
    "/chat/invites/{token:str}",
    **describe(
        "Join a room by an invitation (200: one was a member already)",
        tag="chat",
        errors=(403, 404, 409),
        responses={
            200: ResponseSpec(Envelope[DetailedRoom], description=_HAD, generate_examples=False)
        },
    ),
)
async def accept(request: Request, token: FromPath[str]) -> Response[Envelope[DetailedRoom]]:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        room, is_new = await service.accept(conn, actor, token)
    if is_new:
        return Response(ok(room, "You joined the room"), status_code=201)
    return Response(ok(room, "You are a member already"), status_code=200)


api_routes = [make_invite, list_invites, take_back, look_at, accept]
