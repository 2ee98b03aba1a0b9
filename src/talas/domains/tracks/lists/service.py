"""Lists of tracks: which way to a page costs least."""

from talas.core import counts
from talas.core.database import Connection
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.domains.tracks.lists import sql
from talas.domains.tracks.schemas import TrackFilter
from talas.domains.tracks.sql import TrackRow

SORTS = sql.SORTS
COMMON_TAG = 5_000
"""Tracks of a tag from which on it is cheaper to try all tracks in their order."""

Listed = tuple[list[TrackRow], int]


async def list_tracks(conn: Connection, actor: Actor, wanted: TrackFilter, page: Page) -> Listed:
    """The page and the exact number of all that match."""
    viewer_id = actor.user_id
    if wanted.text is not None:
        return await _of_text(conn, viewer_id, wanted.text, wanted, page)
    if wanted.user_id is not None:
        return await _of_user(conn, viewer_id, wanted.user_id, wanted, page)
    if wanted.tag is not None:
        return await _of_tag(conn, viewer_id, wanted.tag, wanted, page)
    total = await counts.total(conn, "tracks", visibility="public", status="ready")
    total += await sql.count_unshared(conn, viewer_id)
    window = page.window(total)
    return await sql.select_page(conn, window, viewer_id=viewer_id, sort=wanted.sort), total


async def list_by_ids(conn: Connection, viewer_id: int, track_ids: list[int]) -> list[TrackRow]:
    """Those of them that the viewer sees in lists, in any order."""
    return await sql.select_tracks_by_ids(conn, track_ids, viewer_id=viewer_id)


async def list_seen_by_ids(
    conn: Connection, viewer_id: int, track_ids: list[int]
) -> list[TrackRow]:
    """Those of them that the viewer may see, unlisted ones too, in any order."""
    return await sql.select_seen_by_ids(conn, track_ids, viewer_id=viewer_id)


async def _of_text(
    conn: Connection, viewer_id: int, text: str, wanted: TrackFilter, page: Page
) -> Listed:
    user_id, tag = wanted.user_id, wanted.tag
    rows, total = await sql.select_page_of_text(
        conn, page, viewer_id=viewer_id, sort=wanted.sort, text=text, user_id=user_id, tag=tag
    )
    if total is None and page.offset:
        total = await sql.count_of_text(
            conn, viewer_id=viewer_id, text=text, user_id=user_id, tag=tag
        )
    return rows, total or 0


async def _of_user(
    conn: Connection, viewer_id: int, user_id: int, wanted: TrackFilter, page: Page
) -> Listed:
    rows = await sql.select_page_of_user(
        conn, page, viewer_id=viewer_id, sort=wanted.sort, user_id=user_id, tag=wanted.tag
    )
    if _is_all(rows, page):
        return rows, len(rows)
    total = await sql.count_of_user(conn, viewer_id=viewer_id, user_id=user_id, tag=wanted.tag)
    return rows, total


async def _of_tag(
    conn: Connection, viewer_id: int, tag: str, wanted: TrackFilter, page: Page
) -> Listed:
    total = await sql.count_of_tag(conn, viewer_id=viewer_id, tag=tag)
    rows = await sql.select_page_of_tag(
        conn, page, viewer_id=viewer_id, sort=wanted.sort, tag=tag, common=total > COMMON_TAG
    )
    return rows, total


def _is_all(rows: list[TrackRow], page: Page) -> bool:
    return page.offset == 0 and len(rows) < page.limit
