"""A track's pictures and peaks. For media elements of browsers a token in the address does."""

import asyncio
from hashlib import blake2b
from typing import Any

from litestar import route
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from talas.audio.dat import MOST_POINTS
from talas.core.errors import NotFound
from talas.core.http.describe import int_query
from talas.core.http.downloads import download, numbered_name, shown_inline
from talas.core.http.pagination import parse_int
from talas.core.http.ranges import Content, RangedResponse
from talas.core.http.request import Request
from talas.core.sessions import Actor
from talas.domains.tracks import access
from talas.domains.tracks.objects import COVER, WAVEFORM_DAT, WAVEFORM_PNG, sibling
from talas.domains.tracks.schemas import Waveform
from talas.domains.tracks.sql import MediaRow

_WAVEFORM = ResponseSpec(
    Waveform, description="The peaks", media_type="application/json", generate_examples=False
)
_POINTS = (int_query("points", "At most so many points", least=1, most=MOST_POINTS),)


@route("/uploads/waveforms/{name:str}", **download("The waveform as a picture", tag="tracks"))
async def waveform_picture(request: Request, name: FromPath[str]) -> RangedResponse:
    track = await _ready(request, _id_of_name(name, "png"))
    return await _small(request, track, WAVEFORM_PNG, "image/png")


@route("/uploads/covers/{name:str}", **download("The cover", tag="tracks"))
async def cover(request: Request, name: FromPath[str]) -> RangedResponse:
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
async def waveform_json(request: Request, track_id: FromPath[int]) -> RangedResponse:
    return await _waveform(request, track_id, "json", "application/json")


@route(
    "/tracks/{track_id:int}/waveform.dat",
    **download("The waveform as audiowaveform's binary, version 2", tag="tracks", query=_POINTS),
)
async def waveform_binary(request: Request, track_id: FromPath[int]) -> RangedResponse:
    return await _waveform(request, track_id, "dat", "application/octet-stream")


async def _waveform(request: Request, track_id: int, form: str, media_type: str) -> RangedResponse:
    points = parse_int(
        "points",
        request.query_params.get("points"),
        default=MOST_POINTS,
        least=1,
        most=MOST_POINTS,
    )
    track = await _ready(request, track_id)
    stored = await request.storage.read(sibling(track.storage_key, WAVEFORM_DAT))
    data = await asyncio.to_thread(_render, stored, form, points)
    return _response(request, track, data, f"{form}-{points}", media_type)


def _render(stored: bytes, form: str, points: int) -> bytes:
    # Not at the top: numpy is dear in memory, and many an api process never draws a waveform.
    from talas.audio import waveform

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
        # Of the bytes: a later analysis may draw the same file's waveform anew.
        etag=blake2b(data, digest_size=16).hexdigest(),
        changed_at=track.analysed_at,
        media_type=media_type,
        read=read,
        headers=shown_inline(
            f"{track.title}.{name.rpartition('.')[2]}", private=track.visibility == "private"
        ),
    )
    return RangedResponse(request.method, request.headers, content)


def _id_of_name(name: str, expected_ending: str) -> int:
    track_id, ending = numbered_name(name)
    if ending != expected_ending:
        raise NotFound("Not found")
    return track_id


api_routes = [waveform_json, waveform_binary]
media_routes = [waveform_picture, cover]
