"""Who says what about a track, and who takes it away again."""

from talas.core import counts
from talas.core.database import Connection, is_id
from talas.core.errors import Forbidden, NotFound
from talas.core.http.pagination import Page
from talas.core.permissions import Permission, holds
from talas.core.sessions import Actor, hold_account
from talas.core.text import FieldChecks
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.chat.blocks import service as blocks
from talas.domains.listening.comments import sql
from talas.domains.listening.comments.schemas import Comment, NewComment
from talas.domains.tracks import access as tracks

SORTS = sql.SORTS
MAX_CONTENT = 2_000


async def list_comments(
    conn: Connection, actor: Actor, track_id: int, page: Page, *, sort: str
) -> tuple[list[Comment], int]:
    """Of a track that the actor may see, and how many there are. Raises NotFound.

    Comments of suspended accounts stay, as their messages do."""
    await tracks.load_track(conn, actor.user_id, track_id)
    total = await counts.total(conn, "track_comments", track_id=track_id)
    rows = await sql.select_page(conn, page.window(total), track_id=track_id, sort=sort)
    return [Comment.of(row) for row in rows], total


async def create_comment(conn: Connection, actor: Actor, track_id: int, new: NewComment) -> Comment:
    """On a track that the actor may see. Raises InvalidData, and NotFound also for a track of
    somebody who has blocked the actor, who is not told why."""
    checks = FieldChecks()
    content = checks.text("content", new.content, max_length=MAX_CONTENT, min_length=1)
    checks.finish()
    await hold_account(conn, actor)
    track = await tracks.load_track(conn, actor.user_id, track_id)
    if await blocks.is_blocked_by(conn, actor, track.user_id):
        raise NotFound("Track not found")
    at_ms = _checked_place(new.at, track.duration_ms)
    row = await sql.insert_comment(
        conn, track_id=track.id, user_id=actor.user_id, at_ms=at_ms, content=content
    )
    if row is None:
        raise NotFound("Track not found")
    return Comment.of(row)


def _checked_place(at: float | None, duration_ms: int | None) -> int | None:
    """``at`` in milliseconds; raises InvalidData past the end."""
    if at is None:
        return None
    checks = FieldChecks()
    if duration_ms is None:
        checks.fail("at", "at must be left out until the track is ready")
    elif at * 1000 > duration_ms + 0.5:
        checks.fail("at", f"at must be at most {duration_ms / 1000:g}, the track's end in seconds")
    checks.finish()
    return round(at * 1000)


async def delete_comment(
    conn: Connection, actor: Actor, track_id: int, comment_id: int, *, address: str
) -> None:
    """Its author may, whose track it is, and moderators. Raises NotFound, Forbidden.

    ``address`` is where the request came from, for the audit log: what moderators delete is
    written there."""
    held = None
    if is_id(comment_id) and is_id(track_id):
        held = await sql.select_held(conn, comment_id, track_id=track_id)
    if held is not None and actor.user_id in (held.author_id, held.owner_id):
        await sql.delete_comment(conn, comment_id)
        return
    if not holds(actor.role, Permission.MODERATE_MESSAGES):
        await tracks.load_track(conn, actor.user_id, track_id)
        if held is not None:
            raise Forbidden("Only who wrote it and whose track it is may delete a comment")
    if held is None:
        raise NotFound("Comment not found")
    by = Administrator.of(actor, address=address)
    before = {"author": held.author_id, "track": track_id, "content": held.content}
    await write_audit(conn, by, "comment.delete", comment_id, before=before)
    await sql.delete_comment(conn, comment_id)


async def forget_user(conn: Connection, user_id: int) -> None:
    """All that the user has written about tracks."""
    await sql.delete_comments_of_user(conn, user_id)
