"""What the index answers: ids, best first. Rows, and whether the asker may still see them, are for
who asked (``results``)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tantivy import DocAddress, Searcher

from talas.core.search_index import SearchIndex
from talas.domains.search.queries import Level, Question, found_in, read_question, visible_groups

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
        groups = tuple(visible_groups(searcher, kind, user_id))
        found[kind] = _best_ids(searcher, groups, question, level, user_id=user_id, limit=limit)
    return found


def _find_kind(
    searcher: Searcher, kind: str, question: Question, user_id: int | None, limit: int
) -> list[int]:
    """A level is asked only when the stricter ones have not filled the page: what they find comes
    first in any case, and most pages are full at the first. Two wrong letters are looked for only
    where there is nothing with one."""
    groups = tuple(visible_groups(searcher, kind, user_id))
    found: dict[int, None] = {}
    for level in question.levels():
        if len(found) >= limit or (found and level is Level.TYPOS):
            break
        most = limit + len(found)
        found |= dict.fromkeys(
            _best_ids(searcher, groups, question, level, user_id=user_id, limit=most)
        )
    return list(found)[:limit]


def _best_ids(
    searcher: Searcher,
    groups: Sequence[str],
    question: Question,
    level: Level,
    *,
    user_id: int | None,
    limit: int,
) -> list[int]:
    ranked: list[tuple[float, int]] = []
    for group in groups:
        query = found_in(group, question, level, user_id=user_id)
        hits = searcher.search(
            query, limit=limit + _EQUALS, count=False, weight_by_field="popularity"
        ).hits
        ranked += with_ids(searcher, hits)
    return newest_first(ranked)[:limit]


def with_ids(
    searcher: Searcher, hits: Sequence[tuple[Any, DocAddress]]
) -> Iterator[tuple[Any, int]]:
    """The ids of hits, each with what it is ranked by."""
    ids = searcher.fast_field_values("id", [address for _, address in hits])
    return ((rank, int(found or 0)) for (rank, _), found in zip(hits, ids, strict=True))


def newest_first(ranked: Iterable[tuple[Any, int]]) -> list[int]:
    """The ids, best first; of equals the highest comes first."""
    return [found for _, found in sorted(ranked, reverse=True)]
