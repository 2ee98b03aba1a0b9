"""What the search of tracks can be narrowed to, and what it can be sorted by."""

import datetime as dt
import math
import re
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from talas.core.database import MAX_ID
from talas.core.http.pagination import parse_int
from talas.core.text import FieldChecks
from talas.domains.search.music_keys import KEYS, canonical_key
from talas.domains.tags.names import check_tags
from talas.domains.tracks.service import check_license

SORTS = ("relevance", "newest", "plays", "likes", "duration")
MAX_QUERY = 200
MAX_DURATION_S = 10_000_000
MAX_BPM = 1000
_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,6})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


BoundT = TypeVar("BoundT", int, float, dt.date)


class TrackWanted(msgspec.Struct, frozen=True, kw_only=True):
    """None asks for all. Bounds belong to what they bound, days are whole days in UTC."""

    text: str
    sort: str
    tags: tuple[str, ...]
    duration_min: int | None
    duration_max: int | None
    bpm_min: float | None
    bpm_max: float | None
    key: str | None
    license: str | None
    user_id: int | None
    user: str | None
    first_day: dt.date | None
    last_day: dt.date | None


def read_wanted(query: Mapping[str, str]) -> TrackWanted:
    """From a query string; raises InvalidData with all that does not fit."""
    checks = FieldChecks()
    reader = _Reader(query, checks)
    wanted = TrackWanted(
        text=checks.text("q", query.get("q", ""), max_length=MAX_QUERY),
        sort=checks.one_of("sort", query.get("sort", SORTS[0]), SORTS),
        tags=reader.tags(),
        duration_min=reader.seconds("duration_min"),
        duration_max=reader.seconds("duration_max"),
        bpm_min=reader.bpm("bpm_min"),
        bpm_max=reader.bpm("bpm_max"),
        key=reader.key(),
        license=reader.license(),
        user_id=reader.user_id(),
        user=reader.user(),
        first_day=reader.day("from"),
        last_day=reader.day("to"),
    )
    reader.ordered("duration_min", wanted.duration_min, "duration_max", wanted.duration_max)
    reader.ordered("bpm_min", wanted.bpm_min, "bpm_max", wanted.bpm_max)
    reader.ordered("from", wanted.first_day, "to", wanted.last_day)
    checks.finish()
    return wanted


class _Reader:
    """Single parameters; what is left out is None."""

    def __init__(self, query: Mapping[str, str], checks: FieldChecks) -> None:
        self._query = query
        self._checks = checks

    def tags(self) -> tuple[str, ...]:
        return tuple(check_tags(self._checks, [self._query.get("tags", "")]))

    def seconds(self, field: str) -> int | None:
        text = self._query.get(field)
        if text is None:
            return None
        whole = text.isascii() and text.isdecimal() and len(text) < 9
        if not whole or int(text) > MAX_DURATION_S:
            sentence = f"{field} must be a whole number of seconds, 0 to {MAX_DURATION_S}"
            self._checks.fail(field, sentence)
            return None
        return int(text)

    def bpm(self, field: str) -> float | None:
        text = self._query.get(field)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text) or float(text) > MAX_BPM:
            self._checks.fail(field, f"{field} must be a number between 0 and {MAX_BPM}")
            return None
        return float(text)

    def key(self) -> str | None:
        text = self._query.get("key")
        found = canonical_key(text)
        if text is not None and found is None:
            self._checks.fail("key", f"key must be one of {', '.join(KEYS)}")
        return found

    def license(self) -> str | None:
        text = self._query.get("license")
        return None if text is None else check_license(self._checks, text)

    def user_id(self) -> int | None:
        text = self._query.get("user_id")
        return None if text is None else parse_int("user_id", text, default=0, least=1, most=MAX_ID)

    def user(self) -> str | None:
        text = self._query.get("user")
        if text is None:
            return None
        return self._checks.text("user", text, max_length=50, min_length=1)

    def day(self, field: str) -> dt.date | None:
        text = self._query.get(field)
        if text is None:
            return None
        try:
            if _DATE.fullmatch(text):
                return dt.date.fromisoformat(text)
        except ValueError:
            pass
        self._checks.fail(field, f"{field} must be a date like 2024-01-15")
        return None

    def ordered(
        self, low_field: str, low: BoundT | None, high_field: str, high: BoundT | None
    ) -> None:
        if low is not None and high is not None and low > high:
            self._checks.fail(low_field, f"{low_field} must not be above {high_field}")


def first_instant(day: dt.date) -> int:
    """Microseconds since 1970."""
    start = dt.datetime.combine(day, dt.time(), dt.UTC)
    return math.floor(start.timestamp()) * 1_000_000
