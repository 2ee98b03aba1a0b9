"""``/tracks``: music comes in, is listed, changed and taken away."""

from litestar import delete, get, post, put
from litestar.openapi.spec import Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType
from litestar.params import FromPath

from talas.core.http.describe import (
    PAGE_QUERY,
    choice_query,
    describe,
    id_query,
    text_query,
)
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.file_form import received_form
from talas.core.http.pagination import paged, parse_choice, parse_id, parse_text
from talas.core.http.request import Request
from talas.core.sessions import hold_account
from talas.domains.tags.names import normal_form
from talas.domains.tracks import access, media, service
from talas.domains.tracks.lists import service as lists
from talas.domains.tracks.moderation.routes import api_routes as moderation_routes
from talas.domains.tracks.objects import FOLDER
from talas.domains.tracks.schemas import Track, TrackChange, TrackFilter
from talas.domains.tracks.service import as_track
from talas.domains.tracks.similar.routes import api_routes as similar_routes
from talas.domains.tracks.uploads import AudioInspector

_TEXT = Schema(type=OpenAPIType.STRING)
_FORM = {
    "file": Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY),
    "title": Schema(type=OpenAPIType.STRING, max_length=service.MAX_TITLE),
    "artist": Schema(type=OpenAPIType.STRING, max_length=service.MAX_TITLE),
    "description": Schema(type=OpenAPIType.STRING, max_length=service.MAX_DESCRIPTION),
    "tags": Schema(type=OpenAPIType.STRING, description="Separated by commas"),
    "visibility": Schema(type=OpenAPIType.STRING, enum=list(service.VISIBILITIES)),
    "license": Schema(type=OpenAPIType.STRING, description="An SPDX id, or all-rights-reserved"),
}


@post(
    "/tracks",
    **describe(
        "Upload a track",
        tag="tracks",
        form=_FORM,
        errors=(400, 409, 415, 507),
    ),
)
async def upload_track(request: Request) -> Envelope[Track]:
    actor = await request.actor()
    max_size = request.settings.files.max_track_size
    idempotency_key = service.check_idempotency_key(request.headers.get("idempotency-key"))
    receiving = received_form(
        request, request.storage, folder=FOLDER, max_size=max_size, inspect=AudioInspector
    )
    async with receiving as form:
        new = service.read_form(form.fields)
        async with request.db.transaction() as conn:
            # An upload may take longer than its account lives.
            await hold_account(conn, actor)
            track = await service.create_track(
                conn,
                form.upload,
                new,
                user_id=actor.user_id,
                username=actor.username,
                idempotency_key=idempotency_key,
            )
    return ok(as_track(track), "Track uploaded; it is being processed")


@get(
    "/tracks",
    **describe(
        "Tracks that everybody may hear, and one's own",
        tag="tracks",
        query=(
            *PAGE_QUERY,
            text_query("tag", "Only tracks with this tag"),
            id_query("user_id", "Only this user's tracks"),
            text_query("q", "Only tracks whose title or artist contains this"),
            choice_query("sort", "What comes first", lists.SORTS),
        ),
    ),
)
async def list_tracks(request: Request) -> Paged[Track]:
    actor = await request.actor()
    page, wanted = request.read_page(), _read_filter(request)
    async with request.db.connection() as conn:
        rows, total = await lists.list_tracks(conn, actor, wanted, page)
    return paged([as_track(row) for row in rows], page, total)


@get("/tracks/{track_id:int}", **describe("One track", tag="tracks", errors=(404,)))
async def get_track(request: Request, track_id: FromPath[int]) -> Envelope[Track]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        track = await access.load_track(conn, actor.user_id, track_id)
    return ok(as_track(track))


@put(
    "/tracks/{track_id:int}",
    **describe("Change one's own track", tag="tracks", body=TrackChange, errors=(403, 404)),
)
async def update_track(request: Request, track_id: FromPath[int]) -> Envelope[Track]:
    actor = await request.actor()
    change = await request.body_as(TrackChange)
    async with request.db.transaction() as conn:
        track = await service.update_track(conn, actor, track_id, change)
    return ok(as_track(track), "Track updated")


@delete(
    "/tracks/{track_id:int}",
    status_code=200,
    **describe("Delete one's own track and its files", tag="tracks", errors=(403, 404)),
)
async def delete_track(request: Request, track_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.delete_track(conn, actor, track_id)
    return Acknowledged(message="Track deleted")


def _read_filter(request: Request) -> TrackFilter:
    query = request.query_params
    user_id = parse_id("user_id", query.get("user_id"))
    sort = parse_choice("sort", query.get("sort"), lists.SORTS) or lists.SORTS[0]
    tag = normal_form(parse_text("tag", query.get("tag")))
    text = parse_text("q", query.get("q"))
    return TrackFilter(tag=tag or None, user_id=user_id, text=text or None, sort=sort)


api_routes = [
    upload_track,
    list_tracks,
    get_track,
    update_track,
    delete_track,
    *media.api_routes,
    *moderation_routes,
    *similar_routes,
]
media_routes = media.media_routes
