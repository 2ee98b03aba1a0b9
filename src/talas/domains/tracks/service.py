"""What a track may be called, who may change it, and what follows from a change."""

import re

from msgspec import UNSET

from talas.audio.containers import Container
from talas.core.database import Connection, allow_long_statements
from talas.core.errors import Conflict, FieldError, InvalidData
from talas.core.events import CHANNEL, publish_each
from talas.core.objects import delete_later
from talas.core.sessions import Actor
from talas.core.text import FieldChecks
from talas.core.uploads import Upload
from talas.domains.tags.names import check_tags
from talas.domains.tags.service import lock_tags_of_user, set_tags
from talas.domains.tracks import access, sql
from talas.domains.tracks.analysis import service as analysis
from talas.domains.tracks.licenses import ALL_RIGHTS_RESERVED, MAX_LENGTH, canonical_license
from talas.domains.tracks.moderation import service as moderation
from talas.domains.tracks.queue import DELETE_OBJECTS, AnalyseTrack
from talas.domains.tracks.schemas import NewTrack, Track, TrackChange
from talas.domains.tracks.sql import MediaRow, TrackRow

MAX_TITLE = 200
MAX_DESCRIPTION = 5000
VISIBILITIES = ("public", "unlisted", "private")
DELETED = "track.deleted"
"""The event ``{storage_key}``: whoever keeps anything made of the file lets go of it."""

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")


def read_form(fields: dict[str, list[str]]) -> NewTrack:
    """Raises InvalidData with all that does not fit. Of a field sent twice the last counts, but
    tags add up; empty means left out."""
    checks = FieldChecks()
    last = {name: values[-1] for name, values in fields.items()}
    track = NewTrack(
        title=checks.text("title", last.get("title", ""), max_length=MAX_TITLE) or None,
        artist=checks.text("artist", last.get("artist", ""), max_length=MAX_TITLE) or None,
        description=checks.text(
            "description", last.get("description", ""), max_length=MAX_DESCRIPTION
        ),
        tags=check_tags(checks, fields.get("tags", [])),
        visibility=checks.one_of(
            "visibility", last.get("visibility", "").strip() or "public", VISIBILITIES
        ),
        license=check_license(checks, last.get("license", "") or ALL_RIGHTS_RESERVED),
    )
    checks.finish()
    return track


def check_license(checks: FieldChecks, text: str) -> str:
    known = canonical_license(text) if len(text) <= MAX_LENGTH else None
    if known is None:
        checks.fail("license", "license must be an SPDX id like CC-BY-4.0, or all-rights-reserved")
    return known or ALL_RIGHTS_RESERVED


def check_idempotency_key(header: str | None) -> str | None:
    if header is not None and not _IDEMPOTENCY_KEY.fullmatch(header):
        raise InvalidData.of(
            FieldError("Idempotency-Key", "Idempotency-Key must be 1 to 255 printable characters")
        )
    return header


async def create_track(
    conn: Connection,
    upload: Upload[Container],
    new: NewTrack,
    *,
    user_id: int,
    username: str,
    idempotency_key: str | None = None,
    artist_from_file: bool = False,
) -> TrackRow:
    """Makes the row and its job, and keeps the upload. Where the idempotency key was used for the
    same content before, the track of then; for other content, Conflict.

    ``artist_from_file`` lets the file's own tag name the artist, where the uploader did not.
    """
    row = _new_row(upload, new, user_id, username, idempotency_key)
    track_id = await sql.insert_track(conn, row)
    if track_id is None:
        assert idempotency_key is not None
        return await _track_of_key(conn, upload, user_id, idempotency_key)
    await set_tags(conn, track_id, new.tags)
    job = AnalyseTrack(
        track_id=track_id,
        storage_key=upload.storage_key,
        placeholder_title=None if new.title else row.title,
        placeholder_artist=row.artist if artist_from_file and not new.artist else None,
    )
    await analysis.enqueue(conn, job, user_id=user_id)
    upload.keep()
    return await access.load_track(conn, user_id, track_id)


def _new_row(
    upload: Upload[Container],
    new: NewTrack,
    user_id: int,
    username: str,
    idempotency_key: str | None,
) -> sql.NewRow:
    return sql.NewRow(
        user_id=user_id,
        title=new.title or title_of(upload.filename),
        artist=new.artist or username,
        description=new.description,
        visibility=new.visibility,
        license=new.license,
        container=upload.kind.name,
        media_type=upload.kind.media_type,
        filename=upload.filename,
        content_hash=upload.content_hash,
        size=upload.size,
        storage_key=upload.storage_key,
        idempotency_key=idempotency_key,
    )


async def _track_of_key(
    conn: Connection, upload: Upload[Container], user_id: int, idempotency_key: str
) -> TrackRow:
    track = await sql.select_track_by_idempotency_key(
        conn, user_id=user_id, idempotency_key=idempotency_key
    )
    if track is None:
        raise Conflict("The track of this Idempotency-Key was deleted just now; try again")
    if track.content_hash != upload.content_hash:
        raise Conflict(
            "This Idempotency-Key was used for another file", code="idempotency_key_reused"
        )
    return track


async def update_track(
    conn: Connection, actor: Actor, track_id: int, change: TrackChange
) -> TrackRow:
    track = await access.load_own_track_for_update(conn, actor.user_id, track_id)
    checks = FieldChecks()
    title, artist, description = track.title, track.artist, track.description
    visibility, license_id, tags = track.visibility, track.license, track.tags
    if change.title is not UNSET:
        title = checks.text("title", change.title, max_length=MAX_TITLE, min_length=1)
    if change.artist is not UNSET:
        given = checks.text("artist", change.artist or "", max_length=MAX_TITLE)
        artist = given or actor.username
    if change.description is not UNSET:
        description = checks.text(
            "description", change.description or "", max_length=MAX_DESCRIPTION
        )
    if change.visibility is not UNSET:
        visibility = checks.one_of("visibility", change.visibility, VISIBILITIES)
        if visibility != "private":
            await moderation.check_may_publish(conn, track.id)
    if change.license is not UNSET:
        license_id = check_license(checks, change.license or ALL_RIGHTS_RESERVED)
    if change.tags is not UNSET:
        tags = check_tags(checks, change.tags or [])
    checks.finish()
    # Before the visibility: tags are locked in one go, old and new ones.
    if tags != track.tags:
        await set_tags(conn, track.id, tags)
    await sql.update_track(
        conn,
        track.id,
        title=title,
        artist=artist,
        description=description,
        visibility=visibility,
        license_id=license_id,
    )
    return await access.load_track(conn, actor.user_id, track.id)


async def delete_track(conn: Connection, actor: Actor, track_id: int) -> None:
    """The row goes with the transaction, its objects by a job of the same transaction."""
    track = await access.load_own_track_for_update(conn, actor.user_id, track_id)
    await allow_long_statements(conn)
    await sql.delete_track(conn, track.id)
    await _take_away(conn, [track.storage_key])


async def forget_user(conn: Connection, user_id: int) -> None:
    """As delete_track for all that the user has; the likes that they gave go too."""
    await sql.lock_tracks_around_user(conn, user_id)
    await lock_tags_of_user(conn, user_id)
    storage_keys = await sql.delete_tracks_of_user(conn, user_id)
    await _take_away(conn, storage_keys)
    await sql.delete_likes_of_user(conn, user_id)


async def _take_away(conn: Connection, storage_keys: list[str]) -> None:
    await delete_later(conn, DELETE_OBJECTS, storage_keys)
    gone = [{"storage_key": storage_key} for storage_key in storage_keys]
    await publish_each(conn, DELETED, CHANNEL, gone)


async def known_storage_keys(conn: Connection, storage_keys: list[str]) -> set[str]:
    """Those of them that belong to tracks."""
    return await sql.select_known_keys(conn, storage_keys)


def title_of(filename: str) -> str:
    """A file's name without its ending."""
    stem, dot, _ = filename.rpartition(".")
    return (stem if dot and stem else filename).strip()[:MAX_TITLE] or "Untitled"


def as_track(row: TrackRow) -> Track:
    ready = row.status == "ready"
    return Track(
        id=row.id,
        title=row.title,
        artist=row.artist,
        duration=None if row.duration_ms is None else (row.duration_ms + 500) // 1000,
        file_url=f"/uploads/tracks/{row.id}.{extension(row)}",
        waveform_url=f"/uploads/waveforms/{row.id}.png" if ready else None,
        tags=row.tags,
        plays=row.plays,
        likes=row.likes,
        created_at=row.created_at,
        duration_ms=row.duration_ms,
        user_id=row.user_id,
        description=row.description,
        visibility=row.visibility,
        status=row.status,
        license=row.license,
        format=row.container,
        bitrate=row.bitrate,
        sample_rate=row.sample_rate,
        channels=row.channels,
        size=row.size,
        loudness_lufs=row.loudness_lufs,
        peak_dbtp=row.peak_dbtp,
        bpm=row.bpm,
        key=row.key,
        liked=row.liked,
        cover_url=f"/uploads/covers/{row.id}.jpg" if row.has_cover else None,
        updated_at=row.updated_at,
        error=row.error or UNSET if row.status == "failed" else UNSET,
    )


def extension(row: TrackRow | MediaRow) -> str:
    """Without the dot. Containers are named after the ending of their files."""
    return row.container
