"""``/search``: everything that one may find, by what is written in it."""

from litestar import get

from talas.core.errors import FieldError, InvalidData
from talas.core.http.describe import describe, int_query, text_query
from talas.core.http.envelope import Envelope, ok
from talas.core.http.pagination import parse_int
from talas.core.http.request import Request
from talas.core.text import clean_text
from talas.domains.search import results
from talas.domains.search.documents import KINDS
from talas.domains.search.schemas import SearchResults, Wanted

MAX_QUERY = 200
MAX_PER_KIND = 50
_LIMIT = int_query("limit", "How many of each at most", default=10, least=1, most=MAX_PER_KIND)


@get(
    "/search",
    **describe(
        "Search users, products, one's own files, tracks and rooms",
        tag="search",
        query=(
            text_query(
                "q",
                "What to look for; the last word may be the start of one, typos are forgiven",
                required=True,
            ),
            text_query("type", f"One or several, separated by commas, of {', '.join(KINDS)}"),
            _LIMIT,
        ),
    ),
)
async def search_everything(request: Request) -> Envelope[SearchResults]:
    actor = await request.actor()
    query = request.query_params
    wanted = Wanted(
        text=clean_text(query.get("q") or "", "q", max_length=MAX_QUERY, min_length=1),
        kinds=_read_kinds(query.get("type")),
        limit=parse_int("limit", query.get("limit"), default=10, least=1, most=MAX_PER_KIND),
    )
    async with request.db.connection() as conn:
        return ok(await results.search_everything(conn, request.context.search, actor, wanted))


def _read_kinds(text: str | None) -> tuple[str, ...]:
    """All of them where nothing is asked for."""
    if text is None:
        return KINDS
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(kind in KINDS for kind in kinds):
        sentence = f"type must be one or several of {', '.join(KINDS)}, separated by commas"
        raise InvalidData.of(FieldError("type", sentence))
    return kinds


api_routes = [search_everything]
