"""``/tracks/{track_id}/comments``."""

from litestar import delete, get, post
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, choice_query, describe
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged, parse_choice
from talas.core.http.request import Request
from talas.domains.listening.comments import service
from talas.domains.listening.comments.schemas import Comment, NewComment


@get(
    "/tracks/{track_id:int}/comments",
    **describe(
        "What people say about a track",
        tag="listening",
        query=(
            *PAGE_QUERY,
            choice_query("sort", "newest first, or by their place in the track", service.SORTS),
        ),
        errors=(404,),
    ),
)
async def list_comments(request: Request, track_id: FromPath[int]) -> Paged[Comment]:
    actor = await request.actor()
    page, query = request.read_page(), request.query_params
    sort = parse_choice("sort", query.get("sort"), service.SORTS) or service.SORTS[0]
    async with request.db.connection() as conn:
        comments, total = await service.list_comments(conn, actor, track_id, page, sort=sort)
    return paged(comments, page, total)


@post(
    "/tracks/{track_id:int}/comments",
    **describe(
        "Say something about a track, or about a place in it",
        tag="listening",
        body=NewComment,
        errors=(404,),
    ),
)
async def create_comment(request: Request, track_id: FromPath[int]) -> Envelope[Comment]:
    actor = await request.actor()
    new = await request.body_as(NewComment)
    async with request.db.transaction() as conn:
        comment = await service.create_comment(conn, actor, track_id, new)
    return ok(comment, "Comment added")


@delete(
    "/tracks/{track_id:int}/comments/{comment_id:int}",
    status_code=200,
    **describe(
        "Delete one's own comment, or one on one's own track", tag="listening", errors=(403, 404)
    ),
)
async def delete_comment(
    request: Request, track_id: FromPath[int], comment_id: FromPath[int]
) -> Acknowledged:
    actor = await request.actor()
    address = request.client_address
    async with request.db.transaction() as conn:
        await service.delete_comment(conn, actor, track_id, comment_id, address=address)
    return Acknowledged(message="Comment deleted")


api_routes = [list_comments, create_comment, delete_comment]
