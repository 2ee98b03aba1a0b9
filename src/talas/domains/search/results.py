"""What the index finds, loaded as far as the asker may see it.

Connections are opened here, not by the routes: none is held while the index is asked.
"""

from typing import Any

from talas.core.database import Database
from talas.core.http.pagination import Page, paged
from talas.core.search_index import SearchIndex
from talas.core.sessions import Actor
from talas.domains.search import service
from talas.domains.search.filters import TrackWanted
from talas.domains.search.queries import Question, read_question
from talas.domains.search.rows import as_hits, load_rows
from talas.domains.search.schemas import FoundTracks, SearchResults, Wanted
from talas.domains.search.tracks import find_tracks

_SPARE = 5
_MOST_PASSED_OVER = 2000


async def search_everything(
    db: Database, search: SearchIndex, actor: Actor, wanted: Wanted
) -> SearchResults:
    """Raises Unavailable while there is no index."""
    question = read_question(wanted.text)
    found = await _find(search, actor, question, wanted.kinds, wanted.limit + _SPARE)
    async with db.connection() as conn:
        rows = {
            kind: await load_rows(conn, kind, actor.user_id, found[kind]) for kind in wanted.kinds
        }
    hits: dict[str, Any] = {}
    for kind in wanted.kinds:
        if len(rows[kind]) < wanted.limit <= len(found[kind]):
            rows[kind] = await _look_further(db, search, actor, question, kind, wanted.limit)
        hits[kind] = await as_hits(kind, rows[kind][: wanted.limit], question)
    return SearchResults(**hits)


async def _look_further(
    db: Database,
    search: SearchIndex,
    actor: Actor,
    question: Question,
    kind: str,
    limit: int,
) -> list[Any]:
    """Where much of what the index found is gone, or hidden, since."""
    count = limit + _SPARE
    while True:
        count *= 4
        found = (await _find(search, actor, question, (kind,), count))[kind]
        async with db.connection() as conn:
            rows = await load_rows(conn, kind, actor.user_id, found)
        if len(rows) >= limit or len(found) < count or count > _MOST_PASSED_OVER:
            return rows


async def search_tracks(
    db: Database, search: SearchIndex, actor: Actor, wanted: TrackWanted, page: Page
) -> FoundTracks:
    """What is gone or hidden since it was indexed is left out of the page, and of the total as far
    as the page tells. Raises Unavailable while there is no index."""
    found = await search.ask(
        lambda searcher: find_tracks(searcher, wanted, page, user_id=actor.user_id)
    )
    async with db.connection() as conn:
        rows = await load_rows(conn, "tracks", actor.user_id, found.ids)
    question = read_question(wanted.text)
    total = found.total - len(found.ids) + len(rows)
    shown = paged(await as_hits("tracks", rows, question), page, total)
    return FoundTracks(data=shown.data, pagination=shown.pagination, facets=found.facets)


async def _find(
    search: SearchIndex, actor: Actor, question: Question, kinds: tuple[str, ...], limit: int
) -> dict[str, list[int]]:
    return await search.ask(
        lambda searcher: service.find(searcher, kinds, question, user_id=actor.user_id, limit=limit)
    )
