"""The ways to a playlist that check who asks. What one may not see is not there."""

from talas.core.database import Connection, is_id
from talas.core.errors import Forbidden, NotFound
from talas.domains.playlists import sql
from talas.domains.playlists.sql import PlaylistRow

OWNER = "owner"


async def load_playlist(conn: Connection, viewer_id: int, playlist_id: int) -> PlaylistRow:
    """One that is not private, or that the viewer owns or works on. Raises NotFound."""
    playlist = None
    if is_id(playlist_id):
        playlist = await sql.select_playlist(conn, playlist_id, viewer_id=viewer_id)
    if playlist is None or (playlist.visibility == "private" and playlist.role is None):
        raise NotFound("Playlist not found")
    return playlist


async def hold_as_owner(conn: Connection, actor_id: int, playlist_id: int) -> PlaylistRow:
    """Locked until the transaction ends. Raises NotFound, or Forbidden for a visible playlist of
    somebody else."""
    playlist = await hold_playlist(conn, actor_id, playlist_id)
    if playlist.role != OWNER:
        raise Forbidden("Only the owner of the playlist may do this")
    return playlist


async def hold_as_editor(conn: Connection, actor_id: int, playlist_id: int) -> PlaylistRow:
    """As ``hold_as_owner``, for collaborators too."""
    playlist = await hold_playlist(conn, actor_id, playlist_id)
    if playlist.role is None:
        raise Forbidden("Only the owner of the playlist and its collaborators may do this")
    return playlist


async def hold_playlist(conn: Connection, viewer_id: int, playlist_id: int) -> PlaylistRow:
    """As ``load_playlist``, locked until the transaction ends."""
    if is_id(playlist_id):
        # By itself: what one statement reads beside the row that it waits for is from before.
        await sql.lock_playlist(conn, playlist_id)
    return await load_playlist(conn, viewer_id, playlist_id)
