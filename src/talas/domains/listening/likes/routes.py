"""``/tracks/{track_id}/like`` and ``/users/me/likes``."""

from litestar import delete, get, post
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.envelope import Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.listening.likes import service
from talas.domains.listening.likes.schemas import LikedTrack, LikeState


@post(
    "/tracks/{track_id:int}/like",
    **describe("Like a track", tag="listening", errors=(404,)),
)
async def like(request: Request, track_id: FromPath[int]) -> Envelope[LikeState]:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        state = await service.like(conn, actor, track_id)
    return ok(state, "Track liked")


@delete(
    "/tracks/{track_id:int}/like",
    status_code=200,
    **describe("Like a track no longer", tag="listening", errors=(404,)),
)
async def unlike(request: Request, track_id: FromPath[int]) -> Envelope[LikeState]:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        state = await service.unlike(conn, actor, track_id)
    return ok(state, "Track no longer liked")


@get(
    "/users/me/likes",
    **describe("What one likes, liked last first", tag="listening", query=PAGE_QUERY),
)
async def list_likes(request: Request) -> Paged[LikedTrack]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.snapshot() as conn:
        rows, total = await service.list_likes(conn, actor, page)
    return paged(rows, page, total)


api_routes = [like, unlike, list_likes]
