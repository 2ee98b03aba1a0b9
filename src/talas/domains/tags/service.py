"""What a tag may be called, which tags a track carries, and how much each is used."""

from talas.core.database import Connection
from talas.core.text import FieldChecks
from talas.domains.tags import sql
from talas.domains.tags.sql import TagUsage

MAX_TAGS = 20
MAX_TAG = 50


def normal_form(tag: str) -> str:
    """What two spellings have in common that name the same tag, once they are trimmed."""
    return tag.lower()


def check_tags(checks: FieldChecks, tags: list[str]) -> list[str]:
    """In their normal form, each once, in the order given; empty ones fall away."""
    names: list[str] = []
    for tag in tags:
        # Before the length is checked: lower case may be longer.
        name = checks.text("tags", normal_form(tag), max_length=MAX_TAG)
        if name and name not in names:
            names.append(name)
    if len(names) > MAX_TAGS:
        checks.fail("tags", f"tags must be at most {MAX_TAGS}")
    return names


async def set_tags(conn: Connection, track_id: int, names: list[str]) -> None:
    """These and no others, shown in this order. ``names`` are as ``check_tags`` gives them."""
    await sql.delete_track_tags(conn, track_id)
    if names:
        await sql.insert_tags(conn, names)
        await sql.insert_track_tags(conn, track_id, names)


async def list_most_used(conn: Connection, viewer_id: int, *, limit: int) -> list[TagUsage]:
    """By the number of tracks that the viewer may find under each, then by name."""
    return await sql.select_tags_by_usage(conn, viewer_id=viewer_id, limit=limit)
