"""What marking a text may cost, whatever stands in it."""

import pytest

from talas.domains.search import analysis, highlight
from talas.domains.search.queries import read_question


def test_pairs_of_words_are_compared_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of parts are asked for in a text of a thousand: each pair could be a typo."""
    calls = 0

    def counted(asked: str, word: str, most: int) -> bool:
        nonlocal calls
        calls += 1
        return analysis.within_edits(asked, word, most)

    monkeypatch.setattr(highlight, "within_edits", counted)
    question = read_question("abcd2" * 38)
    text = "badc1" * 998
    highlight.highlight(question, {"description": text, "title": text})
    assert 0 < calls < 2000


def test_a_common_misspelling_is_still_marked() -> None:
    text = "word " * 60 + "marathon"
    shown = highlight.highlight(read_question("maratohn"), {"description": text})
    assert "<mark>marathon</mark>" in shown["description"]


def test_long_pieces_are_not_remembered() -> None:
    before = analysis._remembered_parts.cache_info().currsize
    for number in range(50):
        list(analysis.units(f"{number}" + "😀" * 200))
    assert analysis._remembered_parts.cache_info().currsize <= before
