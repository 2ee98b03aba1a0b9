"""``/search``: everything that one may find, by what is written in it."""

from litestar import get

from talas.core.database import MAX_ID
from talas.core.errors import FieldError, InvalidData
from talas.core.http.describe import (
    PAGE_QUERY,
    choice_query,
    date_query,
    describe,
    int_query,
    number_query,
    text_query,
)
from talas.core.http.envelope import Envelope, ok
from talas.core.http.pagination import parse_int
from talas.core.http.request import Request
from talas.core.text import clean_text
from talas.domains.search import results, suggestions
from talas.domains.search.documents import KINDS
from talas.domains.search.filters import (
    MAX_BPM,
    MAX_DURATION_S,
    MAX_QUERY,
    SORTS,
    read_wanted,
)
from talas.domains.search.schemas import FoundTracks, SearchResults, Suggestion, Wanted

MAX_SUGGESTIONS = 20
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
    return ok(await results.search_everything(request.db, request.context.search, actor, wanted))


@get(
    "/search/tracks",
    **describe(
        "Search tracks, narrowed and counted",
        tag="search",
        query=(
            *PAGE_QUERY,
            text_query("q", "What to look for; left out or empty: every track"),
            text_query("tags", "Only tracks that have all of these, separated by commas"),
            int_query("duration_min", "In seconds", least=0, most=MAX_DURATION_S),
            int_query("duration_max", "In seconds", least=0, most=MAX_DURATION_S),
            number_query("bpm_min", "In beats a minute", least=0, most=MAX_BPM),
            number_query("bpm_max", "In beats a minute", least=0, most=MAX_BPM),
            text_query("key", "Like A minor, Am or Bb major"),
            text_query("license", "An SPDX id, or all-rights-reserved"),
            int_query("user_id", "Only this user's tracks", least=1, most=MAX_ID),
            text_query("user", "Only the tracks of the user of this name"),
            date_query("from", "Uploaded on this day or later, in UTC"),
            date_query("to", "Uploaded on this day or before, in UTC"),
            choice_query("sort", "What comes first; without a text relevance is newest", SORTS),
        ),
    ),
)
async def search_tracks(request: Request) -> FoundTracks:
    actor = await request.actor()
    page, wanted = request.read_page(), read_wanted(request.query_params)
    return await results.search_tracks(request.db, request.context.search, actor, wanted, page)


@get(
    "/search/suggest",
    **describe(
        "Completions as one types: titles, names and tags",
        tag="search",
        query=(
            text_query("q", "What was typed so far", required=True),
            int_query("limit", "How many at most", default=10, least=1, most=MAX_SUGGESTIONS),
        ),
    ),
)
async def suggest(request: Request) -> Envelope[list[Suggestion]]:
    actor = await request.actor()
    query = request.query_params
    text = clean_text(query.get("q") or "", "q", max_length=MAX_QUERY, min_length=1)
    limit = parse_int("limit", query.get("limit"), default=10, least=1, most=MAX_SUGGESTIONS)
    search = request.context.search
    return ok(await suggestions.suggest(request.db, search, actor, text, limit=limit))


def _read_kinds(text: str | None) -> tuple[str, ...]:
    """All of them where nothing is asked for."""
    if text is None:
        return KINDS
    kinds = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(kind in KINDS for kind in kinds):
        sentence = f"type must be one or several of {', '.join(KINDS)}, separated by commas"
        raise InvalidData.of(FieldError("type", sentence))
    return kinds


api_routes = [search_everything, search_tracks, suggest]
