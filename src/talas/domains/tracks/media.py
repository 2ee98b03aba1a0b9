"""A track's bytes: the original, its waveform, its cover. For media elements of browsers a token
in the address does."""

import asyncio
import re
from typing import Any

from litestar import route
from litestar.openapi.datastructures import ResponseSpec

from talas.audio import waveform
from talas.core.errors import NotFound
from talas.core.http.describe import int_query
from talas.core.http.downloads import SEALED, download
from talas.core.http.pagination import parse_int
from talas.core.http.ranges import Content, RangedResponse, disposition
from talas.core.http.request import Request
from talas.core.sessions import Actor
from talas.domains.tracks import access
from talas.domains.tracks.objects import COVER, WAVEFORM_DAT, WAVEFORM_PNG, sibling
from talas.domains.tracks.schemas import Waveform
from talas.domains.tracks.service import extension
from talas.domains.tracks.sql import MediaRow

MAX_AGE_S = 3600
_NAME = re.compile(r"([1-9]\d{0,9})\.([a-z0-9]{1,5})")
_WAVEFORM = ResponseSpec(
    Waveform, description="The peaks", media_type="application/json", generate_examples=False
)
_POINTS = (int_query("points", "At most so many points", least=1, most=waveform.MOST_POINTS),)


@route("/tracks/{track_id:int}/stream", **download("The original's bytes", tag="tracks"))
async def stream(request: Request, track_id: int) -> RangedResponse:
    actor = await request.media_actor()
    return _original(request, actor, await _visible(request, actor, track_id))


@route("/uploads/tracks/{name:str}", **download("The original's bytes", tag="tracks"))
async def original_file(request: Request, name: str) -> RangedResponse:
    track_id, ending = _split_name(name)
    actor = await request.media_actor()
    track = await _visible(request, actor, track_id)
    if ending != extension(track):
        raise NotFound("Not found")
    return _original(request, actor, track)


@route("/uploads/waveforms/{name:str}", **download("The waveform as a picture", tag="tracks"))
async def waveform_picture(request: Request, name: str) -> RangedResponse:
    track = await _ready(request, _id_of_name(name, "png"))
    return await _small(request, track, WAVEFORM_PNG, "image/png")


@route("/uploads/covers/{name:str}", **download("The cover", tag="tracks"))
async def cover(request: Request, name: str) -> RangedResponse:
    track = await _visible(request, await request.media_actor(), _id_of_name(name, "jpg"))
    if not track.has_cover:
        raise NotFound("The track has no cover")
    return await _small(request, track, COVER, "image/jpeg")


@route(
    "/tracks/{track_id:int}/waveform",
    **download(
        "The waveform as audiowaveform's JSON, version 2",
        tag="tracks",
        whole=_WAVEFORM,
        query=_POINTS,
    ),
)
async def waveform_json(request: Request, track_id: int) -> RangedResponse:
    return await _waveform(request, track_id, "json", "application/json")


@route(
    "/tracks/{track_id:int}/waveform.dat",
    **download("The waveform as audiowaveform's binary, version 2", tag="tracks", query=_POINTS),
)
async def waveform_binary(request: Request, track_id: int) -> RangedResponse:
    return await _waveform(request, track_id, "dat", "application/octet-stream")


async def _waveform(request: Request, track_id: int, form: str, media_type: str) -> RangedResponse:
    points = parse_int(
        "points",
        request.query_params.get("points"),
        default=waveform.MOST_POINTS,
        least=1,
        most=waveform.MOST_POINTS,
    )
    track = await _ready(request, track_id)
    stored = await request.storage.read(sibling(track.storage_key, WAVEFORM_DAT))
    data = await asyncio.to_thread(_render, stored, form, points)
    return _response(request, track, data, f"{form}-{points}", media_type)


def _render(stored: bytes, form: str, points: int) -> bytes:
    peaks = waveform.from_dat(stored).merge(points)
    return waveform.to_json(peaks) if form == "json" else waveform.to_dat(peaks)


async def _visible(request: Request, actor: Actor, track_id: int) -> MediaRow:
    async with request.db.connection() as conn:
        return await access.load_media(conn, actor.user_id, track_id)


async def _ready(request: Request, track_id: int) -> MediaRow:
    track = await _visible(request, await request.media_actor(), track_id)
    if track.status == "processing":
        raise NotFound("The waveform is not ready yet", code="not_ready")
    if track.status == "failed":
        raise NotFound("The track failed, so it has no waveform", code="not_ready")
    return track


def _original(request: Request, actor: Actor, track: MediaRow) -> RangedResponse:
    storage, key = request.storage, track.storage_key
    content = Content(
        size=track.size,
        etag=track.content_hash.hex(),
        changed_at=track.created_at,
        media_type=track.media_type,
        read=lambda start, end: storage.read_range(key, start, end),
        headers=_headers(track, f"{track.title}.{extension(track)}"),
    )
    taken_by = actor.user_id if request.settings.rate_limits else None
    return RangedResponse(request.method, request.headers, content, taken_by=taken_by)


async def _small(request: Request, track: MediaRow, name: str, media_type: str) -> RangedResponse:
    data = await request.storage.read(sibling(track.storage_key, name))
    return _response(request, track, data, name, media_type)


def _response(
    request: Request, track: MediaRow, data: bytes, name: str, media_type: str
) -> RangedResponse:
    async def read(start: int, end: int) -> Any:
        yield data[start:end]

    content = Content(
        size=len(data),
        etag=f"{track.content_hash.hex()[:32]}-{name}",
        changed_at=track.created_at,
        media_type=media_type,
        read=read,
        headers=_headers(track, f"{track.title}.{name.rpartition('.')[2]}"),
    )
    return RangedResponse(request.method, request.headers, content)


def _headers(track: MediaRow, filename: str) -> dict[str, str]:
    fresh = "no-cache" if track.visibility == "private" else f"max-age={MAX_AGE_S}"
    return {
        **SEALED,
        "cache-control": f"private, {fresh}",
        "content-disposition": disposition("inline", filename),
    }


def _split_name(name: str) -> tuple[int, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise NotFound("Not found")
    return int(match[1]), match[2]


def _id_of_name(name: str, expected_ending: str) -> int:
    track_id, ending = _split_name(name)
    if ending != expected_ending:
        raise NotFound("Not found")
    return track_id


api_routes = [stream, waveform_json, waveform_binary]
media_routes = [original_file, waveform_picture, cover]
