"""What the words of the index spare a search, and that it finds the same."""

from collections.abc import Sequence
from typing import Any

import pytest
import tantivy
from tests.domains.search.test_relevance import ASKER, CASES, SYNTHS, search, track, tracks

from talas.core.http.pagination import Page
from talas.domains.search.dictionary import Dictionary, count
from talas.domains.search.documents import GROUPS, KINDS, document, schema
from talas.domains.search.entities import Entity
from talas.domains.search.filters import read_wanted
from talas.domains.search.highlight import highlight
from talas.domains.search.queries import exists_in, found_in, read_question
from talas.domains.search.service import find
from talas.domains.search.tracks import find_tracks
from talas.domains.search.words import Level, WordQueries


class CountingSearcher:
    """One that counts how often it has to search."""

    def __init__(self, searcher: tantivy.Searcher) -> None:
        self._searcher = searcher
        self.searches = 0

    def search(self, *arguments: Any, **how: Any) -> Any:
        self.searches += 1
        return self._searcher.search(*arguments, **how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._searcher, name)


def index_of(corpus: Sequence[Entity]) -> tantivy.Searcher:
    index = tantivy.Index(schema())
    writer = index.writer(15_000_000, 1)
    for entity in corpus:
        writer.add_document(document(entity))
    writer.commit()
    index.reload()
    return index.searcher()


EVERYTHING = index_of([entity for _, corpus, _, _ in CASES for entity in corpus])
TEXTS = sorted({text for _, _, text, _ in CASES})


@pytest.mark.parametrize("level", [level for level in Level if level is not Level.TYPO_NAMED])
def test_what_is_counted_is_what_is_found(level: Level) -> None:
    for group in GROUPS:
        for text in TEXTS:
            words, question = WordQueries(Dictionary(EVERYTHING, group)), read_question(text)
            found = found_in(words, question, level, user_id=ASKER)
            exists = exists_in(words, question, level, user_id=ASKER)
            counts = [0 if it is None else count(EVERYTHING, it) for it in (found, exists)]
            assert counts[0] == counts[1], (group, text)


def test_a_level_finds_what_the_stricter_ones_find() -> None:
    for group in GROUPS:
        for text in TEXTS:
            words, question = WordQueries(Dictionary(EVERYTHING, group)), read_question(text)
            counts = []
            for level in (Level.STARTED, Level.NAMED, Level.ANYWHERE, Level.TYPO):
                query = found_in(words, question, level, user_id=ASKER)
                counts.append(0 if query is None else count(EVERYTHING, query))
            assert counts == sorted(counts), (group, text)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("xqzwv", len(KINDS)),
        ("xqzwvxqzwv", 2 * len(KINDS)),
        ("1984727", 0),
        ("1984727 techno", 2 * len(KINDS)),
    ],
)
def test_what_cannot_be_found_is_hardly_searched_for(text: str, most: int) -> None:
    """Once for each kind and number of wrong letters; not where numbers would have to be there."""
    searcher: Any = CountingSearcher(EVERYTHING)
    found = find(searcher, KINDS, read_question(text), user_id=None, limit=10)
    assert searcher.searches <= most
    assert not any(found.values()) or "techno" in text


def test_few_letters_are_not_looked_for_where_they_cannot_show() -> None:
    """What is said about things starts with any letter: names that do fill the page first."""
    corpus = tracks(
        *[track("Berlin", artist="Zoe")] * 5, *[track("Zoe", artist="Berlin", plays=9)] * 5
    )
    assert search(corpus, "b", limit=5) == [5, 4, 3, 2, 1]
    assert search(corpus, "b", limit=7) == [5, 4, 3, 2, 1, 10, 9]
    searcher: Any = CountingSearcher(index_of(corpus))
    find(searcher, ("tracks",), read_question("b"), user_id=None, limit=5)
    assert searcher.searches == 1


def test_a_page_and_its_total_are_found_at_once() -> None:
    searcher: Any = CountingSearcher(index_of(tracks("House", "House", "Moon")))
    found = find_tracks(searcher, read_wanted({"q": "house"}), Page(1, 20), user_id=ASKER)
    assert (found.ids, found.total, searcher.searches) == ([2, 1], 2, 1)
    beyond = find_tracks(searcher, read_wanted({"q": "house"}), Page(900, 20), user_id=ASKER)
    assert (beyond.ids, beyond.total) == ([], 2)


def test_many_that_have_a_word_mean_it() -> None:
    """Beside another word: where a thousand have "house", "hoise" is not what was meant."""
    corpus = tracks(*["House"] * 1000, "House dreams", "Hoise dreams")
    assert search(corpus, "house dreasm") == [1001]
    assert search([corpus[0], *corpus[-2:]], "house dreasm") == [1001, 1002]


@pytest.mark.parametrize(("text", "expected"), [("moon", [1]), ("moon xylophone", [2, 1])])
def test_what_others_keep_to_themselves_changes_nothing(text: str, expected: list[int]) -> None:
    seen = [track("Mood", visibility="private", user_id=ASKER), track("Xylophone")]
    theirs = [track("Moon", visibility="private", user_id=ASKER + 1)] * 1000
    assert search(tracks(*seen), text) == search(tracks(*seen, *theirs), text) == expected


@pytest.mark.parametrize(
    ("text", "title", "marked"),
    [
        ("nightdrive", "Night Drive <3", "<mark>Night</mark> <mark>Drive</mark> &lt;3"),
        ("night drive", "My Nightdrive", "My <mark>Nightdrive</mark>"),
        ("camel cas", "CamelCaseTitle", "<mark>CamelCaseTitle</mark>"),
        ("dead mau5 mix", "Deadmau5 mix", "<mark>Deadmau5</mark> <mark>mix</mark>"),
        ("夜", "東京の夜", "<mark>東京の夜</mark>"),
    ],
)
def test_other_spellings_are_marked(text: str, title: str, marked: str) -> None:
    assert highlight(read_question(text), {"title": title}) == {"title": marked}


def test_a_model_is_one_word_or_two() -> None:
    assert search(SYNTHS, "mk 1") == search(SYNTHS, "mk1") == search(SYNTHS, "MK-1") == [3]
