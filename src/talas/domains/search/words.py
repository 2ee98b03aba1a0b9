"""How a single word of a question is looked for in a group."""

import enum
from collections.abc import Iterable, Iterator, Sequence

from tantivy import Query

from talas.domains.search import relevance
from talas.domains.search.analysis import LONGEST_START, Unit, allowed_edits, start_of, stems
from talas.domains.search.clauses import any_of, best_of, fuzzy, must, phrase, points, term
from talas.domains.search.dictionary import MANY, Dictionary
from talas.domains.search.documents import SHARED, field

_SHORTEST_TEXT_START = 3
_SHORTEST_HALF = 3
_RESPELT = (("names", relevance.NAME_STEM), ("about", relevance.ABOUT_STEM))


class Level(enum.IntEnum):
    """STARTED: every word as written, in the name or what is said about the thing, or the start of
    the name's; NAMED: also the start of a word of what is said about the thing. ANYWHERE: also
    in other forms, and in the description. TYPO_NAMED: with one letter wrong, in the name; TYPO and
    TYPOS: anywhere, with as many letters wrong as the length of each word allows, but at most one
    or two. PARTLY: half of the words, misspelt only where nothing has them as written; PARTLY_TYPO:
    half of them, each with one letter wrong."""

    STARTED = 0
    NAMED = 1
    ANYWHERE = 2
    TYPO_NAMED = 3
    TYPO = 4
    TYPOS = 5
    PARTLY = 6
    PARTLY_TYPO = 7


class WordQueries:
    """Of one group and one question. What the dictionary does not have is not asked for: None says
    that nothing can be found. What one level needs is kept for the next."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self._meant: dict[tuple[int, Level], list[Query]] = {}
        self.respelt: list[tuple[tuple[Unit, ...], Query]] | None = None

    def ranked(self, word: Unit, level: Level, *, may_go_on: bool) -> Query | None:
        """Of several ways in which it is found the best one counts. ``may_go_on``: it may be the
        start of a word."""
        ways = [*self._as_meant(word, may_go_on, level)]
        if self._may_be_misspelt(word, level):
            ways += self._misspelt(word, may_go_on, level)
        if level >= Level.ANYWHERE and may_go_on:
            ways += self._text_start(word, is_only_way=not ways)
        return best_of(ways) if ways else None

    def unranked(self, word: Unit, level: Level, *, may_go_on: bool) -> Query | None:
        """Finds the same. What is nearly so has among it what is exactly so, beginnings too, where
        the word is a single one and not longer than the index knows beginnings."""
        if level is Level.TYPOS or not self._may_be_misspelt(word, level):
            return self.ranked(word, level, may_go_on=may_go_on)
        if len(word.parts) > 1 or len(word.parts[0]) > LONGEST_START:
            ways = [*self._as_meant(word, may_go_on, level)]
        else:
            ways = [*self._other_forms(word)]
        ways += self._misspelt_anywhere(word, may_go_on, level)
        return any_of(ways) if ways else None

    def as_one(self, joined: str, *, may_go_on: bool) -> Query | None:
        """For two words that are one here: it stands for both."""
        ways = [
            points(term(self._field(part), joined), 2 * each)
            for part, each in _RESPELT
            if self.dictionary.has(part, joined)
        ]
        if may_go_on:
            ways += [
                points(term(self._field(f"{part}_starts"), start_of(joined)), 2 * each - 1)
                for part, each in _RESPELT
                if self.dictionary.has(f"{part}_starts", start_of(joined))
            ]
        return best_of(ways) if ways else None

    def as_two(self, word: Unit) -> Query | None:
        """For a word that is two here, next to each other."""
        if len(word.parts) > 1 or not word.is_spaced:
            return None
        [asked] = word.parts
        ways = [
            points(phrase(self._field(part), (asked[:at], asked[at:])), each)
            for at in range(_SHORTEST_HALF, len(asked) - _SHORTEST_HALF + 1)
            for part, each in _RESPELT
            if self.dictionary.has(part, asked[:at], asked[at:])
        ]
        return best_of(ways) if ways else None

    def is_rare(self, word: Unit, *, may_go_on: bool) -> bool:
        """Whether few have it as it is written or, where nobody has, nearly so."""
        return any(
            self._count(part, start=may_go_on and part is word.parts[-1]) < MANY
            for part in word.parts
            if allowed_edits(part)
        )

    def _count(self, part: str, *, start: bool) -> int:
        as_written = self.dictionary.count("words", part)
        return as_written or self.dictionary.count_nearly(part, 1, start=start)

    def _as_meant(self, word: Unit, may_go_on: bool, level: Level) -> list[Query]:
        """The same for all levels from ANYWHERE on."""
        key = word.start, min(level, Level.ANYWHERE)
        if (known := self._meant.get(key)) is not None:
            return known
        if level is Level.STARTED:
            found = [*self._named(word, ("names",) if may_go_on else ())]
        elif level is Level.NAMED:
            found = [*self._named(word, ("names", "about") if may_go_on else ())]
        else:
            found = [*self._as_meant(word, may_go_on, Level.NAMED)]
            found += self._worth(self._as_written("text", word), relevance.TEXT)
            found += self._other_forms(word)
        self._meant[key] = found
        return found

    def _named(self, word: Unit, started: Sequence[str]) -> Iterator[Query]:
        yield from self._worth(self._as_written("names", word), relevance.NAME)
        yield from self._worth(self._as_written("about", word), relevance.ABOUT)
        for part, each in (("names", relevance.NAME_START), ("about", relevance.ABOUT_START)):
            start = start_of(word.parts[0])
            if part in started and not self._is_all(part, word, f"{part}_starts", start):
                yield from self._worth(self._start(f"{part}_starts", word), each)

    def _other_forms(self, word: Unit) -> Iterator[Query]:
        for part, each in (
            ("names", relevance.NAME_STEM),
            ("about", relevance.ABOUT_STEM),
            ("text", relevance.TEXT_STEM),
        ):
            if not self._is_all(part, word, f"{part}_stems", *stems(word.parts[0])):
                yield from self._worth(self._stems(f"{part}_stems", word), each)

    def _is_all(self, part: str, word: Unit, other_part: str, *others: str) -> bool:
        """Whether one way has found all that another would: what has a word has its beginnings and
        stems, and here as many have the one as the other."""
        if len(word.parts) > 1 or len(others) > 1:
            return False
        count = self.dictionary.count(part, word.parts[0])
        return count == self.dictionary.count(other_part, others[0])

    def _worth(self, found: Query | None, each: float) -> Iterator[Query]:
        if found is not None:
            yield points(found, each)

    def _as_written(self, part: str, word: Unit) -> Query | None:
        """Its parts next to each other, or all as one word."""
        ways = []
        if self.dictionary.has(part, *word.parts):
            ways.append(phrase(self._field(part), word.parts))
        if word.joined is not None and self.dictionary.has(part, word.joined):
            ways.append(term(self._field(part), word.joined))
        return any_of(ways) if ways else None

    def _start(self, part: str, word: Unit) -> Query | None:
        *before, last = word.parts
        ways = []
        if self.dictionary.has(part, start_of(last)) and self.dictionary.has("words", *before):
            each = [term(self._field("words"), other) for other in before]
            ways.append(must(*each, term(self._field(part), start_of(last))))
        if word.joined is not None and self.dictionary.has(part, start_of(word.joined)):
            ways.append(term(self._field(part), start_of(word.joined)))
        return any_of(ways) if ways else None

    def _stems(self, part: str, word: Unit) -> Query | None:
        each = []
        for asked in word.parts:
            found = [stem for stem in stems(asked) if self.dictionary.has(part, stem)]
            if not found:
                return None
            each.append(any_of(term(self._field(part), stem) for stem in found))
        return must(*each)

    def _text_start(self, word: Unit, *, is_only_way: bool) -> Iterator[Query]:
        start = word.word
        if len(start) < _SHORTEST_TEXT_START:
            return
        if not is_only_way or self.dictionary.has_start("text", start):
            yield points(fuzzy(self._field("text"), start, 0, start=True), relevance.TEXT_START)

    def _may_be_misspelt(self, word: Unit, level: Level) -> bool:
        """What many have, or what is there while other words are missing, is as it is meant. Among
        what only some may find that would tell of what others have."""
        if level < Level.TYPO_NAMED or not any(map(allowed_edits, word.parts)):
            return False
        if self.dictionary.group not in SHARED:
            return True
        count = min(self.dictionary.count("words", part) for part in word.parts)
        return count == 0 if level is Level.PARTLY else count < MANY

    def _misspelt(self, word: Unit, may_go_on: bool, level: Level) -> Iterator[Query]:
        if level is not Level.TYPO_NAMED:
            yield from self._misspelt_anywhere(word, may_go_on, level)
        if level is Level.TYPOS:
            return
        if may_go_on and allowed_edits(word.parts[-1]):
            found = self._misspelt_start("names", word, level)
            yield from self._worth(found, relevance.NAME_START_MISSPELT)
        yield from self._worth(self._misspelt_in("names", word, level), relevance.NAME_MISSPELT)

    def _misspelt_anywhere(self, word: Unit, may_go_on: bool, level: Level) -> Iterator[Query]:
        """To go through all words for those that are nearly so is what a search takes longest for:
        what starts nearly so has those among it that are nearly so, and is not asked for twice."""
        goes_on = may_go_on and level is not Level.TYPOS and allowed_edits(word.parts[-1])
        nearly = self._misspelt_start if goes_on else self._misspelt_in
        yield from self._worth(nearly("words", word, level), relevance.ANY_MISSPELT)

    def _misspelt_in(self, part: str, word: Unit, level: Level) -> Query | None:
        return _all_of(self._misspelt_part(part, asked, level) for asked in word.parts)

    def _misspelt_start(self, part: str, word: Unit, level: Level) -> Query | None:
        """Of the last part; with two letters wrong nearly everything starts like it."""
        *before, last = word.parts
        found = None
        if self.dictionary.count_nearly(last, 1, start=True):
            found = fuzzy(self._field(part), last, 1, start=True)
        return _all_of([found, *(self._misspelt_part(part, asked, level) for asked in before)])

    def _misspelt_part(self, part: str, asked: str, level: Level) -> Query | None:
        edits = min(allowed_edits(asked), 2 if level is Level.TYPOS else 1)
        if not edits:
            return term(self._field(part), asked) if self.dictionary.has(part, asked) else None
        if not self.dictionary.count_nearly(asked, edits):
            return None
        return fuzzy(self._field(part), asked, edits)

    def _field(self, part: str) -> str:
        return field(self.dictionary.group, part)


def _all_of(queries: Iterable[Query | None]) -> Query | None:
    """Goes no further once there is a None."""
    found = []
    for query in queries:
        if query is None:
            return None
        found.append(query)
    return must(*found)
