"""What the playlist endpoints take and give."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.text import allowed

VISIBILITIES = ("public", "unlisted", "private")
Visibility = Annotated[str, allowed(VISIBILITIES)]


class Playlist(msgspec.Struct, kw_only=True):
    """``tracks_count`` is of the tracks that the caller may hear. ``role`` is the caller's: owner,
    collaborator or null. ``version`` grows with each change of the order."""

    id: int
    user_id: int
    username: str
    title: str
    description: str
    visibility: str
    tracks_count: int
    role: str | None
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


class OrderedPlaylist(Playlist, kw_only=True):
    """With the whole order of the tracks that the caller may hear, as PUT …/tracks takes it, and
    ``duration_ms`` of all of them."""

    duration_ms: int
    track_ids: list[int]


class NewPlaylist(msgspec.Struct):
    title: str
    description: str | None = None
    visibility: Visibility = "public"


class PlaylistChange(msgspec.Struct):
    """null clears."""

    title: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    visibility: Visibility | UnsetType = UNSET


class PlaylistFilter(msgspec.Struct, frozen=True, kw_only=True):
    """None asks for all; ``mine`` for those that the caller owns or works on."""

    user_id: int | None = None
    mine: bool = False
    text: str | None = None
    sort: str = "newest"
