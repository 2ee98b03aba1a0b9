"""``/users/{user_id}/block`` and ``/users/me/blocks``."""

from litestar import delete, get, post
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.envelope import Acknowledged, Paged
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.chat.blocks import service
from talas.domains.chat.blocks.sql import Blocked


@post(
    "/users/{user_id:int}/block",
    **describe("Refuse direct messages from a user", tag="chat", errors=(403, 404)),
)
async def block(request: Request, user_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.block(conn, actor, user_id)
    return Acknowledged(message="User blocked")


@delete(
    "/users/{user_id:int}/block",
    status_code=200,
    **describe("Take direct messages from a user again", tag="chat", errors=(404,)),
)
async def unblock(request: Request, user_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.unblock(conn, actor, user_id)
    return Acknowledged(message="User unblocked")


@get(
    "/users/me/blocks",
    **describe("Whom one has blocked, blocked last first", tag="chat", query=PAGE_QUERY),
)
async def list_blocks(request: Request) -> Paged[Blocked]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        rows, total = await service.list_blocks(conn, actor, page)
    return paged(rows, page, total)


api_routes = [block, unblock, list_blocks]
