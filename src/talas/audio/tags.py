"""Tags as people wrote them, made safe to keep."""

from __future__ import annotations

import re
from collections.abc import Mapping

from talas.audio.measurements import TAG_LENGTH, Tags

_UNWANTED = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udc7f\udd00-\udfff]+")
_UNDECODED = re.compile(r"[\udc80-\udcff]")
_TRACK = re.compile(r"\s*(\d{1,4})(?!\d)")


def read_tags(*sources: Mapping[str, str]) -> Tags:
    """The known tags of FFmpeg metadata mappings, the first that has one winning.

    Keys are compared ignoring case. Values may carry undecodable bytes as lone surrogates.
    """
    found: dict[str, str] = {}
    for source in sources:
        for key, value in source.items():
            text = clean_text(value)
            if text:
                found.setdefault(key.lower(), text)
    return Tags(
        title=found.get("title"),
        artist=found.get("artist") or found.get("album_artist"),
        album=found.get("album"),
        genre=found.get("genre"),
        date=found.get("date") or found.get("year"),
        track_number=_track_number(found.get("track") or found.get("tracknumber") or ""),
    )


def clean_text(value: str) -> str:
    """`value` on one line, without control characters, at most `TAG_LENGTH` characters."""
    text = _UNWANTED.sub(" ", value)
    # RIFF and old ID3 tags name no encoding. What is not UTF-8 there is mostly Windows-1252.
    if _UNDECODED.search(text):
        text = text.encode("utf-8", "surrogateescape").decode("cp1252", "ignore")
    return " ".join(text.split())[:TAG_LENGTH].rstrip()


def _track_number(text: str) -> int | None:
    """`3` of `3`, `03` or `3/12`."""
    match = _TRACK.match(text)
    number = int(match[1]) if match else 0
    return number or None
