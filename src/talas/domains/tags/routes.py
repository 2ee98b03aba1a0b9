"""``/tags``: the words that tracks are found under."""

from litestar import delete, get, post, put
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe, int_query, text_query
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import DEFAULT_LIMIT, MAX_LIMIT, paged, parse_int, parse_text
from talas.core.http.request import Request
from talas.core.permissions import Permission
from talas.domains.admin.acting import acting
from talas.domains.tags import service
from talas.domains.tags.schemas import Tag, TagMerge, TagRenaming


@get("/tags", **describe("Tags, the most used first", tag="tags", query=PAGE_QUERY))
async def list_tags(request: Request) -> Paged[Tag]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        tags, total = await service.list_tags(conn, actor.user_id, page)
    return paged(tags, page, total)


@get(
    "/tags/search",
    **describe(
        "Tags that begin with some letters, then those that are spelt nearly so",
        tag="tags",
        query=(
            text_query("q", "What was typed so far; left out or empty: the most used"),
            int_query("limit", "How many at most", default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT),
        ),
    ),
)
async def find_tags(request: Request) -> Envelope[list[Tag]]:
    actor = await request.actor()
    query = request.query_params
    limit = parse_int("limit", query.get("limit"), default=DEFAULT_LIMIT, least=1, most=MAX_LIMIT)
    text = parse_text("q", query.get("q"))
    async with request.db.connection() as conn:
        return ok(await service.find_tags(conn, actor.user_id, text, limit=limit))


@put(
    "/tags/{tag_id:int}",
    **describe("Rename a tag", tag="tags", body=TagRenaming, errors=(403, 404, 409)),
)
async def rename_tag(request: Request, tag_id: FromPath[int]) -> Envelope[Tag]:
    by = await acting(request, Permission.MODERATE_TAGS)
    body = await request.body_as(TagRenaming)
    async with request.db.transaction() as conn:
        tag = await service.rename_tag(conn, by, tag_id, body.name)
    return ok(tag, "Tag renamed")


@post(
    "/tags/{tag_id:int}/merge",
    status_code=200,
    **describe("Merge a tag into another one", tag="tags", body=TagMerge, errors=(403, 404)),
)
async def merge_tag(request: Request, tag_id: FromPath[int]) -> Envelope[Tag]:
    by = await acting(request, Permission.MODERATE_TAGS)
    body = await request.body_as(TagMerge)
    async with request.db.transaction() as conn:
        tag = await service.merge_tag(conn, by, tag_id, into_id=body.into)
    return ok(tag, "Tags merged")


@delete(
    "/tags/{tag_id:int}",
    status_code=200,
    **describe("Delete a tag, and take it off every track", tag="tags", errors=(403, 404)),
)
async def delete_tag(request: Request, tag_id: FromPath[int]) -> Acknowledged:
    by = await acting(request, Permission.MODERATE_TAGS)
    async with request.db.transaction() as conn:
        await service.delete_tag(conn, by, tag_id)
    return Acknowledged(message="Tag deleted")


api_routes = [list_tags, find_tags, rename_tag, merge_tag, delete_tag]
