"""What messages carry: one's own uploads and tracks, taken and shown with the message."""

from collections.abc import Iterable, Sequence
from typing import Any

from talas.core.database import Connection, is_id
from talas.core.errors import FieldError, InvalidData, TalasError
from talas.domains.chat.attachments import sql
from talas.domains.chat.attachments.sql import OwnTrack, UploadRow

MAX_ATTACHMENTS = 10
FILE, TRACK = "file", "track"

Named = tuple[str, int]
"""What an attachment names: FILE or TRACK, and its id."""

Shown = dict[str, Any]


async def take_attachments(
    conn: Connection, asked: Sequence[tuple[int, list[Any]]]
) -> list[list[Shown] | TalasError]:
    """For each (author, attachments as sent) what the message keeps and shows, in the order sent,
    or what its author is told.

    Of a file (a bare id is one): type, id, name, media_type, kind, size in bytes, url. Of a track:
    type, id, title, artist, duration in whole seconds, null until it is known. To be called in the
    transaction that then calls ``link_attachments``: until it ends the uploads stay.
    """
    named = [_named_or_refusal(attachments) for _, attachments in asked]
    wanted = {
        (kind, author, number)
        for (author, _), names in zip(asked, named, strict=True)
        if isinstance(names, list)
        for kind, number in names
    }
    found = {
        **await _files(conn, wanted),
        **await _tracks(conn, wanted),
    }
    return [
        names if isinstance(names, TalasError) else _shown_or_refusal(author, names, found)
        for (author, _), names in zip(asked, named, strict=True)
    ]


async def link_attachments(conn: Connection, pairs: list[tuple[int, int]]) -> None:
    """(message, upload): who may see the message may see the upload from now on."""
    if pairs:
        await sql.insert_message_uploads(conn, pairs)


_Wanted = tuple[str, int, int]


async def _files(conn: Connection, wanted: Iterable[_Wanted]) -> dict[_Wanted, Shown]:
    pairs = sorted({(author, number) for kind, author, number in wanted if kind == FILE})
    rows = await sql.hold_own_uploads(conn, pairs) if pairs else []
    return {(FILE, row.user_id, row.id): show_file(row) for row in rows}


async def _tracks(conn: Connection, wanted: Iterable[_Wanted]) -> dict[_Wanted, Shown]:
    pairs = sorted({(author, number) for kind, author, number in wanted if kind == TRACK})
    rows = await sql.select_own_tracks(conn, pairs) if pairs else []
    return {(TRACK, row.user_id, row.id): _show_track(row) for row in rows}


def _shown_or_refusal(
    author: int, names: list[Named], found: dict[_Wanted, Shown]
) -> list[Shown] | TalasError:
    shown = []
    for place, (kind, number) in enumerate(names):
        attachment = found.get((kind, author, number))
        if attachment is None:
            return _refusal(place, _UNKNOWN[kind])
        shown.append(attachment)
    return shown


_UNKNOWN = {
    FILE: "must be the id of an upload of yours from POST /chat/attachments",
    TRACK: "must be the id of a track of yours that has not failed",
}


def _named_or_refusal(attachments: list[Any]) -> list[Named] | TalasError:
    if len(attachments) > MAX_ATTACHMENTS:
        sentence = f"attachments must be at most {MAX_ATTACHMENTS}"
        return InvalidData.of(FieldError("attachments", sentence))
    names: list[Named] = []
    for place, attachment in enumerate(attachments):
        name = _read_name(attachment)
        if name is None:
            return _refusal(
                place, 'must be the id of an upload, or like {"type": "track", "id": 1}'
            )
        if not is_id(name[1]):
            return _refusal(place, _UNKNOWN[name[0]])
        if name in names:
            return _refusal(place, "is the same as one before it")
        names.append(name)
    return names


def _read_name(attachment: Any) -> Named | None:
    kind: Any = FILE
    number = attachment
    if isinstance(attachment, dict):
        kind, number = attachment.get("type"), attachment.get("id")
    # In JSON true is no number, in Python it is.
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return (kind, number) if isinstance(kind, str) and kind in _UNKNOWN else None


def _refusal(place: int, sentence: str) -> TalasError:
    field = f"attachments[{place}]"
    return InvalidData.of(FieldError(field, f"{field} {sentence}"))


def show_file(row: UploadRow) -> Shown:
    return {
        "type": FILE,
        "id": row.id,
        "name": row.name,
        "media_type": row.media_type,
        "kind": row.kind,
        "size": row.size,
        "url": url_of(row.id),
    }


def url_of(upload_id: int) -> str:
    return f"/api/v1/chat/attachments/{upload_id}/download"


def _show_track(row: OwnTrack) -> Shown:
    duration = None if row.duration_ms is None else (row.duration_ms + 500) // 1000
    return {
        "type": TRACK,
        "id": row.id,
        "title": row.title,
        "artist": row.artist,
        "duration": duration,
    }
