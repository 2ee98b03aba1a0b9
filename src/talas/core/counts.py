"""How many rows a table has, exactly, at a cost that does not grow with the table.

The triggers of migration 0006 append what every statement adds and removes; a count is the sum so
far plus those changes, read in one statement, so it is what ``count(*)`` would say in the same
snapshot. A migration makes a table countable with ``SELECT keep_count('table', 'column', ...)``.
"""

import msgspec

from talas.core.database import Connection

MAX_UNFOLDED = 2_000
FOLDED_AT_ONCE = 100_000
# Any number that nobody else locks.
_FOLD_LOCK = 0x636F756E

SELECT_TOTAL = """
SELECT coalesce(sum(known.rows), 0)::BIGINT, sum(known.unfolded)::BIGINT
FROM (
  SELECT total, 0
  FROM counts
  WHERE relation = $1 AND key @> $2::JSONB
  UNION ALL
  SELECT change, 1
  FROM count_changes
  WHERE relation = $1 AND key @> $2::JSONB
) AS known (rows, unfolded)
"""

SELECT_TOTALS = """
SELECT coalesce((
  SELECT sum(known.rows)
  FROM (
    SELECT total
    FROM counts
    WHERE relation = $1 AND key = jsonb_build_object($2::TEXT, asked.value) || $4::JSONB
    UNION ALL
    SELECT change
    FROM count_changes
    WHERE relation = $1 AND key = jsonb_build_object($2::TEXT, asked.value) || $4::JSONB
  ) AS known (rows)
), 0)::BIGINT
FROM unnest($3::INT[]) WITH ORDINALITY AS asked (value, place)
ORDER BY asked.place
"""

# Of two at once the second would wait for rows that are gone by then.
FOLD_CHANGES = """
WITH folded AS (
  DELETE FROM count_changes
  WHERE ctid = ANY(ARRAY(
    SELECT ctid
    FROM count_changes
    WHERE (SELECT pg_try_advisory_xact_lock($1))
    LIMIT $2
  ))
  RETURNING relation, key, change
), sums AS (
  INSERT INTO counts AS c (relation, key, total)
  SELECT relation, key, sum(change)
  FROM folded
  GROUP BY relation, key
  ON CONFLICT (relation, key) DO UPDATE SET total = c.total + excluded.total
)
SELECT count(*) FROM folded
"""


async def total(conn: Connection, relation: str, **key: str | int | bool | None) -> int:
    """The rows of a counted table whose key columns have these values: all rows without any.

    ``total(conn, "users", status="active")``; which columns a table is counted by stands in the
    migrations. None asks for NULL. A table that is not counted, like a value that no row has,
    gives 0.
    """
    row = await conn.fetchrow(SELECT_TOTAL, relation, msgspec.json.encode(key).decode())
    assert row is not None
    counted, unfolded = row
    if unfolded and unfolded > MAX_UNFOLDED:
        await fold(conn)
    return int(counted)


async def totals(
    conn: Connection, relation: str, column: str, values: list[int], **key: str | int | bool | None
) -> list[int]:
    """The rows of a counted table for each of the values of a column; ``key`` gives all other
    columns that the table is counted by.

    Each is looked up by itself, so the table may have a million values.
    """
    others = msgspec.json.encode(key).decode()
    records = await conn.fetch(SELECT_TOTALS, relation, column, values, others)
    return [record[0] for record in records]


async def fold(conn: Connection) -> None:
    """Brings the changes into the sums. Counts stay exact whenever it is broken off."""
    while await conn.fetchval(FOLD_CHANGES, _FOLD_LOCK, FOLDED_AT_ONCE) == FOLDED_AT_ONCE:
        pass
