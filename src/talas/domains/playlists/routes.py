"""``/playlists``: made, listed, changed and taken away."""

from litestar import delete, get, post, put
from litestar.params import FromPath

from talas.core.http.describe import (
    PAGE_QUERY,
    choice_query,
    describe,
    id_query,
    text_query,
)
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged, parse_choice, parse_id, parse_text
from talas.core.http.request import Request
from talas.domains.playlists import service
from talas.domains.playlists.collaborators.routes import api_routes as collaborator_routes
from talas.domains.playlists.lists import service as lists
from talas.domains.playlists.order.routes import api_routes as order_routes
from talas.domains.playlists.schemas import (
    NewPlaylist,
    OrderedPlaylist,
    Playlist,
    PlaylistChange,
    PlaylistFilter,
)

_SWITCH = ("true", "false")


@get(
    "/playlists",
    **describe(
        "Playlists that everybody may see, and those that one owns or works on",
        tag="playlists",
        query=(
            *PAGE_QUERY,
            id_query("user_id", "Only this user's playlists"),
            choice_query("mine", "Only those that one owns or works on", _SWITCH),
            text_query("q", "Only playlists whose title or description contains this"),
            choice_query("sort", "What comes first", lists.SORTS),
        ),
    ),
)
async def list_playlists(request: Request) -> Paged[Playlist]:
    actor = await request.actor()
    page, wanted = request.read_page(), _read_filter(request)
    async with request.db.connection() as conn:
        playlists, total = await lists.list_playlists(conn, actor, wanted, page)
    return paged(playlists, page, total)


@post(
    "/playlists",
    **describe("Make a playlist", tag="playlists", body=NewPlaylist, errors=(409,)),
)
async def create_playlist(request: Request) -> Envelope[OrderedPlaylist]:
    actor = await request.actor()
    body = await request.body_as(NewPlaylist)
    async with request.db.transaction() as conn:
        playlist = await service.create_playlist(conn, actor, body)
    return ok(playlist, "Playlist created")


@get(
    "/playlists/{playlist_id:int}",
    **describe("One playlist, with its order", tag="playlists", errors=(404,)),
)
async def get_playlist(request: Request, playlist_id: FromPath[int]) -> Envelope[OrderedPlaylist]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await service.get_playlist(conn, actor.user_id, playlist_id))


@put(
    "/playlists/{playlist_id:int}",
    **describe(
        "Change one's own playlist", tag="playlists", body=PlaylistChange, errors=(403, 404)
    ),
)
async def update_playlist(
    request: Request, playlist_id: FromPath[int]
) -> Envelope[OrderedPlaylist]:
    actor = await request.actor()
    change = await request.body_as(PlaylistChange)
    async with request.db.transaction() as conn:
        playlist = await service.update_playlist(conn, actor, playlist_id, change)
    return ok(playlist, "Playlist updated")


@delete(
    "/playlists/{playlist_id:int}",
    status_code=200,
    **describe("Delete one's own playlist", tag="playlists", errors=(403, 404)),
)
async def delete_playlist(request: Request, playlist_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.delete_playlist(conn, actor, playlist_id)
    return Acknowledged(message="Playlist deleted")


def _read_filter(request: Request) -> PlaylistFilter:
    query = request.query_params
    return PlaylistFilter(
        user_id=parse_id("user_id", query.get("user_id")),
        mine=parse_choice("mine", query.get("mine"), _SWITCH) == "true",
        text=parse_text("q", query.get("q")) or None,
        sort=parse_choice("sort", query.get("sort"), lists.SORTS) or lists.SORTS[0],
    )


api_routes = [
    list_playlists,
    create_playlist,
    get_playlist,
    update_playlist,
    delete_playlist,
    *order_routes,
    *collaborator_routes,
]
