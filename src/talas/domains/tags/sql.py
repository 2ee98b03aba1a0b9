"""Tags, and which tracks carry them, as PostgreSQL keeps them."""

import msgspec

from talas.core.database import Connection, as_rows


class TagUsage(msgspec.Struct, frozen=True):
    """``usage_count`` is how many tracks carry the tag that the asker may find."""

    id: int
    name: str
    usage_count: int


# In the names' order, so that two who need the same new tags do not wait for each other.
INSERT_TAGS = """
INSERT INTO tags (name)
SELECT name
FROM unnest($1::TEXT[]) AS name
ORDER BY name
ON CONFLICT (name) DO NOTHING
"""


async def insert_tags(conn: Connection, names: list[str]) -> None:
    """Those that exist stay as they are."""
    await conn.execute(INSERT_TAGS, names)


DELETE_TRACK_TAGS = """
DELETE FROM track_tags
WHERE track_id = $1
"""


async def delete_track_tags(conn: Connection, track_id: int) -> None:
    await conn.execute(DELETE_TRACK_TAGS, track_id)


INSERT_TRACK_TAGS = """
INSERT INTO track_tags (track_id, tag_id, position)
SELECT $1, g.id, given.position
FROM unnest($2::TEXT[]) WITH ORDINALITY AS given (name, position)
JOIN tags AS g ON g.name = given.name
"""


async def insert_track_tags(conn: Connection, track_id: int, names: list[str]) -> None:
    """In the order given; names that are no tags fall away."""
    await conn.execute(INSERT_TRACK_TAGS, track_id, names)


SELECT_TAGS_BY_USAGE = """
SELECT g.id, g.name, count(*)
FROM tags AS g
JOIN track_tags AS tt ON tt.tag_id = g.id
JOIN tracks AS t ON t.id = tt.track_id
WHERE (t.status = 'ready' AND t.visibility = 'public') OR t.user_id = $1
GROUP BY g.id
ORDER BY count(*) DESC, g.name
LIMIT $2
"""


async def select_tags_by_usage(conn: Connection, *, viewer_id: int, limit: int) -> list[TagUsage]:
    return as_rows(TagUsage, await conn.fetch(SELECT_TAGS_BY_USAGE, viewer_id, limit))
