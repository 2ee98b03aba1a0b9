"""``/tracks/{track_id}/plays`` and ``/users/me/history``."""

from litestar import delete, get, post
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.listening.plays import service
from talas.domains.listening.plays.schemas import HistoryEntry, Listening, PlayState


@post(
    "/tracks/{track_id:int}/plays",
    **describe(
        "Report that one has heard a track: 30 s of it, or all of a shorter one, make a play",
        tag="listening",
        body=Listening,
        errors=(404,),
    ),
)
async def report_play(request: Request, track_id: FromPath[int]) -> Envelope[PlayState]:
    actor = await request.actor()
    seconds = (await request.body_as(Listening)).seconds
    async with request.db.transaction() as conn:
        state = await service.record_play(conn, actor, track_id, seconds=seconds)
    return ok(state, "Play counted" if state.counted else "Not counted as another play")


@get(
    "/users/me/history",
    **describe("What one has heard, last heard first", tag="listening", query=PAGE_QUERY),
)
async def list_history(request: Request) -> Paged[HistoryEntry]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.snapshot() as conn:
        rows, total = await service.list_history(conn, actor, page)
    return paged(rows, page, total)


@delete(
    "/users/me/history",
    status_code=200,
    **describe("Forget all that one has heard", tag="listening"),
)
async def clear_history(request: Request) -> Acknowledged:
    actor = await request.actor()
    async with request.db.connection() as conn:
        await service.forget_plays(conn, actor.user_id)
    return Acknowledged(message="History cleared")


@delete(
    "/users/me/history/{play_id:int}",
    status_code=200,
    **describe("Forget one play", tag="listening", errors=(404,)),
)
async def forget_play(request: Request, play_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.forget_play(conn, actor, play_id)
    return Acknowledged(message="Play removed from the history")


api_routes = [report_play, list_history, clear_history, forget_play]
