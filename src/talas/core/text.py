"""Checks on what people type: trimmed, free of control characters, within a length."""

import re
from typing import Any, Self

import msgspec

from talas.core.errors import FieldError, InvalidData

MAX_EMAIL = 100
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_NAME_CHARACTERS = re.compile(r"[A-Za-z0-9._-]+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")


class FieldChecks:
    """Collects what is wrong with several fields, so that the caller hears of all at once.

    Each check returns the cleaned value; ``finish`` raises InvalidData if any check failed.
    """

    def __init__(self) -> None:
        self._errors: list[FieldError] = []

    def fail(self, field: str, message: str) -> Self:
        self._errors.append(FieldError(field, message))
        return self

    def text(self, field: str, value: str, *, max_length: int, min_length: int = 0) -> str:
        """Text as sent, trimmed; lengths in characters. Newline and tab may stand in it."""
        # Before trimming, which would take some of them for space.
        controls = _CONTROLS.search(value)
        value = value.strip()
        if controls:
            self.fail(field, f"{field} must not contain control characters")
        elif len(value) > max_length:
            self.fail(field, f"{field} must be at most {max_length} characters")
        elif not value and min_length:
            self.fail(field, f"{field} must not be empty")
        elif len(value) < min_length:
            self.fail(field, f"{field} must be at least {min_length} characters")
        return value

    def username(self, field: str, value: str) -> str:
        value = self.text(field, value, max_length=50, min_length=3)
        if not self.failed(field) and not _NAME_CHARACTERS.fullmatch(value):
            self.fail(field, f"{field} may hold only letters A-Z, digits and . _ -")
        return value

    def email(self, field: str, value: str) -> str:
        value = self.text(field, value, max_length=MAX_EMAIL, min_length=3)
        if not self.failed(field) and not (_EMAIL.fullmatch(value) and value.isprintable()):
            self.fail(field, f"{field} must look like name@example.com")
        return value

    def one_of(self, field: str, value: str, allowed: tuple[str, ...]) -> str:
        if value not in allowed:
            self.fail(field, f"{field} must be one of {', '.join(allowed)}")
        return value

    def finish(self) -> None:
        if self._errors:
            raise InvalidData.of(*self._errors)

    def password(self, field: str, value: str, *, min_length: int, max_length: int) -> None:
        """A password is taken as it is, spaces around it included."""
        if not min_length <= len(value) <= max_length:
            self.fail(field, f"{field} must be {min_length} to {max_length} characters")
        elif _CONTROLS.search(value):
            self.fail(field, f"{field} must not contain control characters")

    def failed(self, field: str) -> bool:
        return any(error.field == field for error in self._errors)


def clean_text(value: str, field: str, *, max_length: int, min_length: int = 0) -> str:
    """One field's text, checked by itself; raises InvalidData."""
    checks = FieldChecks()
    value = checks.text(field, value, max_length=max_length, min_length=min_length)
    checks.finish()
    return value


def allowed(choices: tuple[str, ...]) -> msgspec.Meta:
    """Describes a field of a body, ``Annotated[str, allowed(STATUSES)]``. What is sent is held
    against it by ``FieldChecks``, which tells of all that is wrong at once."""
    return msgspec.Meta(extra_json_schema={"enum": list(choices)})


def within(least: int, most: int) -> msgspec.Meta:
    """As ``allowed``, for a whole number."""
    return msgspec.Meta(extra_json_schema={"minimum": least, "maximum": most})


def length(most: int, *, least: int = 0) -> msgspec.Meta:
    """As ``allowed``, for text: in characters, and in words, since it is trimmed before it is
    counted."""
    said = f"{least} to {most}" if least else f"At most {most}"
    return msgspec.Meta(description=f"{said} characters")


def given(body: msgspec.Struct) -> dict[str, Any]:
    """The fields that a body carries."""
    fields = msgspec.structs.asdict(body)
    return {field: value for field, value in fields.items() if value is not msgspec.UNSET}


def printable(text: str) -> str:
    """Text that cannot forge a line of a log or of a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
