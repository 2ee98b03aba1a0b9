"""Query strings: pages of a list (``page`` from 1, ``limit`` 1 to 100), numbers, words."""

import msgspec

from talas.core.database import MAX_ID
from talas.core.errors import FieldError, InvalidData
from talas.core.http.envelope import Paged, Pagination, T
from talas.core.text import clean_text

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_QUERY = 200


class Window(msgspec.Struct, frozen=True):
    """``limit`` rows after ``offset`` others; ``from_end`` counts both from a list's end."""

    limit: int
    offset: int
    from_end: bool


class Page(msgspec.Struct, frozen=True):
    page: int
    limit: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit

    def window(self, total: int) -> Window:
        """The page of a list of ``total`` rows, from the end that is nearer to it; past the end
        there is nothing to walk to."""
        if self.offset >= total:
            return Window(0, 0, from_end=False)
        beyond = total - self.offset - self.limit
        if self.offset <= beyond:
            return Window(self.limit, self.offset, from_end=False)
        return Window(self.limit + min(beyond, 0), max(beyond, 0), from_end=True)


def parse_int(
    field: str,
    text: str | None,
    *,
    default: int,
    least: int,
    most: int,
    hint: str | None = None,
) -> int:
    """A whole number from a query string; raises InvalidData with the bounds in words."""
    if text is None:
        return default
    if text.isascii() and text.removeprefix("-").isdecimal() and len(text) < 20:
        value = int(text)
        if least <= value <= most:
            return value
    sentence = hint or f"{field} must be a whole number between {least} and {most}"
    raise InvalidData.of(FieldError(field, sentence))


def parse_id(field: str, text: str | None, *, hint: str | None = None) -> int | None:
    """The id of a row from a query string, or None; raises InvalidData."""
    if text is None:
        return None
    return parse_int(field, text, default=0, least=1, most=MAX_ID, hint=hint)


def parse_text(field: str, text: str | None, *, max_length: int = MAX_QUERY) -> str:
    """Text from a query string, trimmed; empty where it is left out. Raises InvalidData."""
    return clean_text(text or "", field, max_length=max_length)


def parse_choice(field: str, text: str | None, choices: tuple[str, ...]) -> str | None:
    """One of some words from a query string, or None; raises InvalidData that names them."""
    if text is not None and text not in choices:
        raise InvalidData.of(FieldError(field, f"{field} must be one of {', '.join(choices)}"))
    return text


def parse_page(page: str | None, limit: str | None, *, max_limit: int = MAX_LIMIT) -> Page:
    return Page(
        parse_int("page", page, default=1, least=1, most=MAX_ID),
        parse_int(
            "limit",
            limit,
            default=min(DEFAULT_LIMIT, max_limit),
            least=1,
            most=max_limit,
        ),
    )


def paged(rows: list[T], page: Page, total: int) -> Paged[T]:
    pages = -(-total // page.limit)
    return Paged(data=rows, pagination=Pagination(page.page, page.limit, total, pages))
