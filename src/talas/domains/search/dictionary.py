"""What the index knows of words before it is searched.

A search that finds nothing costs what one that finds something costs. To look a word up costs two
microseconds, and tells of most clauses of a query that they would find nothing.
"""

from tantivy import Query, Searcher

from talas.domains.search.clauses import fuzzy
from talas.domains.search.documents import field

MANY = 1000
_SHORT = 5


class Dictionary:
    """The words of one group. What is deleted may still be among them, so that what is said to be
    there may be gone; never the other way round."""

    def __init__(self, searcher: Searcher, group: str) -> None:
        self.group = group
        self._searcher = searcher
        self._counts: dict[tuple[str, str], int] = {}
        self._nearly: dict[tuple[str, int, bool], int] = {}

    def count(self, part: str, word: str) -> int:
        """How many documents have it."""
        known = self._counts.get((part, word))
        if known is None:
            known = self._searcher.doc_freq(field(self.group, part), word)
            self._counts[part, word] = known
        return known

    def has(self, part: str, *words: str) -> bool:
        """All of them."""
        return all(self.count(part, word) for word in words)

    def has_start(self, part: str, start: str) -> bool:
        """Goes through all words that start so: for what few do."""
        name = field(self.group, part)
        return bool(self._searcher.terms_with_prefix(name, start, None, 1))

    def count_nearly(self, word: str, edits: int, *, start: bool = False) -> int:
        """At most how many documents have what is spelt so but for ``edits`` letters, or starts so.
        Nearly everything is like a short word: many are taken for granted, as for what is there.

        tantivy first makes an automaton of the word, which takes longer than going through a small
        group with it, once for each clause: to ask once spares those of the later levels."""
        if len(word) < _SHORT or self.has("words", word):
            return MANY
        # What starts so is as many at least.
        known = self._nearly.get((word, edits, True))
        if known is None and not start:
            known = self._nearly.get((word, edits, False))
        if known is None:
            query = fuzzy(field(self.group, "words"), word, edits, start=start)
            known = count(self._searcher, query)
            self._nearly[word, edits, start] = known
        return known


def count(searcher: Searcher, query: Query) -> int:
    """Ordered by a field, so that nothing is scored."""
    found: int = searcher.search(query, limit=1, order_by_field="id").count  # type: ignore[attr-defined]
    return found
