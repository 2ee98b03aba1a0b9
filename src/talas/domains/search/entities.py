"""What the index knows of each thing that can be found.

``popularity`` and the like are as they were when the row was last read; a change of order is what
makes it be read again.
"""

import datetime as dt

import msgspec


class IndexedUser(msgspec.Struct, frozen=True):
    """Active accounts only. ``popularity``: their public tracks, up to 1,000."""

    id: int
    username: str
    email: str
    first_name: str | None
    last_name: str | None
    bio: str | None
    popularity: int


class IndexedProduct(msgspec.Struct, frozen=True):
    """Active products only. ``popularity``: how many own it, up to 10,000."""

    id: int
    name: str
    brand: str | None
    model: str | None
    category: str | None
    description: str | None
    status: str
    created_at: dt.datetime
    popularity: int


class IndexedFile(msgspec.Struct, frozen=True):
    """For the owner alone."""

    id: int
    owner_id: int
    filename: str
    type: str
    product_name: str


class IndexedTrack(msgspec.Struct, frozen=True):
    """Every track: who may find it follows from ``visibility`` and ``status``, and the owner finds
    it always. ``plays`` and ``likes`` are right to within a factor of two."""

    id: int
    user_id: int
    title: str
    artist: str
    username: str
    description: str
    tags: list[str]
    genre: str | None
    album: str | None
    visibility: str
    status: str
    plays: int
    likes: int
    duration_ms: int | None
    bpm: float | None
    key: str | None
    license: str
    created_at: dt.datetime


class IndexedRoom(msgspec.Struct, frozen=True):
    """``member_ids`` of private rooms, which only they may find; empty for public ones.
    ``member_count`` up to 10,000."""

    id: int
    name: str
    description: str | None
    is_private: bool
    member_ids: list[int]
    member_count: int


Entity = IndexedUser | IndexedProduct | IndexedFile | IndexedTrack | IndexedRoom
