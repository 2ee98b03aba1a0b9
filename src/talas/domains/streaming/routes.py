"""A track as it is heard: the original's bytes, and transcodes of them."""

from collections.abc import AsyncGenerator

from litestar import Response, route
from litestar.params import FromPath

from talas.audio.encoding_orders import BITRATES
from talas.core.errors import NotFound
from talas.core.http.describe import Query, choice_query, number_query
from talas.core.http.downloads import download, numbered_name, shown_inline
from talas.core.http.growing import GrowingResponse
from talas.core.http.ranges import WATCHED_BYTES, Content, RangedResponse
from talas.core.http.request import Request
from talas.core.sessions import Actor
from talas.core.storage import read_file
from talas.domains.streaming.access import Recording, load_recording
from talas.domains.streaming.hls import api_routes as hls_routes
from talas.domains.streaming.service import Streaming
from talas.domains.streaming.transcodes import (
    FORMAT_NAMES,
    LOUDEST_LUFS,
    MOST_SECONDS,
    QUIETEST_LUFS,
    Wanted,
    read_wanted,
)
from talas.domains.streaming.watching import while_session

_Chunks = AsyncGenerator[bytes, None]
_TRANSCODE: tuple[Query, ...] = (
    choice_query("format", "Transcode to this; without it, the original", FORMAT_NAMES),
    choice_query("bitrate", "In kbit/s, of mp3, aac and opus", tuple(map(str, BITRATES))),
    number_query("loudness", "In LUFS", least=QUIETEST_LUFS, most=LOUDEST_LUFS),
    number_query("start", "Seconds to leave out", least=0, most=MOST_SECONDS),
)


@route(
    "/tracks/{track_id:int}/stream",
    **download(
        "The original's bytes, or a transcode of them",
        tag="tracks",
        query=_TRANSCODE,
        errors=(507,),
    ),
)
async def stream(request: Request, track_id: FromPath[int]) -> Response[None]:
    actor = await request.media_actor()
    wanted = read_wanted(request.query_params)
    recording = await _recording(request, actor, track_id)
    if wanted is None:
        return _original(request, actor, recording)
    return await _transcode(request, actor, recording, wanted)


@route("/uploads/tracks/{name:str}", **download("The original's bytes", tag="tracks"))
async def original_file(request: Request, name: FromPath[str]) -> RangedResponse:
    track_id, ending = numbered_name(name)
    actor = await request.media_actor()
    recording = await _recording(request, actor, track_id)
    if ending != recording.container:
        raise NotFound("Not found")
    return _original(request, actor, recording)


async def _recording(request: Request, actor: Actor, track_id: int) -> Recording:
    async with request.db.connection() as conn:
        return await load_recording(conn, actor.user_id, track_id)


def _original(request: Request, actor: Actor, recording: Recording) -> RangedResponse:
    storage, key = request.storage, recording.storage_key
    content = Content(
        size=recording.size,
        etag=recording.content_hash.hex(),
        changed_at=recording.created_at,
        media_type=recording.media_type,
        read=lambda start, end: _while_session(
            request, actor, storage.read_range(key, start, end), end - start
        ),
        headers=_headers(recording, recording.container),
    )
    return RangedResponse(
        request.method, request.headers, content, taken_by=_taken_by(request, actor)
    )


async def _transcode(
    request: Request, actor: Actor, recording: Recording, wanted: Wanted
) -> Response[None]:
    """Once it is whole in the cache, as an original; before, as it is made."""
    streaming = request.context.part(Streaming)
    transcode = await streaming.transcode(recording, wanted)
    entry = transcode.entry
    path = streaming.cache.root if entry is None else entry.path
    content = Content(
        size=0 if entry is None else entry.size,
        etag=transcode.etag,
        changed_at=recording.analysed_at,
        media_type=wanted.kind.media_type,
        read=lambda start, end: _while_session(
            request, actor, read_file(path, start, end), end - start
        ),
        headers=_headers(recording, wanted.kind.extension),
    )
    taken_by = _taken_by(request, actor)
    if entry is not None:
        return RangedResponse(request.method, request.headers, content, taken_by=taken_by)
    return GrowingResponse(
        request.method,
        request.headers,
        content,
        lambda: while_session(
            request.context.guard, actor, streaming.listen(transcode, actor.user_id)
        ),
        taken_by=taken_by,
    )


def _while_session(request: Request, actor: Actor, chunks: _Chunks, size: int) -> _Chunks:
    """What is sent in one go is not worth a look at the session afterwards."""
    if size <= WATCHED_BYTES:
        return chunks
    return while_session(request.context.guard, actor, chunks)


def _headers(recording: Recording, ending: str) -> dict[str, str]:
    name = f"{recording.title}.{ending}"
    return shown_inline(name, private=recording.visibility == "private")


def _taken_by(request: Request, actor: Actor) -> int | None:
    return actor.user_id if request.settings.rate_limits else None


api_routes = [stream, *hls_routes]
media_routes = [original_file]
