"""Moderators hide tracks, and give them back to their owners."""

from talas.core.database import Connection, is_id
from talas.core.errors import Forbidden, NotFound
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.tracks.moderation import sql


async def set_hidden(conn: Connection, by: Administrator, track_id: int, *, hidden: bool) -> None:
    """A hidden track is private, and its owner cannot change that; given back, it is private until
    its owner says otherwise. Raises NotFound for one that moderators do not see."""
    before = await sql.lock_exposure(conn, track_id) if is_id(track_id) else None
    if before is None or (before.visibility == "private" and not before.hidden):
        raise NotFound("Track not found")
    if hidden == before.hidden:
        return
    await sql.update_hidden(conn, track_id, hidden=hidden)
    await write_audit(
        conn,
        by,
        "track.hide" if hidden else "track.show",
        track_id,
        before={"hidden": before.hidden, "visibility": before.visibility},
        after={"hidden": hidden, "visibility": "private"},
    )


async def check_may_publish(conn: Connection, track_id: int) -> None:
    """Raises Forbidden where a moderator has hidden the track."""
    if await sql.select_hidden(conn, track_id):
        raise Forbidden("A moderator has hidden this track", code="track_hidden")
