"""The search index as requests see it. What it holds and how it is kept is the domain's."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import tantivy

AnswerT = TypeVar("AnswerT")


class SearchIndex(Protocol):
    """Raises Unavailable for as long as there is no index."""

    @property
    def index(self) -> tantivy.Index:
        """For its schema, and to parse with."""

    def searcher(self) -> tantivy.Searcher:
        """The newest state, which stays as it is. Costs nothing: take one for every request."""

    async def ask(self, question: Callable[[tantivy.Searcher], AnswerT]) -> AnswerT:
        """What ``question`` returns, asked in a thread. Raises Unavailable where the index fails
        it, which has the index checked and, where it is damaged, built anew."""
