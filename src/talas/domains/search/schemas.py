"""What the search endpoints give.

``highlight`` holds the fields that matched, as HTML: escaped, the words that were asked for in
``<mark>``, long texts as a fragment around them.
"""

import datetime as dt

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.http.envelope import Pagination
from talas.domains.files.schemas import File
from talas.domains.products.schemas import FoundProduct
from talas.domains.tracks.schemas import Track
from talas.domains.users.schemas import UserSummary

Highlight = dict[str, str]


class UserHit(UserSummary, kw_only=True):
    highlight: Highlight


class ProductHit(FoundProduct, kw_only=True):
    highlight: Highlight


class FileHit(File, kw_only=True):
    highlight: Highlight


class TrackHit(Track, kw_only=True):
    highlight: Highlight


class RoomHit(msgspec.Struct, kw_only=True):
    """A room as in the list of rooms."""

    id: int
    name: str
    description: str | None
    is_private: bool
    member_count: int
    created_by: int | None
    created_at: dt.datetime
    unread: int
    role: str | None
    closed: bool
    history: str
    slow_mode_s: int
    highlight: Highlight


class SearchResults(msgspec.Struct, kw_only=True):
    """The kinds that were asked for, each best first."""

    users: list[UserHit] | UnsetType = UNSET
    products: list[ProductHit] | UnsetType = UNSET
    files: list[FileHit] | UnsetType = UNSET
    tracks: list[TrackHit] | UnsetType = UNSET
    rooms: list[RoomHit] | UnsetType = UNSET


class Wanted(msgspec.Struct, frozen=True):
    """What of which kinds, and how many of each at most."""

    text: str
    kinds: tuple[str, ...]
    limit: int


class ValueCount(msgspec.Struct):
    value: str
    count: int


class RangeCount(msgspec.Struct):
    """``least`` belongs to the range, ``below`` no longer does; null is no bound."""

    least: int | None
    below: int | None
    count: int


class Facets(msgspec.Struct):
    """Over all tracks that match, not the page alone. The 20 most frequent values of each;
    ``bpm`` in beats a minute, ``duration`` in seconds."""

    tags: list[ValueCount]
    keys: list[ValueCount]
    licenses: list[ValueCount]
    bpm: list[RangeCount]
    duration: list[RangeCount]


class FoundTracks(msgspec.Struct, kw_only=True):
    success: bool = True
    data: list[TrackHit]
    pagination: Pagination
    facets: Facets


class Suggestion(msgspec.Struct):
    """``type`` is one of track, product, user, room and tag."""

    text: str
    type: str
