"""What a playlist may be called, who sees it, and what is left when its owner goes."""

import msgspec
from msgspec import UNSET

from talas.core.database import Connection
from talas.core.errors import Conflict
from talas.core.sessions import Actor, lock_account
from talas.core.text import FieldChecks
from talas.domains.playlists import access, sql
from talas.domains.playlists.order import sql as order
from talas.domains.playlists.schemas import (
    VISIBILITIES,
    NewPlaylist,
    OrderedPlaylist,
    Playlist,
    PlaylistChange,
)
from talas.domains.playlists.sql import PlaylistRow

MAX_TITLE = 200
MAX_DESCRIPTION = 5000
MAX_PLAYLISTS = 2_000
"""Of one user."""


async def create_playlist(conn: Connection, actor: Actor, new: NewPlaylist) -> OrderedPlaylist:
    """Raises InvalidData, and Conflict for one too many."""
    checks = FieldChecks()
    title = checks.text("title", new.title, max_length=MAX_TITLE, min_length=1)
    description = checks.text("description", new.description or "", max_length=MAX_DESCRIPTION)
    visibility = checks.one_of("visibility", new.visibility, VISIBILITIES)
    checks.finish()
    await lock_account(conn, actor)
    if await sql.count_playlists_of_user(conn, actor.user_id) >= MAX_PLAYLISTS:
        raise Conflict(
            f"You have {MAX_PLAYLISTS} playlists; delete one first", code="too_many_playlists"
        )
    playlist_id = await sql.insert_playlist(
        conn, actor.user_id, title=title, description=description, visibility=visibility
    )
    return await get_playlist(conn, actor.user_id, playlist_id)


async def get_playlist(conn: Connection, viewer_id: int, playlist_id: int) -> OrderedPlaylist:
    """Raises NotFound."""
    row = await access.load_playlist(conn, viewer_id, playlist_id)
    heard = await order.select_heard(conn, row.id, viewer_id=viewer_id)
    return OrderedPlaylist(
        **msgspec.structs.asdict(row),
        tracks_count=len(heard),
        duration_ms=sum(track.duration_ms or 0 for track in heard),
        track_ids=[track.track_id for track in heard],
    )


async def update_playlist(
    conn: Connection, actor: Actor, playlist_id: int, change: PlaylistChange
) -> OrderedPlaylist:
    """Raises InvalidData, NotFound, and Forbidden for who does not own it."""
    held = await access.hold_as_owner(conn, actor.user_id, playlist_id)
    checks = FieldChecks()
    title, description, visibility = held.title, held.description, held.visibility
    if change.title is not UNSET:
        title = checks.text("title", change.title, max_length=MAX_TITLE, min_length=1)
    if change.description is not UNSET:
        description = checks.text(
            "description", change.description or "", max_length=MAX_DESCRIPTION
        )
    if change.visibility is not UNSET:
        visibility = checks.one_of("visibility", change.visibility, VISIBILITIES)
    checks.finish()
    await sql.update_playlist(
        conn, held.id, title=title, description=description, visibility=visibility
    )
    return await get_playlist(conn, actor.user_id, held.id)


async def delete_playlist(conn: Connection, actor: Actor, playlist_id: int) -> None:
    """Raises NotFound, and Forbidden for who does not own it."""
    held = await access.hold_as_owner(conn, actor.user_id, playlist_id)
    await sql.delete_playlist(conn, held.id)


async def hold_all(conn: Connection, user_id: int) -> None:
    """Nobody changes a playlist of the user until the transaction ends. Before ``forget_user``, and
    before any track is locked: who changes an order holds the playlist and then the tracks."""
    await sql.lock_playlists_of_user(conn, user_id)


async def forget_user(conn: Connection, user_id: int) -> None:
    """The user's playlists go, and they work on nobody else's any more."""
    await sql.delete_traces_of_user(conn, user_id)


def as_playlist(row: PlaylistRow, tracks_count: int) -> Playlist:
    return Playlist(**msgspec.structs.asdict(row), tracks_count=tracks_count)
