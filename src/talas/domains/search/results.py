"""The search over everything: what the index finds, loaded as far as the asker may see it."""

from typing import Any

from talas.core.database import Connection
from talas.core.search_index import SearchIndex
from talas.core.sessions import Actor
from talas.domains.search import service
from talas.domains.search.access import as_hit, load_rows
from talas.domains.search.queries import Question, read_question
from talas.domains.search.schemas import SearchResults, Wanted

_SPARE = 5
_MOST_PASSED_OVER = 2000


async def search_everything(
    conn: Connection, search: SearchIndex, actor: Actor, wanted: Wanted
) -> SearchResults:
    """Raises Unavailable while there is no index."""
    question = read_question(wanted.text)
    found = await _find(search, actor, question, wanted.kinds, wanted.limit + _SPARE)
    hits: dict[str, Any] = {}
    for kind in wanted.kinds:
        rows = await load_rows(conn, kind, actor.user_id, found[kind])
        if len(rows) < wanted.limit <= len(found[kind]):
            rows = await _look_further(conn, search, actor, question, kind, wanted.limit)
        hits[kind] = [as_hit(kind, row, question) for row in rows[: wanted.limit]]
    return SearchResults(**hits)


async def _look_further(
    conn: Connection,
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
        rows = await load_rows(conn, kind, actor.user_id, found)
        if len(rows) >= limit or len(found) < count or count > _MOST_PASSED_OVER:
            return rows


async def _find(
    search: SearchIndex, actor: Actor, question: Question, kinds: tuple[str, ...], limit: int
) -> dict[str, list[int]]:
    return await search.ask(
        lambda searcher: service.find(searcher, kinds, question, user_id=actor.user_id, limit=limit)
    )
