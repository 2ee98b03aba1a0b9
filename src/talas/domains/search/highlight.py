"""Shows in a text where it holds what was asked for: HTML, escaped, with ``<mark>``."""

import enum
import functools
import html
import itertools
from collections.abc import Callable, Mapping

from talas.domains.search.analysis import Unit, allowed_edits, stems, units, within_edits
from talas.domains.search.queries import Question

MAX_FRAGMENT = 200
_BEFORE = 60
_MOST_READ = 20_000
# For one text: hundreds of words compared with each other letter by letter would take seconds.
_MOST_COMPARED = 300

Spans = list[tuple[int, int]]


def highlight(question: Question, fields: Mapping[str, str | None]) -> dict[str, str]:
    """Those of the fields that hold a word of the question; of a long one, what is around it.

    What is spelt as asked for is marked; only where no field holds that, what is spelt nearly so.
    """
    texts = {name: list(units(text[:_MOST_READ])) for name, text in fields.items() if text}
    asked = [*question.words, *question.extras]
    spans: dict[str, Spans] = {name: [] for name in texts}
    patience = _Patience()
    for word in asked:
        for matches in _ways(word, patience, may_go_on=word is question.last):
            hits = {name: _spans(found, matches) for name, found in texts.items()}
            if any(hits.values()):
                break
        else:
            hits = {name: _respelt(found, word, question) for name, found in texts.items()}
        for name, more in hits.items():
            spans[name] += more
    return {
        name: _marked(fields[name] or "", sorted(set(found)))
        for name, found in spans.items()
        if found
    }


class Match(enum.IntEnum):
    """How much a text has to be forgiven."""

    AS_WRITTEN = 0
    ANOTHER_FORM = 1
    MISSPELT = 2


def worst_match(question: Question, text: str) -> Match | None:
    """Of the words of the question in the text; None where one is not in it."""
    found = list(units(text))
    worst = Match.AS_WRITTEN
    patience = _Patience()
    for word in question.words:
        ways = _ways(word, patience, may_go_on=word is question.last)
        match = next((way for way in Match if _spans(found, ways[way])), None)
        if match is None:
            return None
        worst = max(worst, match)
    return worst


class _Patience:
    """How many pairs of words may still be compared letter by letter."""

    def __init__(self) -> None:
        self._left = _MOST_COMPARED

    def spend(self) -> bool:
        self._left -= 1
        return self._left >= 0


def _ways(word: Unit, patience: _Patience, *, may_go_on: bool) -> list[Callable[[Unit], bool]]:
    """In the order of Match."""
    asked = {*word.parts, word.word}
    forms = {stem for part in word.parts for stem in stems(part)}
    lenient = [part for part in dict.fromkeys(word.parts) if allowed_edits(part)]

    def as_written(unit: Unit) -> bool:
        if asked & {*unit.parts, unit.word}:
            return True
        if len(word.word) == 1 and not word.is_spaced:
            return any(word.word in part for part in unit.parts)
        starts = (*unit.parts, unit.word)
        return may_go_on and any(start.startswith(word.word) for start in starts)

    def in_another_form(unit: Unit) -> bool:
        return any(stem in forms for part in unit.parts for stem in stems(part))

    def misspelt(unit: Unit) -> bool:
        for part, found in itertools.product(lenient, dict.fromkeys(unit.parts)):
            if not patience.spend():
                return False
            if _nearly(part, found, may_go_on):
                return True
        return False

    return [as_written, in_another_form, misspelt]


@functools.lru_cache(20_000)
def _nearly(asked: str, found: str, may_go_on: bool) -> bool:
    most = allowed_edits(asked)
    if within_edits(asked, found, most):
        return True
    lengths = range(len(asked) - 1, min(len(found), len(asked) + 2)) if may_go_on else ()
    return any(within_edits(asked, found[:length], 1) for length in lengths)


def _spans(found: list[Unit], matches: Callable[[Unit], bool]) -> Spans:
    return [(unit.start, unit.end) for unit in found if matches(unit)]


def _respelt(found: list[Unit], word: Unit, question: Question) -> Spans:
    """Where the word is written as two, or as one with the one beside it."""
    spans = []
    for one, other in itertools.pairwise(found):
        if one.word + other.word == word.word:
            spans += [(one.start, one.end), (other.start, other.end)]
    for one, other, joined in question.pairs():
        if word in (one, other):
            goes_on = other is question.last
            spans += [
                (unit.start, unit.end)
                for unit in found
                if unit.word == joined or (goes_on and unit.word.startswith(joined))
            ]
    return spans


def _marked(text: str, spans: Spans) -> str:
    start, end = _window(text, spans[0])
    made = ["…"] if start else []
    at = start
    for span_start, span_end in spans:
        if span_start < at or span_end > end:
            continue
        made += [html.escape(text[at:span_start]), "<mark>"]
        made += [html.escape(text[span_start:span_end]), "</mark>"]
        at = span_end
    made.append(html.escape(text[at:end]))
    if end < len(text):
        made.append("…")
    return "".join(made)


def _window(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """The part of the text that is shown; it begins and ends between words where it can."""
    if len(text) <= MAX_FRAGMENT:
        return 0, len(text)
    start = max(0, span[0] - _BEFORE)
    if start:
        space = text.find(" ", start, span[0])
        start = space + 1 if space >= 0 else start
    end = min(len(text), max(start + MAX_FRAGMENT, span[1]))
    if end < len(text):
        space = text.rfind(" ", span[1], end)
        end = space if space >= 0 else end
    return start, end
