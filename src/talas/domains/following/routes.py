"""``/users/{user_id}/follow``, its lists, and ``/feed``."""

from litestar import delete, get, post
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.envelope import Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.following import service
from talas.domains.following.feed.service import list_feed
from talas.domains.following.schemas import FeedItem, FollowState
from talas.domains.following.sql import FollowRow


@post(
    "/users/{user_id:int}/follow",
    **describe("Follow a user", tag="following", errors=(403, 404)),
)
async def follow(request: Request, user_id: FromPath[int]) -> Envelope[FollowState]:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        state = await service.follow(conn, actor, user_id)
    return ok(state, "User followed")


@delete(
    "/users/{user_id:int}/follow",
    status_code=200,
    **describe("Follow a user no longer", tag="following", errors=(404,)),
)
async def unfollow(request: Request, user_id: FromPath[int]) -> Envelope[FollowState]:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        state = await service.unfollow(conn, actor, user_id)
    return ok(state, "User no longer followed")


@get(
    "/users/{user_id:int}/follow",
    **describe("Whether one follows a user, and how many do", tag="following", errors=(404,)),
)
async def show_follow(request: Request, user_id: FromPath[int]) -> Envelope[FollowState]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await service.get_state(conn, actor, user_id))


@get(
    "/users/{user_id:int}/followers",
    **describe(
        "Who follows a user, who followed last first",
        tag="following",
        query=PAGE_QUERY,
        errors=(404,),
    ),
)
async def list_followers(request: Request, user_id: FromPath[int]) -> Paged[FollowRow]:
    await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        rows, total = await service.list_followers(conn, user_id, page)
    return paged(rows, page, total)


@get(
    "/users/{user_id:int}/following",
    **describe(
        "Whom a user follows, followed last first",
        tag="following",
        query=PAGE_QUERY,
        errors=(404,),
    ),
)
async def list_following(request: Request, user_id: FromPath[int]) -> Paged[FollowRow]:
    await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        rows, total = await service.list_following(conn, user_id, page)
    return paged(rows, page, total)


@get(
    "/feed",
    **describe(
        "The tracks of those whom one follows, published last first",
        tag="following",
        query=PAGE_QUERY,
    ),
)
async def show_feed(request: Request) -> Paged[FeedItem]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.snapshot() as conn:
        items, total = await list_feed(conn, actor, page)
    return paged(items, page, total)


api_routes = [follow, unfollow, show_follow, list_followers, list_following, show_feed]
