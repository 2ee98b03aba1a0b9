"""What the index answers: ids, best first. Rows, and whether the asker may still see them, are for
who asked (``results``)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tantivy import DocAddress, Query, Searcher

from talas.core.search_index import SearchIndex
from talas.domains.search.dictionary import Dictionary, count
from talas.domains.search.queries import (
    Question,
    exists_in,
    found_in,
    read_question,
    visible_groups,
)
from talas.domains.search.words import Level, WordQueries

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
    Where nothing of any kind has all the words with one letter wrong in each, those that have them
    with two; where there is none either, those that have at least half of them."""
    if not question.words:
        return {kind: [] for kind in kinds}
    searches = {kind: _KindSearch(searcher, kind, question, user_id) for kind in kinds}
    found = {kind: search.best(limit) for kind, search in searches.items()}
    for level in question.last_levels():
        if not any(found.values()):
            found = {kind: search.best_at(level, limit) for kind, search in searches.items()}
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
    if not question.words:
        return {kind: [] for kind in kinds}
    return {
        kind: _KindSearch(searcher, kind, question, user_id).best_at(level, limit) for kind in kinds
    }


class _KindSearch:
    """Of one kind, level by level. It remembers how many each group has had so far, all of them
    where a page was not filled: who counts no more than that at the next level need not look."""

    def __init__(
        self, searcher: Searcher, kind: str, question: Question, user_id: int | None
    ) -> None:
        self._searcher = searcher
        self._question = question
        self._user_id = user_id
        groups = visible_groups(searcher, kind, user_id)
        self._had = {WordQueries(Dictionary(searcher, group)): 0 for group in groups}

    def best(self, limit: int) -> list[int]:
        """A level is asked only when the stricter ones have not filled the page: what they find
        comes first in any case, and most pages are full at the first."""
        found: dict[int, None] = {}
        for level in self._question.levels():
            if len(found) >= limit:
                break
            found |= dict.fromkeys(self.best_at(level, limit + len(found)))
        return list(found)[:limit]

    def best_at(self, level: Level, limit: int) -> list[int]:
        ranked: list[tuple[float, int]] = []
        for words in self._had:
            query = self._query(words, level)
            if query is None:
                continue
            hits = self._searcher.search(
                query, limit=limit + _EQUALS, count=False, weight_by_field="popularity"
            ).hits
            self._had[words] = len(hits)
            if not hits:
                continue
            # Only equals of the last one that is wanted may come before it.
            least = hits[limit - 1][0] if len(hits) >= limit else 0
            ranked += with_ids(self._searcher, [hit for hit in hits if hit[0] >= least])
        return newest_first(ranked)[:limit]

    def _query(self, words: WordQueries, level: Level) -> Query | None:
        """None where it would add nothing."""
        if level is Level.TYPO and self._is_doubtful(words):
            query = exists_in(words, self._question, level, user_id=self._user_id)
            if query is None or count(self._searcher, query) <= self._had[words]:
                return None
        return found_in(words, self._question, level, user_id=self._user_id)

    def _is_doubtful(self, words: WordQueries) -> bool:
        """Whether it is likely that nothing has all that are there, or nothing more than before."""
        asked, last = self._question.words, self._question.last
        if len(asked) == 1:
            return self._had[words] > 0
        return any(words.is_rare(word, may_go_on=word is last) for word in asked)


def with_ids(
    searcher: Searcher, hits: Sequence[tuple[Any, DocAddress]]
) -> Iterator[tuple[Any, int]]:
    """The ids of hits, each with what it is ranked by."""
    ids = searcher.fast_field_values("id", [address for _, address in hits])
    return ((rank, int(found or 0)) for (rank, _), found in zip(hits, ids, strict=True))


def newest_first(ranked: Iterable[tuple[Any, int]]) -> list[int]:
    """The ids, best first; of equals the highest comes first."""
    return [found for _, found in sorted(ranked, reverse=True)]
