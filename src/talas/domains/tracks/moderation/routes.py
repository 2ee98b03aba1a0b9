"""``/admin/tracks``: what moderators do about tracks."""

import msgspec
from litestar import put
from litestar.params import FromPath

from talas.core.http.describe import describe
from talas.core.http.envelope import Acknowledged
from talas.core.http.request import Request
from talas.core.permissions import Permission
from talas.domains.admin.acting import acting
from talas.domains.tracks.moderation import service


class TrackModeration(msgspec.Struct):
    hidden: bool


@put(
    "/admin/tracks/{track_id:int}",
    **describe(
        "Hide a track from everybody but its owner, or give it back",
        tag="admin",
        body=TrackModeration,
        errors=(403, 404),
    ),
)
async def moderate_track(request: Request, track_id: FromPath[int]) -> Acknowledged:
    by = await acting(request, Permission.HIDE_TRACKS)
    hidden = (await request.body_as(TrackModeration)).hidden
    async with request.db.transaction() as conn:
        await service.set_hidden(conn, by, track_id, hidden=hidden)
    return Acknowledged(message="Track hidden" if hidden else "Track given back to its owner")


api_routes = [moderate_track]
