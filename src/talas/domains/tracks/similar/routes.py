"""``/tracks/{track_id}/similar``."""

from litestar import get
from litestar.params import FromPath

from talas.core.http.describe import describe, int_query
from talas.core.http.envelope import Envelope, ok
from talas.core.http.pagination import parse_int
from talas.core.http.request import Request
from talas.domains.tracks.similar import service
from talas.domains.tracks.similar.index import SoundIndex
from talas.domains.tracks.similar.schemas import SimilarTrack

DEFAULT_LIMIT = 10


@get(
    "/tracks/{track_id:int}/similar",
    **describe(
        "Tracks that sound like this one, the most similar first",
        tag="tracks",
        query=(
            int_query(
                "limit", "How many", default=DEFAULT_LIMIT, least=1, most=service.MAX_SIMILAR
            ),
        ),
        errors=(404,),
    ),
)
async def list_similar(request: Request, track_id: FromPath[int]) -> Envelope[list[SimilarTrack]]:
    actor = await request.actor()
    limit = parse_int(
        "limit",
        request.query_params.get("limit"),
        default=DEFAULT_LIMIT,
        least=1,
        most=service.MAX_SIMILAR,
    )
    sounds = request.context.part(SoundIndex)
    similar = await service.list_similar(request.db, sounds, actor, track_id, limit=limit)
    if similar is None:
        return ok([], "How this track sounds has not been measured yet")
    return ok(similar)


api_routes = [list_similar]
