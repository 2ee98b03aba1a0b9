"""A playlist as extended M3U in UTF-8 (``.m3u8``), which players of all kinds open. It is no HLS
playlist (RFC 8216): each entry is a whole track."""

import unicodedata
from collections.abc import Iterable

from talas.domains.playlists.order.sql import ExportRow

MEDIA_TYPE = "audio/mpegurl; charset=utf-8"


def to_m3u8(title: str, rows: Iterable[ExportRow], *, base_url: str, query: str) -> bytes:
    """``base_url`` is that of the tracks, without a slash at its end; ``query`` is put behind each
    address as it is."""
    lines = ["#EXTM3U", f"#PLAYLIST:{_one_line(title)}"]
    for row in rows:
        seconds = -1 if row.duration_ms is None else (row.duration_ms + 500) // 1000
        name = f"{_one_line(row.artist)} - {_one_line(row.title)}"
        lines += [f"#EXTINF:{seconds},{name}", f"{base_url}/{row.track_id}/stream{query}"]
    # What was kept before such things were refused may still be no UTF-8.
    return ("\n".join(lines) + "\n").encode(errors="replace")


def _one_line(text: str) -> str:
    """A line of the file is an entry, whatever a title holds."""
    spaced = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    return " ".join(spaced.split())
