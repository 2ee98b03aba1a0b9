"""Collaborators change which tracks are in a playlist and their order, and nothing else of it."""

from talas.core.database import Connection, is_id
from talas.core.errors import Conflict, Forbidden, InvalidData, NotFound
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.domains.playlists import access
from talas.domains.playlists.access import OWNER
from talas.domains.playlists.collaborators import sql
from talas.domains.playlists.collaborators.sql import Collaborator

MAX_COLLABORATORS = 100


async def list_collaborators(
    conn: Connection, actor: Actor, playlist_id: int, page: Page
) -> tuple[list[Collaborator], int]:
    """In the order in which they came, and how many they are: for who sees the playlist. Raises
    NotFound."""
    playlist = await access.load_playlist(conn, actor.user_id, playlist_id)
    rows = await sql.select_collaborators(conn, playlist.id, limit=page.limit, offset=page.offset)
    return rows, await sql.count_collaborators(conn, playlist.id)


async def add_collaborator(
    conn: Connection, actor: Actor, playlist_id: int, user_id: int
) -> Collaborator:
    """Who is one already stays one. Raises NotFound, also for who has blocked the owner or is not
    active; Forbidden for who does not own the playlist; InvalidData for oneself; Conflict for one
    too many."""
    # Accounts are locked before playlists, as when an account is closed.
    is_addable = is_id(user_id) and await sql.hold_addable(conn, user_id, by_id=actor.user_id)
    held = await access.hold_as_owner(conn, actor.user_id, playlist_id)
    if user_id == actor.user_id:
        raise InvalidData("The owner of a playlist is no collaborator")
    if not is_addable:
        raise NotFound("User not found")
    known = await sql.select_collaborator(conn, held.id, user_id)
    if known is None and await sql.count_all(conn, held.id) >= MAX_COLLABORATORS:
        raise Conflict(
            f"A playlist has at most {MAX_COLLABORATORS} collaborators",
            code="too_many_collaborators",
        )
    await sql.insert_collaborator(conn, held.id, user_id)
    added = await sql.select_collaborator(conn, held.id, user_id)
    assert added is not None
    return added


async def remove_collaborator(
    conn: Connection, actor: Actor, playlist_id: int, user_id: int
) -> None:
    """The owner removes anyone; a collaborator leaves. Raises NotFound and Forbidden."""
    held = await access.hold_playlist(conn, actor.user_id, playlist_id)
    if held.role != OWNER and user_id != actor.user_id:
        raise Forbidden("Only the owner of the playlist may remove others")
    if not is_id(user_id) or not await sql.delete_collaborator(conn, held.id, user_id):
        raise NotFound("Collaborator not found")
