"""What people ask for, as queries to the index.

What they wrote is never read as a language: it is cut into words, and nothing else of it reaches
the index. A query has one of four levels of leniency; each finds what the stricter ones find, and
more.
"""

import enum
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from tantivy import Occur, Query, Searcher

from talas.domains.search import relevance
from talas.domains.search.analysis import (
    STOP_WORDS,
    Unit,
    allowed_edits,
    start_of,
    stems,
    units,
    whole,
)
from talas.domains.search.documents import (
    OWN,
    SHARED,
    access_term,
    field,
    schema,
)

MAX_WORDS = 12
_SHORTEST_TEXT_START = 3


class Level(enum.IntEnum):
    """NAMED: every word as written, in the name or what is said about the thing. ANYWHERE: also
    in other forms, and in the description. TYPO and TYPOS: with as many letters wrong as the
    length of each word allows, but at most one or two. PARTLY: half of the words, so spelt."""

    NAMED = 0
    ANYWHERE = 1
    TYPO = 2
    TYPOS = 3
    PARTLY = 4


class Question(msgspec.Struct, frozen=True):
    """What was asked for. The last word may be the start of one; ``extras`` need not be found.
    Empty where there was no word in it."""

    words: tuple[Unit, ...]
    extras: tuple[Unit, ...]
    last: Unit | None
    whole: str

    def levels(self) -> Iterator[Level]:
        """Those at which all words are found, the strictest first; without those that find no
        more than the one before, since no word is long enough to be misspelt so."""
        edits = max((allowed_edits(part) for word in self.words for part in word.parts), default=0)
        yield from (Level.NAMED, Level.ANYWHERE)
        if edits >= 1:
            yield Level.TYPO
        if edits >= 2:
            yield Level.TYPOS


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


def found_in(group: str, question: Question, level: Level, *, user_id: int | None) -> Query:
    """All of the group that ``user_id`` may find and that the question names."""
    found = matches(group, question, level)
    return found if group in SHARED else must(found, without_points(owned(group, user_id)))


def everything_in(group: str, *, user_id: int | None) -> Query:
    """All of the group that ``user_id`` may find."""
    return without_points(term("group", group) if group in SHARED else owned(group, user_id))


def owned(group: str, user_id: int | None) -> Query:
    """What only some users may find, and ``user_id`` among them."""
    if user_id is None:
        return Query.empty_query()
    return term(field(group, "access"), access_term(user_id))


def must(*queries: Query) -> Query:
    if len(queries) == 1:
        return queries[0]
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def matches(group: str, question: Question, level: Level) -> Query:
    """Whoever may find them."""
    by_word = _Words(group, level)
    each = [by_word.query(word, may_go_on=word is question.last) for word in question.words]
    clauses = [(Occur.Must, query) for query in each]
    least = None
    if level is Level.PARTLY:
        clauses = [(Occur.Should, query) for query in each]
        least = (len(each) + 1) // 2
    found = Query.boolean_query(clauses, least)
    return Query.boolean_query(
        [
            (Occur.Must, any_of([found, _same_name(group, question)])),
            *((Occur.Should, bonus) for bonus in _bonuses(group, question)),
        ]
    )


def _same_name(group: str, question: Question) -> Query:
    return _points(term(field(group, "whole"), question.whole), relevance.WHOLE_NAME)


def _bonuses(group: str, question: Question) -> Iterable[Query]:
    for extra in question.extras:
        found = any_of(_as_written(field(group, part), extra) for part in ("names", "about"))
        yield _points(found, relevance.STOP_WORD)
    parts = [part for word in question.words for part in word.parts]
    if len(question.words) < 2:
        return
    for part, points in (
        ("names", relevance.NAME_PHRASE),
        ("about", relevance.ABOUT_PHRASE),
        ("text", relevance.TEXT_PHRASE),
    ):
        yield _points(_phrase(field(group, part), parts), points)


class _Words:
    """Queries for single words of the question, in the fields of one group."""

    def __init__(self, group: str, level: Level) -> None:
        self._group = group
        self._level = level

    def query(self, word: Unit, *, may_go_on: bool) -> Query:
        """Where it is found in several ways the best one counts. ``may_go_on``: it may be the
        start of a word."""
        ways = self._named(word, may_go_on)
        if self._level >= Level.ANYWHERE:
            ways += self._anywhere(word, may_go_on)
        if self._level >= Level.TYPO and any(map(allowed_edits, word.parts)):
            ways += self._misspelt(word, may_go_on)
        return Query.disjunction_max_query(ways)

    def _named(self, word: Unit, may_go_on: bool) -> list[Query]:
        ways = [
            _points(_as_written(self._field("names"), word), relevance.NAME),
            _points(_as_written(self._field("about"), word), relevance.ABOUT),
        ]
        if may_go_on:
            ways += [
                _points(self._start("names_starts", word), relevance.NAME_START),
                _points(self._start("about_starts", word), relevance.ABOUT_START),
            ]
        return ways

    def _start(self, part_name: str, word: Unit) -> Query:
        starts = self._field(part_name)
        before = [term(self._field("words"), part) for part in word.parts[:-1]]
        ways = [must(*before, term(starts, start_of(word.parts[-1])))]
        if word.joined is not None:
            ways.append(term(starts, start_of(word.joined)))
        return any_of(ways)

    def _anywhere(self, word: Unit, may_go_on: bool) -> list[Query]:
        text = self._field("text")
        ways = [
            _points(self._stems("names_stems", word), relevance.NAME_STEM),
            _points(self._stems("about_stems", word), relevance.ABOUT_STEM),
            _points(_as_written(text, word), relevance.TEXT),
            _points(self._stems("text_stems", word), relevance.TEXT_STEM),
        ]
        if may_go_on and len(word.word) >= _SHORTEST_TEXT_START:
            ways.append(_points(_fuzzy(text, word.word, 0, start=True), relevance.TEXT_START))
        return ways

    def _stems(self, part_name: str, word: Unit) -> Query:
        name = self._field(part_name)
        return must(*(any_of(term(name, stem) for stem in stems(part)) for part in word.parts))

    def _misspelt(self, word: Unit, may_go_on: bool) -> list[Query]:
        """To go through all words for those that are nearly so is what a search takes longest for:
        what starts nearly so has those among it that are nearly so, and is not asked for twice."""
        if self._level is Level.TYPOS:
            return [_points(self._misspelt_in("words", word), relevance.ANY_MISSPELT)]
        ways = [_points(self._misspelt_in("names", word), relevance.NAME_MISSPELT)]
        if may_go_on and allowed_edits(word.parts[-1]):
            ways += [
                _points(self._misspelt_start("names", word), relevance.NAME_START_MISSPELT),
                _points(self._misspelt_start("words", word), relevance.ANY_MISSPELT),
            ]
        else:
            ways.append(_points(self._misspelt_in("words", word), relevance.ANY_MISSPELT))
        return ways

    def _misspelt_in(self, part_name: str, word: Unit) -> Query:
        return must(*(self._misspelt_part(part_name, part) for part in word.parts))

    def _misspelt_start(self, part_name: str, word: Unit) -> Query:
        """Of the last part; with two letters wrong nearly everything starts like it."""
        before = [self._misspelt_part(part_name, part) for part in word.parts[:-1]]
        last = _fuzzy(self._field(part_name), word.parts[-1], 1, start=True)
        return must(*before, last)

    def _misspelt_part(self, part_name: str, part: str) -> Query:
        name = self._field(part_name)
        edits = min(allowed_edits(part), 2 if self._level is Level.TYPOS else 1)
        return _fuzzy(name, part, edits) if edits else term(name, part)

    def _field(self, part: str) -> str:
        return field(self._group, part)


def _as_written(name: str, word: Unit) -> Query:
    """Its parts next to each other, or all as one word."""
    ways = [_phrase(name, word.parts)]
    if word.joined is not None:
        ways.append(term(name, word.joined))
    return any_of(ways)


def _phrase(name: str, parts: Sequence[str]) -> Query:
    if len(parts) == 1:
        return term(name, parts[0])
    return Query.phrase_query(schema(), name, list(parts))


def term(name: str, word: str) -> Query:
    return Query.term_query(schema(), name, word, "basic")


def _fuzzy(name: str, word: str, edits: int, *, start: bool = False) -> Query:
    return Query.fuzzy_term_query(
        schema(), name, word, distance=edits, transposition_cost_one=True, prefix=start
    )


def without_points(query: Query) -> Query:
    """For what must match, but does not make anything a better match."""
    return _points(query, 0)


def any_of(queries: Iterable[Query]) -> Query:
    found = list(queries)
    if len(found) == 1:
        return found[0]
    return Query.boolean_query([(Occur.Should, query) for query in found])


def _points(query: Query, points: float) -> Query:
    return Query.const_score_query(query, points)
