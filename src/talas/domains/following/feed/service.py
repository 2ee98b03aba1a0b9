"""The feed: the tracks of those whom one follows, published last first."""

from talas.core.database import Connection
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.domains.following.feed import sql
from talas.domains.following.schemas import FeedItem
from talas.domains.tracks.lists import service as lists
from talas.domains.tracks.service import as_track


async def list_feed(conn: Connection, actor: Actor, page: Page) -> tuple[list[FeedItem], int]:
    """The page, and how many tracks everybody may hear of those whom the actor follows.

    ``conn`` reads one snapshot."""
    user_id = actor.user_id
    total = await sql.count_published(conn, user_id)
    if page.offset >= total:
        return [], total
    rows = await sql.select_page(conn, user_id, limit=page.limit, offset=page.offset)
    found = await lists.list_by_ids(conn, user_id, [row.track_id for row in rows])
    by_id = {track.id: as_track(track) for track in found}
    return [FeedItem(row.published_at, by_id[row.track_id]) for row in rows], total
