"""The tracks of a playlist, in order. Who changes them holds the playlist, so that changes follow
one another and none is lost."""

from collections.abc import Iterable

from talas.core.database import Connection, is_id
from talas.core.errors import Conflict, FieldError, InvalidData, NotFound
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.domains.playlists import access
from talas.domains.playlists import sql as playlists
from talas.domains.playlists.order import sql
from talas.domains.playlists.order.reordering import reordered
from talas.domains.playlists.order.schemas import NewOrder, PlaylistTrack
from talas.domains.playlists.order.sql import ExportRow
from talas.domains.playlists.schemas import OrderedPlaylist
from talas.domains.playlists.service import get_playlist
from talas.domains.playlists.sql import PlaylistRow
from talas.domains.tracks.lists import service as tracks
from talas.domains.tracks.service import as_track

MAX_TRACKS = 5_000
MAX_ENTRY_ID = 2**63 - 1


async def list_tracks(
    conn: Connection, actor: Actor, playlist_id: int, page: Page
) -> tuple[list[PlaylistTrack], int]:
    """What the actor may hear of it, and how many those are. Raises NotFound."""
    viewer_id = actor.user_id
    playlist = await access.load_playlist(conn, viewer_id, playlist_id)
    entries = await sql.select_heard_entries(
        conn, playlist.id, viewer_id=viewer_id, limit=page.limit, offset=page.offset
    )
    rows = await tracks.list_seen_by_ids(conn, viewer_id, [entry.track_id for entry in entries])
    by_id = {row.id: as_track(row) for row in rows}
    found = [
        PlaylistTrack(entry.id, position, entry.added_by, entry.added_at, by_id[entry.track_id])
        for position, entry in enumerate(entries, page.offset + 1)
        # A track may go between two statements.
        if entry.track_id in by_id
    ]
    heard = await playlists.count_heard(conn, [playlist.id], viewer_id=viewer_id)
    return found, heard.get(playlist.id, 0)


async def list_playable(
    conn: Connection, actor: Actor, playlist_id: int
) -> tuple[PlaylistRow, list[ExportRow]]:
    """The playlist, and all of it that the actor can play now. Raises NotFound."""
    playlist = await access.load_playlist(conn, actor.user_id, playlist_id)
    return playlist, await sql.select_export(conn, playlist.id, viewer_id=actor.user_id)


async def replace_tracks(
    conn: Connection, actor: Actor, playlist_id: int, new: NewOrder
) -> OrderedPlaylist:
    """Raises NotFound, also for a track that one may not hear and that is not in the playlist;
    Forbidden; InvalidData for too many; Conflict for an order made from an older version."""
    _check_number(len(new.track_ids))
    held = await access.hold_as_editor(conn, actor.user_id, playlist_id)
    if new.version is not None and new.version != held.version:
        raise Conflict(
            "The playlist has changed since this order was made; load it again",
            code="playlist_changed",
        )
    entries = await sql.select_entries(conn, held.id, viewer_id=actor.user_id)
    order = reordered(entries, new.track_ids)
    _check_number(len(order))
    await _hold_tracks(conn, actor, (p.track_id for p in order if p.entry_id is None))
    kept = {p.entry_id: place for place, p in enumerate(order) if p.entry_id is not None}
    added = {place: p.track_id for place, p in enumerate(order) if p.entry_id is None}
    await sql.delete_other_entries(conn, held.id, [*kept])
    await sql.update_positions(conn, held.id, entry_ids=[*kept], positions=[*kept.values()])
    await sql.insert_entries(
        conn,
        held.id,
        added_by=actor.user_id,
        positions=[*added],
        track_ids=[*added.values()],
    )
    await sql.advance_version(conn, held.id)
    return await get_playlist(conn, actor.user_id, held.id)


async def append_tracks(
    conn: Connection, actor: Actor, playlist_id: int, track_ids: list[int]
) -> OrderedPlaylist:
    """Raises NotFound, Forbidden, and InvalidData for none or too many."""
    if not track_ids:
        raise InvalidData.of(FieldError("track_ids", "track_ids must not be empty"))
    _check_number(len(track_ids))
    held = await access.hold_as_editor(conn, actor.user_id, playlist_id)
    number, last = await sql.count_entries(conn, held.id)
    _check_number(number + len(track_ids))
    await _hold_tracks(conn, actor, track_ids)
    positions = [*range(last + 1, last + 1 + len(track_ids))]
    await sql.insert_entries(
        conn, held.id, added_by=actor.user_id, positions=positions, track_ids=track_ids
    )
    await sql.advance_version(conn, held.id)
    return await get_playlist(conn, actor.user_id, held.id)


async def remove_entry(conn: Connection, actor: Actor, playlist_id: int, entry_id: int) -> None:
    """Raises NotFound and Forbidden."""
    held = await access.hold_as_editor(conn, actor.user_id, playlist_id)
    removed = 0 < entry_id <= MAX_ENTRY_ID and await sql.delete_heard_entry(
        conn, held.id, entry_id, viewer_id=actor.user_id
    )
    if not removed:
        raise NotFound("The playlist has no such entry")
    await sql.advance_version(conn, held.id)


def _check_number(tracks: int) -> None:
    if tracks > MAX_TRACKS:
        raise InvalidData.of(
            FieldError("track_ids", f"a playlist holds at most {MAX_TRACKS:,} tracks")
        )


async def _hold_tracks(conn: Connection, actor: Actor, track_ids: Iterable[int]) -> None:
    wanted = {*track_ids}
    ids = [track_id for track_id in wanted if is_id(track_id)]
    heard = await sql.hold_heard_tracks(conn, ids, viewer_id=actor.user_id)
    if missing := wanted - heard:
        raise NotFound(f"Track {min(missing)} not found", code="track_not_found")
