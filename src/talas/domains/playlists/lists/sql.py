"""Pages of playlists: which ones, each kind along the index that has its order or finds its rows.

A user sees those that are public, and those that they own or work on. The statements' first
arguments are the viewer, the limit and the offset.
"""

from talas.core.database import Connection, has_trigrams
from talas.core.http.pagination import Page, Window
from talas.core.trigrams import may_contain

# S608 below: what is put together are constants of this file.
_RANKS = {"newest": "p.id", "updated": "p.updated_at"}
SORTS = tuple(_RANKS)
_COLLABORATES = """EXISTS (
      SELECT
      FROM playlist_collaborators AS c
      WHERE c.playlist_id = p.id AND c.user_id = $1
    )"""
_VISIBLE = f"(p.visibility = 'public' OR p.user_id = $1 OR {_COLLABORATES})"
_CONTENT = r"p.title || E'\n' || p.description"


def _page(rank: str, direction: str) -> str:
    """Each part stops at the page's end; what is the viewer's own is never much."""
    order = f"""ORDER BY {rank} {direction}, p.id {direction}
  LIMIT $2::BIGINT + $3::BIGINT"""
    return f"""
SELECT id
FROM (
  (
    SELECT p.id, {rank} AS rank
    FROM playlists AS p
    WHERE p.visibility = 'public'
    {order}
  )
  UNION ALL
  (
    SELECT p.id, {rank} AS rank
    FROM playlists AS p
    WHERE p.visibility <> 'public' AND p.user_id = $1
    {order}
  )
  UNION ALL
  (
    SELECT p.id, {rank} AS rank
    FROM playlist_collaborators AS c
    JOIN playlists AS p ON p.id = c.playlist_id
    WHERE c.user_id = $1 AND p.visibility <> 'public'
    {order}
  )
) AS candidates
ORDER BY rank {direction}, id {direction}
LIMIT $2
OFFSET $3
"""  # noqa: S608


PAGES = {sort: _page(rank, "DESC") for sort, rank in _RANKS.items()}
PAGES_FROM_END = {sort: _page(rank, "ASC") for sort, rank in _RANKS.items()}

COUNT_UNSHARED = """
SELECT (
  SELECT count(*)
  FROM playlists AS p
  WHERE p.visibility <> 'public' AND p.user_id = $1
) + (
  SELECT count(*)
  FROM playlist_collaborators AS c
  JOIN playlists AS p ON p.id = c.playlist_id
  WHERE c.user_id = $1 AND p.visibility <> 'public'
)
"""


async def select_page(conn: Connection, window: Window, *, viewer_id: int, sort: str) -> list[int]:
    """The ids of all that the viewer sees. ``sort`` is one of SORTS."""
    statement = (PAGES_FROM_END if window.from_end else PAGES)[sort]
    records = await conn.fetch(statement, viewer_id, window.limit, window.offset)
    ids = [record[0] for record in records]
    return ids[::-1] if window.from_end else ids


async def count_unshared(conn: Connection, user_id: int) -> int:
    """Those that are not public and that the user sees in a list."""
    return int(await conn.fetchval(COUNT_UNSHARED, user_id))


def _found_by_sort(source: str, condition: str) -> dict[str, str]:
    """All that match are looked up before the page is cut, so their number is known too."""
    return {
        sort: f"""
WITH found AS MATERIALIZED (
  SELECT p.id, {rank} AS rank
  FROM {source}
  WHERE {condition}
)
SELECT (SELECT count(*) FROM found), ARRAY(
  SELECT id
  FROM found
  ORDER BY rank DESC, id DESC
  LIMIT $2
  OFFSET $3
)
"""  # noqa: S608
        for sort, rank in _RANKS.items()
    }


_CONTAINS = f"strpos(lower({_CONTENT}), lower($5)) > 0"
_IF_CONTAINS = f"($5::TEXT IS NULL OR {_CONTAINS})"
_MINE = """(
    SELECT id FROM playlists WHERE user_id = $1
    UNION ALL
    SELECT playlist_id FROM playlist_collaborators WHERE user_id = $1
  ) AS mine
  JOIN playlists AS p ON p.id = mine.id"""
FIND_MINE = _found_by_sort(_MINE, f"($4::INT IS NULL OR p.user_id = $4) AND {_IF_CONTAINS}")
FIND_OF_USER = _found_by_sort("playlists AS p", f"p.user_id = $4 AND {_VISIBLE} AND {_IF_CONTAINS}")
_OF_TEXT = f"$4::INT IS NULL AND {_CONTAINS} AND {_VISIBLE}"
FIND_TEXT = _found_by_sort("playlists AS p", f"{_OF_TEXT} AND {may_contain(_CONTENT, '$5')}")
FIND_SHORT_TEXT = _found_by_sort("playlists AS p", _OF_TEXT)


async def find(
    conn: Connection,
    page: Page,
    *,
    viewer_id: int,
    sort: str,
    mine: bool,
    user_id: int | None,
    text: str | None,
) -> tuple[list[int], int]:
    """The page's ids, and how many match. Of ``mine``, ``user_id`` and ``text`` at least one is
    asked for; a text of fewer than three characters alone reads the whole table."""
    if mine:
        statements = FIND_MINE
    elif user_id is not None:
        statements = FIND_OF_USER
    else:
        statements = FIND_TEXT if has_trigrams(text or "") else FIND_SHORT_TEXT
    arguments = (viewer_id, page.limit, page.offset, user_id, text)
    row = await conn.fetchrow(statements[sort], *arguments)
    assert row is not None
    return row[1], row[0]
