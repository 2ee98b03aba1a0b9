"""Likes: each user has one for a track, or none, and a track's count is how many there are."""

from talas.core.database import Connection, is_id
from talas.core.errors import NotFound
from talas.core.http.pagination import Page
from talas.core.sessions import Actor, hold_account
from talas.domains.listening.likes import sql
from talas.domains.listening.likes.schemas import LikedTrack, LikeState
from talas.domains.tracks import access as tracks
from talas.domains.tracks.lists import service as lists
from talas.domains.tracks.service import as_track


async def like(conn: Connection, actor: Actor, track_id: int) -> LikeState:
    """Of a track that the actor may see; what is liked already stays so. Raises NotFound."""
    await hold_account(conn, actor)
    await tracks.load_track(conn, actor.user_id, track_id)
    if not await sql.lock_track(conn, track_id):
        raise NotFound("Track not found")
    await sql.insert_like(conn, user_id=actor.user_id, track_id=track_id)
    return LikeState(track_id, liked=True, likes=await sql.select_likes(conn, track_id))


async def unlike(conn: Connection, actor: Actor, track_id: int) -> LikeState:
    """What is not liked stays so. One may unlike what one may no longer see. Raises NotFound."""
    await hold_account(conn, actor)
    if not is_id(track_id) or not await sql.lock_track(conn, track_id):
        raise NotFound("Track not found")
    was_liked = await sql.delete_like(conn, user_id=actor.user_id, track_id=track_id)
    try:
        likes = (await tracks.load_track(conn, actor.user_id, track_id)).likes
    except NotFound:
        if not was_liked:
            raise
        return LikeState(track_id, liked=False, likes=None)
    return LikeState(track_id, liked=False, likes=likes)


async def list_likes(conn: Connection, actor: Actor, page: Page) -> tuple[list[LikedTrack], int]:
    """Newest like first, and how many there are of tracks that the actor may see.

    ``conn`` reads one snapshot."""
    user_id = actor.user_id
    rows = await sql.select_page(conn, user_id, limit=page.limit, offset=page.offset)
    total = await sql.count_seen(conn, user_id)
    found = await lists.list_seen_by_ids(conn, user_id, [row.track_id for row in rows])
    by_id = {track.id: as_track(track) for track in found}
    return [LikedTrack(row.liked_at, by_id[row.track_id]) for row in rows], total
