"""What people ask for, as queries to the index.

What they wrote is never read as a language: it is cut into words, and nothing else of it reaches
the index. A query has a level of leniency: each finds what the stricter ones find, and more, as
long as all words have to be found.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence

import msgspec
from tantivy import Occur, Query, Searcher

from talas.domains.search import relevance
from talas.domains.search.analysis import (
    MAX_PART,
    STOP_WORDS,
    Unit,
    allowed_edits,
    units,
    whole,
)
from talas.domains.search.clauses import any_of, must, phrase, points, term, without_points
from talas.domains.search.dictionary import Dictionary
from talas.domains.search.documents import OWN, SHARED, access_term, field
from talas.domains.search.words import Level, WordQueries

MAX_WORDS = 12
_SHORTEST_JOINED = 4
_SHORT = 3


QueryOf = Callable[..., Query | None]
"""``ranked`` or ``unranked`` of WordQueries."""


class Question(msgspec.Struct, frozen=True):
    """What was asked for. The last word may be the start of one; ``extras`` need not be found.
    Empty where there was no word in it."""

    words: tuple[Unit, ...]
    extras: tuple[Unit, ...]
    last: Unit | None
    whole: str

    def pairs(self) -> Iterator[tuple[Unit, Unit, str]]:
        """Neighbours, and what they are written as one, where that may be."""
        for one, other in itertools.pairwise(self.words):
            joined = one.word + other.word
            if one.is_spaced and other.is_spaced and _SHORTEST_JOINED <= len(joined) <= MAX_PART:
                yield one, other, joined

    def levels(self) -> Iterator[Level]:
        """Those at which all words are found, the strictest first; without those that find no
        more than the one before, since no word is long enough to be misspelt so. What is found in
        the name comes before all else where only one word was asked for; with few letters that
        fills most pages, and much is said about things that starts with them."""
        if len(self.words) == 1 and len(self.words[0].word) <= _SHORT:
            yield Level.STARTED
        yield from (Level.NAMED, Level.ANYWHERE)
        if self._most_edits() >= 1 and len(self.words) == 1:
            yield Level.TYPO_NAMED
        if self._most_edits() >= 1:
            yield Level.TYPO

    def last_levels(self) -> Iterator[Level]:
        """Those for when nothing has been found."""
        if self._most_edits() >= 2:
            yield Level.TYPOS
        if len(self.words) > 1:
            yield from (Level.PARTLY, Level.PARTLY_TYPO)

    def _most_edits(self) -> int:
        return max((allowed_edits(part) for word in self.words for part in word.parts), default=0)


def read_question(text: str) -> Question:
    """Words beyond MAX_WORDS are not looked at."""
    found = list({unit.parts: unit for unit in units(text)}.values())[:MAX_WORDS]
    words = [unit for unit in found if unit.word not in STOP_WORDS] or found
    extras = [unit for unit in found if unit not in words]
    last = words[-1] if words and words[-1] is found[-1] else None
    return Question(tuple(words), tuple(extras), last, whole(text))


def visible_groups(searcher: Searcher, kind: str, user_id: int | None) -> Iterator[str]:
    """Where ``user_id`` may find something of the kind (None: what everybody may)."""
    if kind in SHARED:
        yield kind
    if user_id is None or kind not in OWN:
        return
    if searcher.doc_freq(field(OWN[kind], "access"), access_term(user_id)):
        yield OWN[kind]


def found_in(
    words: WordQueries, question: Question, level: Level, *, user_id: int | None
) -> Query | None:
    """All of the group that ``user_id`` may find and that the question names. None where the words
    say already that nothing is."""
    named = _named(words.ranked, words, question, level)
    if named is None:
        return None
    bonuses = [(Occur.Should, bonus) for bonus in _bonuses(words.dictionary, question)]
    if bonuses:
        named = Query.boolean_query([(Occur.Must, named), *bonuses])
    return _for_user(words.dictionary.group, named, user_id)


def exists_in(
    words: WordQueries, question: Question, level: Level, *, user_id: int | None
) -> Query | None:
    """Finds the same, without points: in half the time where words are misspelt."""
    named = _named(words.unranked, words, question, level)
    return None if named is None else _for_user(words.dictionary.group, named, user_id)


def everything_in(group: str, *, user_id: int | None) -> Query:
    """All of the group that ``user_id`` may find."""
    return without_points(term("group", group) if group in SHARED else owned(group, user_id))


def owned(group: str, user_id: int | None) -> Query:
    """What only some users may find, and ``user_id`` among them."""
    if user_id is None:
        return Query.empty_query()
    return term(field(group, "access"), access_term(user_id))


def _for_user(group: str, found: Query, user_id: int | None) -> Query:
    return found if group in SHARED else must(found, without_points(owned(group, user_id)))


def _named(query_of: QueryOf, words: WordQueries, question: Question, level: Level) -> Query | None:
    """Whoever may find them."""
    ways = []
    if (found := _by_words(query_of, words, question, level)) is not None:
        ways.append(found)
    if Level.ANYWHERE <= level < Level.PARTLY:
        ways += _respelt(query_of, words, question, level)
    if words.dictionary.has("whole", question.whole):
        same = term(field(words.dictionary.group, "whole"), question.whole)
        ways.append(points(same, relevance.WHOLE_NAME))
    return any_of(ways) if ways else None


def _by_words(
    query_of: QueryOf, words: WordQueries, question: Question, level: Level
) -> Query | None:
    missing = len(question.words) // 2 if level >= Level.PARTLY else 0
    least = len(question.words) - missing
    found = []
    for word in _rarest_first(words.dictionary, question.words):
        query = query_of(word, level, may_go_on=word is question.last)
        if query is not None:
            found.append(query)
            continue
        missing -= 1
        if missing < 0:
            return None
    if least == len(found):
        return must(*found)
    return Query.boolean_query([(Occur.Should, query) for query in found], least)


def _respelt(
    query_of: QueryOf, words: WordQueries, question: Question, level: Level
) -> Iterator[Query]:
    """With two words written as one, or one as two: ``sound cloud``, ``soundcloud``."""
    if words.respelt is None:
        words.respelt = list(_changes(words, question))
    for changed, found in words.respelt:
        each = [found]
        for word in question.words:
            if word not in changed:
                query = query_of(word, level, may_go_on=word is question.last)
                if query is None:
                    break
                each.append(query)
        else:
            yield must(*each)


def _changes(words: WordQueries, question: Question) -> Iterator[tuple[tuple[Unit, ...], Query]]:
    for one, other, joined in question.pairs():
        if found := words.as_one(joined, may_go_on=other is question.last):
            yield (one, other), found
    for word in question.words:
        if found := words.as_two(word):
            yield (word,), found


def _rarest_first(dictionary: Dictionary, words: Sequence[Unit]) -> Sequence[Unit]:
    """tantivy looks for no further word once one is nowhere: what costs least and is the least
    likely to be found comes first."""

    def cost(word: Unit) -> tuple[bool, int, int]:
        is_lenient = any(map(allowed_edits, word.parts))
        count = min(dictionary.count("words", part) for part in word.parts)
        return is_lenient, count, -len(word.word)

    return sorted(words, key=cost) if len(words) > 1 else words


def _bonuses(dictionary: Dictionary, question: Question) -> Iterator[Query]:
    group = dictionary.group
    for extra in question.extras:
        ways = [
            phrase(field(group, part), extra.parts)
            for part in ("names", "about")
            if dictionary.has(part, *extra.parts)
        ]
        if ways:
            yield points(any_of(ways), relevance.STOP_WORD)
    parts = [part for word in question.words for part in word.parts]
    if len(question.words) < 2:
        return
    for part, each in (
        ("names", relevance.NAME_PHRASE),
        ("about", relevance.ABOUT_PHRASE),
        ("text", relevance.TEXT_PHRASE),
    ):
        if dictionary.has(part, *parts):
            yield points(phrase(field(group, part), parts), each)
