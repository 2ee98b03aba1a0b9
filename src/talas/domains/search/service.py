"""What the index answers: ids, best first. Rows, and whether the asker may still see them, are for
who asked (``results``)."""

from collections.abc import Sequence
from typing import Any

from tantivy import DocAddress, Query, Searcher

from talas.core.search_index import SearchIndex
from talas.domains.search.queries import Level, Question, kind_query, read_question

# Of so many equals at the end of a page the newest are taken.
_EQUALS = 50


async def find_products(search: SearchIndex, text: str, *, limit: int) -> list[int]:
    """Ids of active products, best first; those that are gone since are among them for a moment.
    None where the text holds no word. Raises Unavailable while there is no index."""
    question = read_question(text)
    found = await search.ask(
        lambda searcher: find(searcher, ("products",), question, user_id=None, limit=limit)
    )
    return found["products"]


def find(
    searcher: Searcher,
    kinds: Sequence[str],
    question: Question,
    *,
    user_id: int | None,
    limit: int,
) -> dict[str, list[int]]:
    """Of each kind the best ``limit`` ids that ``user_id`` may find (None: that everybody may).
    Where nothing of any kind has all the words, those that have at least half of them."""
    if not question.words:
        return {kind: [] for kind in kinds}
    found = {kind: _find_kind(searcher, kind, question, user_id, limit) for kind in kinds}
    if len(question.words) > 1 and not any(found.values()):
        return find_at_level(searcher, kinds, question, Level.PARTLY, user_id=user_id, limit=limit)
    return found


def find_at_level(
    searcher: Searcher,
    kinds: Sequence[str],
    question: Question,
    level: Level,
    *,
    user_id: int | None,
    limit: int,
) -> dict[str, list[int]]:
    """As ``find``, with no other leniency."""
    found: dict[str, list[int]] = {kind: [] for kind in kinds}
    for kind in kinds if question.words else ():
        query = kind_query(kind, question, level, user_id=user_id)
        found[kind] = best_ids(searcher, query, limit=limit)
    return found


def _find_kind(
    searcher: Searcher, kind: str, question: Question, user_id: int | None, limit: int
) -> list[int]:
    """A level is asked only when the stricter ones have not filled the page: what they find comes
    first in any case, and most pages are full at the first. Two wrong letters are looked for only
    where there is nothing with one."""
    found: dict[int, None] = {}
    for level in question.levels():
        if len(found) >= limit or (found and level is Level.TYPOS):
            break
        query = kind_query(kind, question, level, user_id=user_id)
        found |= dict.fromkeys(best_ids(searcher, query, limit=limit + len(found)))
    return list(found)[:limit]


def best_ids(searcher: Searcher, query: Query, *, limit: int) -> list[int]:
    hits = searcher.search(
        query, limit=limit + _EQUALS, count=False, weight_by_field="popularity"
    ).hits
    return newest_first(searcher, hits)[:limit]


def newest_first(searcher: Searcher, hits: Sequence[tuple[Any, DocAddress]]) -> list[int]:
    """The ids of hits in their order; of equals the highest comes first."""
    ids = searcher.fast_field_values("id", [address for _, address in hits])
    ranked = zip((rank for rank, _ in hits), ids, strict=True)
    return [int(found or 0) for _, found in sorted(ranked, reverse=True)]
