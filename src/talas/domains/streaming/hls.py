"""A track over HTTP Live Streaming: playlists, ``init.mp4`` and segments."""

import asyncio
import re
from collections.abc import AsyncGenerator
from functools import partial
from hashlib import blake2b
from urllib.parse import quote

from litestar import Response, route
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from talas.audio.fragmented_mp4 import init_segment
from talas.core.errors import NotFound
from talas.core.http.describe import choice_query
from talas.core.http.downloads import download, shown_inline
from talas.core.http.growing import GrowingResponse, while_connected
from talas.core.http.pagination import parse_choice
from talas.core.http.ranges import Content, RangedResponse, answer_request
from talas.core.http.request import Request
from talas.domains.streaming.access import Recording, load_recording
from talas.domains.streaming.playlists import MEDIA_TYPE, master_playlist, media_playlist
from talas.domains.streaming.segments import segment_key
from talas.domains.streaming.service import Streaming, rendition_of

_NUMBERED = re.compile(r"(0|[1-9][0-9]{0,8})\.m4s")
_PLAYLIST = ResponseSpec(
    str, description="The playlist", media_type=MEDIA_TYPE, generate_examples=False
)
_MEDIA = "audio/mp4"
_CODECS = ("flac",)


@route(
    "/tracks/{track_id:int}/hls/master.m3u8",
    **download(
        "The renditions of a track",
        tag="streaming",
        whole=_PLAYLIST,
        query=(choice_query("codecs", "Offer it lossless too", _CODECS),),
    ),
)
async def master(request: Request, track_id: FromPath[int]) -> RangedResponse:
    recording = await _recording(request, track_id)
    lossless = parse_choice("codecs", request.query_params.get("codecs"), _CODECS) is not None
    text = master_playlist(recording.analysed(), lossless=lossless, query=_query(request))
    return _playlist(request, recording, text)


@route(
    "/tracks/{track_id:int}/hls/{rendition:str}/index.m3u8",
    **download("The segments of a rendition", tag="streaming", whole=_PLAYLIST),
)
async def index(
    request: Request, track_id: FromPath[int], rendition: FromPath[str]
) -> RangedResponse:
    recording = await _recording(request, track_id)
    rendition_of(recording, rendition)
    text = media_playlist(recording.analysed(), query=_query(request))
    return _playlist(request, recording, text)


@route(
    "/tracks/{track_id:int}/hls/{rendition:str}/init.mp4",
    **download("What a decoder must know of a rendition", tag="streaming"),
)
async def init(
    request: Request, track_id: FromPath[int], rendition: FromPath[str]
) -> RangedResponse:
    recording = await _recording(request, track_id)
    return _bytes(request, recording, init_segment(rendition_of(recording, rendition)), _MEDIA)


@route(
    "/tracks/{track_id:int}/hls/{rendition:str}/{segment:str}",
    **download("A segment: 0.m4s, 1.m4s, …", tag="streaming", errors=(507,)),
)
async def segment(
    request: Request, track_id: FromPath[int], rendition: FromPath[str], segment: FromPath[str]
) -> Response[None]:
    recording = await _recording(request, track_id)
    chosen = rendition_of(recording, rendition)
    match = _NUMBERED.fullmatch(segment)
    if match is None:
        raise NotFound("The track has no such segment")
    streaming, number = request.context.part(Streaming), int(match[1])
    key = segment_key(recording, chosen, number)
    content = _content(request, recording, b"", _MEDIA, key)
    asked = {name: value for name, value in request.headers.items() if name != "range"}
    if answer_request(request.method, asked, content).status == 304:
        return RangedResponse(request.method, request.headers, content)
    if request.method == "HEAD" and not await asyncio.to_thread(streaming.cache.find, key):
        # How long it is nobody knows before it has been made, which is left to who wants it.
        return GrowingResponse(request.method, request.headers, content, partial(_pieces, b""))
    async with while_connected(request.receive):
        data = await streaming.segment(recording, chosen, number)
    return _bytes(request, recording, data, _MEDIA, key)


async def _recording(request: Request, track_id: int) -> Recording:
    actor = await request.media_actor()
    async with request.db.connection() as conn:
        recording = await load_recording(conn, actor.user_id, track_id)
    recording.analysed()
    return recording


def _query(request: Request) -> str:
    """Players ask for what a playlist names without a header of their own."""
    token = request.query_params.get("token")
    if token is None or "authorization" in request.headers:
        return ""
    return f"?token={quote(token, safe='')}"


def _playlist(request: Request, recording: Recording, text: str) -> RangedResponse:
    return _bytes(request, recording, text.encode(), MEDIA_TYPE)


def _bytes(
    request: Request, recording: Recording, data: bytes, media_type: str, named: str | None = None
) -> RangedResponse:
    content = _content(request, recording, data, media_type, named)
    return RangedResponse(request.method, request.headers, content)


def _content(
    request: Request, recording: Recording, data: bytes, media_type: str, named: str | None
) -> Content:
    """``named`` says what the bytes are, where that is shorter than they."""
    return Content(
        size=len(data),
        etag=blake2b(data if named is None else named.encode(), digest_size=16).hexdigest(),
        changed_at=recording.analysed_at,
        media_type=media_type,
        read=lambda start, end: _pieces(data[start:end]),
        headers=shown_inline(
            request.url.path.rpartition("/")[2], private=recording.visibility == "private"
        ),
    )


async def _pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    yield data


api_routes = [master, index, init, segment]
