"""Which tags a track carries, how much each is used, and how moderators keep them in order."""

from talas.core import counts
from talas.core.database import Connection, is_id
from talas.core.errors import Conflict, FieldError, InvalidData, NotFound
from talas.core.http.pagination import Page
from talas.core.text import FieldChecks
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.tags import sql
from talas.domains.tags.names import MAX_TAG, check_tag, normal_form
from talas.domains.tags.schemas import Tag
from talas.domains.tags.spelling import edit_distance, forgiven_edits

# The spellings that a search compares letter by letter, the most used first.
MAX_COMPARED = 100
# A tag may have many uses to move.
MODERATION_TIMEOUT_MS = 60_000


async def set_tags(conn: Connection, track_id: int, names: list[str]) -> None:
    """These and no others, shown in this order. ``names`` are as ``check_tags`` gives them. The
    track is locked, or nobody else sees it yet."""
    await sql.share_tags(conn)
    await sql.insert_tags(conn, names)
    await sql.lock_counted_tags(conn, track_id, names)
    await sql.delete_other_track_tags(conn, track_id, names)
    await sql.place_track_tags(conn, track_id, names)


async def lock_tags_of_user(conn: Connection, user_id: int) -> None:
    """For who deletes all tracks of a user: those are locked already."""
    await sql.share_tags(conn)
    await sql.lock_tags_of_user(conn, user_id)


async def list_tags(conn: Connection, viewer_id: int, page: Page) -> tuple[list[Tag], int]:
    """By the number of tracks that the viewer may find under each, then by name; and how many
    there are. A tag without any such track is not there."""
    tags = await sql.select_tags_by_usage(
        conn, viewer_id=viewer_id, limit=page.limit, offset=page.offset
    )
    used = await counts.total(conn, "tags", used=True)
    return tags, used + await sql.count_tags_of_own_only(conn, viewer_id)


async def find_tags(conn: Connection, viewer_id: int, text: str, *, limit: int) -> list[Tag]:
    """Those that begin with ``text``, the most used first; then those that are spelt nearly so,
    the nearest first. Of what ``list_tags`` shows; where ``text`` is empty, the most used."""
    name = normal_form(text)
    if not name:
        return await sql.select_tags_by_usage(conn, viewer_id=viewer_id, limit=limit, offset=0)
    found = await sql.select_tags_by_prefix(conn, name, viewer_id=viewer_id, limit=limit)
    edits = forgiven_edits(name)
    if len(found) == limit or not edits or len(name) > MAX_TAG + edits:
        return found
    alike = await sql.select_tags_spelt_like(
        conn, name, edits=edits, viewer_id=viewer_id, limit=MAX_COMPARED
    )
    near = [
        (distance, -tag.usage_count, tag.name, tag)
        for tag in alike
        if (distance := edit_distance(name, tag.name, most=edits)) <= edits
    ]
    return [*found, *(tag for *_, tag in sorted(near))][:limit]


async def rename_tag(conn: Connection, by: Administrator, tag_id: int, name: str) -> Tag:
    """Raises NotFound, InvalidData for what cannot be a tag, Conflict when the name is taken."""
    checks = FieldChecks()
    name = check_tag(checks, "name", name, min_length=1)
    if "," in name:
        checks.fail("name", "name must not contain a comma")
    checks.finish()
    tag = (await _hold_tags(conn, by, tag_id))[tag_id]
    if name != tag.name:
        await _free_name(conn, by, name, for_id=tag_id)
        await sql.update_tag_name(conn, tag_id, name)
        await write_audit(
            conn, by, "tag.update", tag_id, before={"name": tag.name}, after={"name": name}
        )
    return await _shown(conn, by, tag_id)


async def merge_tag(conn: Connection, by: Administrator, tag_id: int, *, into_id: int) -> Tag:
    """The other tag, which every track carries from now on that carried this one. Raises NotFound
    for either, InvalidData for a tag into itself."""
    if tag_id == into_id:
        raise InvalidData.of(FieldError("into", "into must be another tag"))
    tags = await _hold_tags(conn, by, tag_id, into_id)
    tracks = await _move(conn, tag_id, into_id=into_id)
    merged = {"into": into_id, "name": tags[into_id].name, "tracks": tracks}
    before = {"name": tags[tag_id].name}
    await write_audit(conn, by, "tag.merge", tag_id, before=before, after=merged)
    return await _shown(conn, by, into_id)


async def delete_tag(conn: Connection, by: Administrator, tag_id: int) -> None:
    """No track carries it afterwards. Raises NotFound."""
    tag = (await _hold_tags(conn, by, tag_id))[tag_id]
    await _remove(conn, tag_id)
    await write_audit(conn, by, "tag.delete", tag_id, before={"name": tag.name})


async def _hold_tags(conn: Connection, by: Administrator, *tag_ids: int) -> dict[int, Tag]:
    """A tag that only tracks carry which the moderator may not find is not there."""
    tags = {}
    if all(map(is_id, tag_ids)):
        await sql.hold_tags_alone(conn, statement_timeout_ms=MODERATION_TIMEOUT_MS)
        tags = await _visible(conn, by, *tag_ids)
    if len(tags) < len(tag_ids):
        raise NotFound("Tag not found")
    return tags


async def _free_name(conn: Connection, by: Administrator, name: str, *, for_id: int) -> None:
    """A tag of that name that the moderator may not find must not show: its tracks carry the
    other from now on. Raises Conflict for one that the moderator may find."""
    taken_id = await sql.select_tag_id(conn, name)
    if taken_id is None:
        return
    if await _visible(conn, by, taken_id):
        raise Conflict(
            f"There is a tag named {name} already; merge this one into it", code="name_taken"
        )
    await _move(conn, taken_id, into_id=for_id)


async def _move(conn: Connection, tag_id: int, *, into_id: int) -> int:
    """How many tracks carried the one that goes."""
    moved = await sql.move_tag_uses(conn, tag_id, into_id=into_id)
    await sql.advance_tag_uses(conn, tag_id, into_id=into_id)
    return moved + await _remove(conn, tag_id)


async def _remove(conn: Connection, tag_id: int) -> int:
    """How many tracks carried it."""
    track_ids = await sql.delete_tag_uses(conn, tag_id)
    await sql.update_positions(conn, track_ids)
    await sql.delete_tag(conn, tag_id)
    return len(track_ids)


async def _visible(conn: Connection, by: Administrator, *tag_ids: int) -> dict[int, Tag]:
    """Of these the ones that the moderator may find, as ``list_tags`` shows them."""
    return await sql.select_tags_by_ids(conn, [*tag_ids], viewer_id=by.user_id or 0)


async def _shown(conn: Connection, by: Administrator, tag_id: int) -> Tag:
    return (await _visible(conn, by, tag_id))[tag_id]
