"""Lists of playlists: which way to a page costs least."""

from talas.core import counts
from talas.core.database import Connection
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.domains.playlists import sql as playlists
from talas.domains.playlists.lists import sql
from talas.domains.playlists.schemas import Playlist, PlaylistFilter
from talas.domains.playlists.service import as_playlist

SORTS = sql.SORTS


async def list_playlists(
    conn: Connection, actor: Actor, wanted: PlaylistFilter, page: Page
) -> tuple[list[Playlist], int]:
    """The page and the exact number of all that match."""
    viewer_id = actor.user_id
    if wanted.mine or wanted.user_id is not None or wanted.text is not None:
        ids, total = await sql.find(
            conn,
            page,
            viewer_id=viewer_id,
            sort=wanted.sort,
            mine=wanted.mine,
            user_id=wanted.user_id,
            text=wanted.text,
        )
    else:
        total = await counts.total(conn, "playlists", visibility="public")
        total += await sql.count_unshared(conn, viewer_id)
        window = page.window(total)
        ids = await sql.select_page(conn, window, viewer_id=viewer_id, sort=wanted.sort)
    rows = await playlists.select_playlists(conn, ids, viewer_id=viewer_id)
    heard = await playlists.count_heard(conn, ids, viewer_id=viewer_id)
    return [as_playlist(row, heard.get(row.id, 0)) for row in rows], total
