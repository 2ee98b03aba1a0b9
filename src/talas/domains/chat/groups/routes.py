"""``/chat/groups``: a few people among themselves; all else is as for rooms, by the name."""

from litestar import get, post

from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.envelope import Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.chat.groups import service
from talas.domains.chat.groups.schemas import Group, NewGroup


@get("/chat/groups", **describe("One's groups, newest first", tag="chat", query=PAGE_QUERY))
async def list_groups(request: Request) -> Paged[Group]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        groups, total = await service.list_groups(conn, actor, page)
    return paged(groups, page, total)


@post(
    "/chat/groups",
    **describe(
        "Begin a group of three to ten people, oneself included",
        tag="chat",
        body=NewGroup,
        errors=(404, 409),
    ),
)
async def create_group(request: Request) -> Envelope[Group]:
    actor = await request.actor()
    body = await request.body_as(NewGroup)
    async with request.db.transaction() as conn:
        group = await service.create_group(conn, actor, body)
    return ok(group, "Group created")


api_routes = [list_groups, create_group]
