"""``/playlists/{playlist_id}/collaborators``: who works on a playlist."""

from litestar import delete, get, put
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.playlists.collaborators import service
from talas.domains.playlists.collaborators.sql import Collaborator


@get(
    "/playlists/{playlist_id:int}/collaborators",
    **describe(
        "Who works on a playlist beside its owner",
        tag="playlists",
        query=PAGE_QUERY,
        errors=(404,),
    ),
)
async def list_collaborators(request: Request, playlist_id: FromPath[int]) -> Paged[Collaborator]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        rows, total = await service.list_collaborators(conn, actor, playlist_id, page)
    return paged(rows, page, total)


@put(
    "/playlists/{playlist_id:int}/collaborators/{user_id:int}",
    **describe(
        "Let a user change the tracks of one's own playlist and their order",
        tag="playlists",
        errors=(403, 404, 409),
    ),
)
async def add_collaborator(
    request: Request, playlist_id: FromPath[int], user_id: FromPath[int]
) -> Envelope[Collaborator]:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        added = await service.add_collaborator(conn, actor, playlist_id, user_id)
    return ok(added, "Collaborator added")


@delete(
    "/playlists/{playlist_id:int}/collaborators/{user_id:int}",
    status_code=200,
    **describe(
        "Remove a collaborator from one's own playlist; or leave somebody else's, oneself",
        tag="playlists",
        errors=(403, 404),
    ),
)
async def remove_collaborator(
    request: Request, playlist_id: FromPath[int], user_id: FromPath[int]
) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.remove_collaborator(conn, actor, playlist_id, user_id)
    if user_id == actor.user_id:
        return Acknowledged(message="You left the playlist")
    return Acknowledged(message="Collaborator removed")


api_routes = [list_collaborators, add_collaborator, remove_collaborator]
