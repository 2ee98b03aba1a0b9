import pytest
from hypothesis import given
from hypothesis import strategies as st

from talas.core.errors import InvalidData
from talas.core.text import FieldChecks, clean_text, printable


@given(st.text())
def test_what_is_printed_is_one_line_without_controls(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert text.isprintable() == (shown == text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", "a\\nb"), ("\x1b[2K", "\\x1b[2K"), ("é😀", "é😀"), ("a\u202eb", "a\\u202eb")],
)
def test_what_would_act_on_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(max_size=30))
def test_cleaning_keeps_or_refuses(text: str) -> None:
    refused = any((c < " " and c not in "\n\t") or c == "\x7f" for c in text)
    try:
        kept = clean_text(text, "field", max_length=30)
    except InvalidData:
        assert refused
    else:
        assert not refused
        assert kept == text.strip()


def test_lengths_count_characters_after_trimming() -> None:
    assert clean_text(f"  {'😀' * 5}\n", "field", max_length=5, min_length=5) == "😀" * 5
    for text in ("😀" * 6, "😀" * 4):
        with pytest.raises(InvalidData, match="field must be at"):
            clean_text(text, "field", max_length=5, min_length=5)


def test_all_problems_are_collected() -> None:
    checks = FieldChecks()
    checks.text("first", "x" * 9, max_length=3)
    checks.one_of("second", "x", ("a", "b"))
    with pytest.raises(InvalidData) as refusal:
        checks.finish()
    assert refusal.value.message == "first must be at most 3 characters"
    assert [detail.message for detail in refusal.value.details or ()] == [
        "first must be at most 3 characters",
        "second must be one of a, b",
    ]


def test_nothing_wrong_raises_nothing() -> None:
    FieldChecks().finish()
