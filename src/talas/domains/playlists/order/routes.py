"""``/playlists/{playlist_id}/tracks`` and the playlist as a file for players."""

import hashlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from litestar import delete, get, post, put, route
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from talas.core.filenames import clean_filename
from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.downloads import SEALED, download
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.ranges import Content, RangedResponse, disposition
from talas.core.http.request import Request
from talas.domains.playlists.order import export, service
from talas.domains.playlists.order.schemas import Addition, NewOrder, PlaylistTrack
from talas.domains.playlists.schemas import OrderedPlaylist

_M3U8 = ResponseSpec(
    bytes, description="Extended M3U", media_type="audio/mpegurl", generate_examples=False
)


@get(
    "/playlists/{playlist_id:int}/tracks",
    **describe(
        "The tracks of a playlist that one may hear, in order",
        tag="playlists",
        query=PAGE_QUERY,
        errors=(404,),
    ),
)
async def list_tracks(request: Request, playlist_id: FromPath[int]) -> Paged[PlaylistTrack]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        tracks, total = await service.list_tracks(conn, actor, playlist_id, page)
    return paged(tracks, page, total)


@put(
    "/playlists/{playlist_id:int}/tracks",
    **describe(
        "Set the whole order of a playlist (409: it has changed since the version named)",
        tag="playlists",
        body=NewOrder,
        errors=(403, 404, 409),
    ),
)
async def replace_tracks(request: Request, playlist_id: FromPath[int]) -> Envelope[OrderedPlaylist]:
    actor = await request.actor()
    body = await request.body_as(NewOrder)
    async with request.db.transaction() as conn:
        playlist = await service.replace_tracks(conn, actor, playlist_id, body)
    return ok(playlist, "Order changed")


@post(
    "/playlists/{playlist_id:int}/tracks",
    **describe(
        "Add tracks at the end of a playlist, whatever others change meanwhile",
        tag="playlists",
        body=Addition,
        errors=(403, 404),
    ),
)
async def append_tracks(request: Request, playlist_id: FromPath[int]) -> Envelope[OrderedPlaylist]:
    actor = await request.actor()
    body = await request.body_as(Addition)
    async with request.db.transaction() as conn:
        playlist = await service.append_tracks(conn, actor, playlist_id, body.track_ids)
    return ok(playlist, "Tracks added")


@delete(
    "/playlists/{playlist_id:int}/tracks/{entry_id:int}",
    status_code=200,
    **describe(
        "Take one entry out of a playlist, wherever it stands by now",
        tag="playlists",
        errors=(403, 404),
    ),
)
async def remove_entry(
    request: Request, playlist_id: FromPath[int], entry_id: FromPath[int]
) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.remove_entry(conn, actor, playlist_id, entry_id)
    return Acknowledged(message="Track removed from the playlist")


@route(
    "/playlists/{playlist_id:int}/export.m3u8",
    **download(
        "A playlist as a file for players: what of it can be played now",
        tag="playlists",
        whole=_M3U8,
    ),
)
async def export_m3u8(request: Request, playlist_id: FromPath[int]) -> RangedResponse:
    """A media token in the address is put into those of the tracks, since players send no
    header."""
    actor = await request.media_actor()
    async with request.db.connection() as conn:
        playlist, rows = await service.list_playable(conn, actor, playlist_id)
    token = request.query_params.get("token")
    is_token_used = token is not None and "authorization" not in request.headers
    data = export.to_m3u8(
        playlist.title,
        rows,
        base_url=f"{request.settings.mail.public_url}/api/v1/tracks",
        query=f"?token={quote(token or '')}" if is_token_used else "",
    )

    async def read(start: int, end: int) -> AsyncIterator[bytes]:
        yield data[start:end]

    content = Content(
        size=len(data),
        etag=hashlib.sha256(data).hexdigest()[:32],
        changed_at=playlist.updated_at,
        media_type=export.MEDIA_TYPE,
        read=read,
        headers={
            **SEALED,
            "cache-control": "private, no-cache",
            "content-disposition": disposition(
                "attachment", clean_filename(f"{playlist.title}.m3u8") or "playlist.m3u8"
            ),
        },
    )
    return RangedResponse(request.method, request.headers, content)


api_routes = [list_tracks, replace_tracks, append_tracks, remove_entry, export_m3u8]
