"""What the track endpoints take and give."""

import datetime as dt

import msgspec
from msgspec import UNSET, UnsetType


class Track(msgspec.Struct, kw_only=True):
    """``duration`` in whole seconds and ``duration_ms`` are null until the track is ready, like
    all that is measured. ``bitrate`` in bits/s, ``sample_rate`` in Hz, ``size`` in bytes.
    ``error`` says why a track failed."""

    id: int
    title: str
    artist: str
    duration: int | None
    file_url: str
    waveform_url: str | None
    tags: list[str]
    plays: int
    likes: int
    created_at: dt.datetime
    duration_ms: int | None
    user_id: int
    description: str
    visibility: str
    status: str
    license: str
    format: str
    bitrate: int | None
    sample_rate: int | None
    channels: int | None
    size: int
    loudness_lufs: float | None
    peak_dbtp: float | None
    bpm: float | None
    key: str | None
    liked: bool
    cover_url: str | None
    updated_at: dt.datetime
    error: str | UnsetType = UNSET


class Waveform(msgspec.Struct):
    """As the program audiowaveform writes it: ``data`` are a minimum and a maximum in turn, each of
    ``bits`` bits, for every ``samples_per_pixel`` samples."""

    version: int
    channels: int
    sample_rate: int
    samples_per_pixel: int
    bits: int
    length: int
    data: list[int]


class TrackChange(msgspec.Struct):
    """null clears: the artist becomes the uploader again, the license all-rights-reserved."""

    title: str | UnsetType = UNSET
    artist: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    tags: list[str] | UnsetType | None = UNSET
    visibility: str | UnsetType = UNSET
    license: str | UnsetType | None = UNSET


class NewTrack(msgspec.Struct, frozen=True, kw_only=True):
    """What the uploader said, checked. None: not said."""

    title: str | None = None
    artist: str | None = None
    description: str = ""
    tags: list[str] = []
    visibility: str = "public"
    license: str = "all-rights-reserved"


class TrackFilter(msgspec.Struct, frozen=True, kw_only=True):
    """None asks for all."""

    tag: str | None = None
    user_id: int | None = None
    text: str | None = None
    sort: str = "newest"
