"""Tags, and which tracks carry them, as PostgreSQL keeps them.

``tags.usage_count`` counts the tracks that everybody may find; triggers keep it (migration 0008).
Locks are taken in this order: a track, all tags together (``share_tags``, ``hold_tags_alone``,
``try_to_hold_tags_alone``), single tags in the order of their ids, the uses of them.
"""

from talas.core.database import Connection, as_rows
from talas.domains.tags.schemas import Tag

SHARE_TAGS = """
SELECT share_tags()
"""


async def share_tags(conn: Connection) -> None:
    """Until the transaction ends no tag is merged, renamed or deleted."""
    await conn.execute(SHARE_TAGS)


HOLD_TAGS_ALONE = """
SELECT hold_tags_alone(), set_config('statement_timeout', $1, true)
"""


async def hold_tags_alone(conn: Connection, *, statement_timeout_ms: int) -> None:
    """Until the transaction ends nobody else changes a tag or a use of one; its statements may
    take longer than others."""
    await conn.execute(HOLD_TAGS_ALONE, str(statement_timeout_ms))


TRY_TO_HOLD_TAGS_ALONE = """
SELECT try_to_hold_tags_alone()
"""


async def try_to_hold_tags_alone(conn: Connection) -> bool:
    """As ``hold_tags_alone``, without waiting: False when somebody has or shares the lock."""
    held: bool = await conn.fetchval(TRY_TO_HOLD_TAGS_ALONE)
    return held


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


LOCK_COUNTED_TAGS = """
SELECT
FROM tags
WHERE EXISTS (
    SELECT
    FROM tracks
    WHERE id = $1 AND status = 'ready' AND visibility = 'public'
  )
  AND (name = ANY($2::TEXT[]) OR id IN (SELECT tag_id FROM track_tags WHERE track_id = $1))
ORDER BY id
FOR NO KEY UPDATE
"""


async def lock_counted_tags(conn: Connection, track_id: int, names: list[str]) -> None:
    """Those of the track and those named, where the track's uses count."""
    await conn.execute(LOCK_COUNTED_TAGS, track_id, names)


LOCK_TAGS_OF_USER = """
SELECT
FROM tags
WHERE id IN (
  SELECT tt.tag_id
  FROM tracks AS t
  JOIN track_tags AS tt ON tt.track_id = t.id
  WHERE t.user_id = $1 AND tt.counted
)
ORDER BY id
FOR NO KEY UPDATE
"""


async def lock_tags_of_user(conn: Connection, user_id: int) -> None:
    """Those whose counts change when the user's tracks go."""
    await conn.execute(LOCK_TAGS_OF_USER, user_id)


DELETE_OTHER_TRACK_TAGS = """
DELETE FROM track_tags
WHERE track_id = $1 AND tag_id <> ALL(ARRAY(SELECT id FROM tags WHERE name = ANY($2::TEXT[])))
"""


async def delete_other_track_tags(conn: Connection, track_id: int, names: list[str]) -> None:
    """All but those named."""
    await conn.execute(DELETE_OTHER_TRACK_TAGS, track_id, names)


PLACE_TRACK_TAGS = """
INSERT INTO track_tags (track_id, tag_id, position)
SELECT $1, g.id, given.position
FROM unnest($2::TEXT[]) WITH ORDINALITY AS given (name, position)
JOIN tags AS g ON g.name = given.name
ON CONFLICT (track_id, tag_id) DO UPDATE SET position = excluded.position
"""


async def place_track_tags(conn: Connection, track_id: int, names: list[str]) -> None:
    """In the order given; names that are no tags fall away."""
    await conn.execute(PLACE_TRACK_TAGS, track_id, names)


# What nobody but the asker may find: theirs to count, and few.
_OWN = """own AS (
  SELECT tt.tag_id, count(*) AS uses
  FROM tracks AS t
  JOIN track_tags AS tt ON tt.track_id = t.id
  WHERE t.user_id = $1 AND NOT (t.status = 'ready' AND t.visibility = 'public')
  GROUP BY tt.tag_id
)"""

# S608 below: what is put together are constants of this file.
SELECT_TAGS_BY_USAGE = f"""
WITH {_OWN}, page AS (
  (
    SELECT g.id, g.name, g.usage_count AS uses
    FROM tags AS g
    WHERE g.usage_count > 0 AND g.id <> ALL(ARRAY(SELECT tag_id FROM own))
    ORDER BY g.usage_count DESC, g.name
    LIMIT $2::BIGINT + $3::BIGINT
  )
  UNION ALL
  (
    SELECT g.id, g.name, g.usage_count + own.uses
    FROM own
    JOIN tags AS g ON g.id = own.tag_id
  )
)
SELECT id, name, uses
FROM page
ORDER BY uses DESC, name
LIMIT $2 OFFSET $3
"""  # noqa: S608


async def select_tags_by_usage(
    conn: Connection, *, viewer_id: int, limit: int, offset: int
) -> list[Tag]:
    return as_rows(Tag, await conn.fetch(SELECT_TAGS_BY_USAGE, viewer_id, limit, offset))


COUNT_TAGS_OF_OWN_ONLY = f"""
WITH {_OWN}
SELECT count(*)
FROM own
JOIN tags AS g ON g.id = own.tag_id
WHERE g.usage_count = 0
"""  # noqa: S608


async def count_tags_of_own_only(conn: Connection, viewer_id: int) -> int:
    """The tags that nobody else may find a track under."""
    count: int = await conn.fetchval(COUNT_TAGS_OF_OWN_ONLY, viewer_id)
    return count


# The first half walks along an index that begins with the first letter, up to the limit.
SELECT_TAGS_BY_PREFIX = f"""
WITH {_OWN}, found AS (
  (
    SELECT g.id, g.name, g.usage_count AS uses
    FROM tags AS g
    WHERE g.usage_count > 0
      AND left(g.name, 1) = left($2::TEXT, 1)
      AND starts_with(g.name, $2::TEXT)
      AND g.id <> ALL(ARRAY(SELECT tag_id FROM own))
    ORDER BY g.usage_count DESC, g.name
    LIMIT $3
  )
  UNION ALL
  (
    SELECT g.id, g.name, g.usage_count
    FROM tags AS g
    WHERE g.name = $2::TEXT AND g.usage_count > 0 AND g.id <> ALL(ARRAY(SELECT tag_id FROM own))
  )
  UNION ALL
  (
    SELECT g.id, g.name, g.usage_count + own.uses
    FROM own
    JOIN tags AS g ON g.id = own.tag_id
    WHERE starts_with(g.name, $2::TEXT)
  )
)
SELECT DISTINCT ON (name = $2::TEXT, uses, name) id, name, uses
FROM found
ORDER BY name = $2::TEXT DESC, uses DESC, name
LIMIT $3
"""  # noqa: S608


async def select_tags_by_prefix(
    conn: Connection, prefix: str, *, viewer_id: int, limit: int
) -> list[Tag]:
    """The tag of that very name first, the others by usage."""
    return as_rows(Tag, await conn.fetch(SELECT_TAGS_BY_PREFIX, viewer_id, prefix, limit))


# An array, which cannot become a join with all tags.
SELECT_TAGS_SPELT_LIKE = f"""
WITH {_OWN}
SELECT g.id, g.name, g.usage_count + coalesce(own.uses, 0)
FROM tags AS g
LEFT JOIN own ON own.tag_id = g.id
WHERE g.id = ANY(ARRAY(SELECT tag_id FROM tag_spellings WHERE keys && spelling_keys($2::TEXT)))
  AND abs(char_length(g.name) - char_length($2::TEXT)) <= $3
  AND NOT starts_with(g.name, $2::TEXT)
  AND (g.usage_count > 0 OR own.uses > 0)
ORDER BY 3 DESC, g.name
LIMIT $4
"""  # noqa: S608


async def select_tags_spelt_like(
    conn: Connection, name: str, *, edits: int, viewer_id: int, limit: int
) -> list[Tag]:
    """Those that are at most ``edits`` (one or two) from the name and do not begin with it, and
    some that are not so near, the most used first."""
    return as_rows(Tag, await conn.fetch(SELECT_TAGS_SPELT_LIKE, viewer_id, name, edits, limit))


SELECT_TAGS_BY_IDS = f"""
WITH {_OWN}
SELECT g.id, g.name, g.usage_count + coalesce(own.uses, 0)
FROM tags AS g
LEFT JOIN own ON own.tag_id = g.id
WHERE g.id = ANY($2::INT[]) AND (g.usage_count > 0 OR own.uses > 0)
"""  # noqa: S608


async def select_tags_by_ids(
    conn: Connection, tag_ids: list[int], *, viewer_id: int
) -> dict[int, Tag]:
    """Those that the viewer may find."""
    tags = as_rows(Tag, await conn.fetch(SELECT_TAGS_BY_IDS, viewer_id, tag_ids))
    return {tag.id: tag for tag in tags}


SELECT_TAG_ID = """
SELECT id
FROM tags
WHERE name = $1
"""


async def select_tag_id(conn: Connection, name: str) -> int | None:
    tag_id: int | None = await conn.fetchval(SELECT_TAG_ID, name)
    return tag_id


UPDATE_TAG_NAME = """
UPDATE tags
SET name = $2
WHERE id = $1
"""


async def update_tag_name(conn: Connection, tag_id: int, name: str) -> None:
    await conn.execute(UPDATE_TAG_NAME, tag_id, name)


DELETE_TAG_USES = """
DELETE FROM track_tags
WHERE tag_id = $1
RETURNING track_id
"""


async def delete_tag_uses(conn: Connection, tag_id: int) -> list[int]:
    """The tracks that carried it."""
    return [record[0] for record in await conn.fetch(DELETE_TAG_USES, tag_id)]


ADVANCE_TAG_USES = """
UPDATE track_tags AS kept
SET position = merged.position
FROM track_tags AS merged
WHERE kept.tag_id = $2
  AND merged.tag_id = $1
  AND merged.track_id = kept.track_id
  AND merged.position < kept.position
"""


async def advance_tag_uses(conn: Connection, tag_id: int, *, into_id: int) -> None:
    """Where a track carries both, the one that stays takes the place that comes first."""
    await conn.execute(ADVANCE_TAG_USES, tag_id, into_id)


MOVE_TAG_USES = """
UPDATE track_tags AS moved
SET tag_id = $2
WHERE moved.tag_id = $1
  AND NOT EXISTS (
    SELECT FROM track_tags AS kept WHERE kept.tag_id = $2 AND kept.track_id = moved.track_id
  )
RETURNING true
"""


async def move_tag_uses(conn: Connection, tag_id: int, *, into_id: int) -> int:
    """Of the tracks that do not carry the other yet; how many that were."""
    return len(await conn.fetch(MOVE_TAG_USES, tag_id, into_id))


UPDATE_POSITIONS = """
UPDATE track_tags AS tt
SET position = dense.position
FROM (
  SELECT track_id, tag_id, row_number() OVER (PARTITION BY track_id ORDER BY position) AS position
  FROM track_tags
  WHERE track_id = ANY($1::INT[])
) AS dense
WHERE tt.track_id = dense.track_id
  AND tt.tag_id = dense.tag_id
  AND tt.position <> dense.position
"""


async def update_positions(conn: Connection, track_ids: list[int]) -> None:
    """From 1 without a gap, in the order that they have."""
    await conn.execute(UPDATE_POSITIONS, track_ids)


DELETE_TAG = """
DELETE FROM tags
WHERE id = $1
"""


async def delete_tag(conn: Connection, tag_id: int) -> None:
    await conn.execute(DELETE_TAG, tag_id)


SELECT_UNUSED_TAGS = """
SELECT id
FROM tags AS g
WHERE usage_count = 0
  AND id > $1
  AND NOT EXISTS (SELECT FROM track_tags WHERE tag_id = g.id)
ORDER BY id
LIMIT $2
"""


async def select_unused_tags(conn: Connection, *, after: int, limit: int) -> list[int]:
    """In the order of their ids, from the first that is more than ``after``."""
    return [record[0] for record in await conn.fetch(SELECT_UNUSED_TAGS, after, limit)]


DELETE_UNUSED_TAGS = """
DELETE FROM tags AS g
WHERE id = ANY($1::INT[]) AND NOT EXISTS (SELECT FROM track_tags WHERE tag_id = g.id)
"""


async def delete_unused_tags(conn: Connection, tag_ids: list[int]) -> None:
    """Those that no track carries; all tags are held."""
    await conn.execute(DELETE_UNUSED_TAGS, tag_ids)
