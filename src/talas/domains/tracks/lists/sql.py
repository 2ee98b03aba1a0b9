"""Pages of tracks, each kind along the index that has its order or finds its rows.

A user sees the tracks that are shared with all (ready and public) and those of their own. The
statements' first arguments are the viewer, the limit and the offset.
"""

from talas.core.database import Connection, as_rows, has_trigrams
from talas.core.http.pagination import Page, Window
from talas.core.trigrams import may_contain
from talas.domains.tracks import visibility
from talas.domains.tracks.sql import TrackRow

# S608 below: what is put together are constants of this file.
_RANKS = {"newest": "t.id", "plays": "t.plays", "likes": "t.likes"}
SORTS = tuple(_RANKS)
_SHARED = visibility.SHARED
# A CASE, lest the planner gathers all shared tracks from their indexes to join them with the few
# that match.
_VISIBLE = f"CASE WHEN {_SHARED} THEN true ELSE t.user_id = $1 END"


def _page(candidates: str, *, found: str = "", total: str = "", direction: str = "DESC") -> str:
    """``candidates`` gives ``id`` and ``rank``; ``found`` names what it selects from."""
    return f"""
WITH {found}page AS (
  {candidates}
  ORDER BY rank {direction}, id {direction}
  LIMIT $2
  OFFSET $3
)
SELECT {TrackRow.COLUMNS}{total}
FROM page
JOIN tracks AS t ON t.id = page.id
ORDER BY page.rank DESC, t.id DESC
"""  # noqa: S608


def _halves(rank: str, shared: str, own: str, *, direction: str = "DESC") -> str:
    """Both halves stop at the page's end, each along an index that has its order."""
    order = f"""ORDER BY {rank} {direction}, t.id {direction}
    LIMIT $2::BIGINT + $3::BIGINT"""
    return f"""(
    SELECT t.id, {rank} AS rank
    FROM tracks AS t
    WHERE {_SHARED} AND {shared}
    {order}
  )
  UNION ALL
  (
    SELECT t.id, {rank} AS rank
    FROM tracks AS t
    WHERE NOT {_SHARED} AND t.user_id = $1 AND {own}
    {order}
  )"""  # noqa: S608


def _page_of_found(rank: str, *sources: str, with_total: bool = False) -> str:
    """All rows of the sources are looked up before the page is cut; ``with_total`` adds how many
    they are as a last column."""
    parts = (f"SELECT t.id, {rank} AS rank FROM {source}" for source in sources)  # noqa: S608
    found = f"found AS MATERIALIZED (\n  {' UNION ALL '.join(parts)}\n), "
    total = ", (SELECT count(*) FROM found)" if with_total else ""
    return _page("SELECT id, rank FROM found", found=found, total=total)


PAGES = {sort: _page(_halves(rank, "true", "true")) for sort, rank in _RANKS.items()}
PAGES_FROM_END = {
    sort: _page(_halves(rank, "true", "true", direction="ASC"), direction="ASC")
    for sort, rank in _RANKS.items()
}

COUNT_UNSHARED = f"""
SELECT count(*)
FROM tracks AS t
WHERE NOT {_SHARED} AND t.user_id = $1
"""  # noqa: S608


async def select_page(
    conn: Connection, window: Window, *, viewer_id: int, sort: str
) -> list[TrackRow]:
    """Of all that the viewer sees. ``sort`` is one of SORTS."""
    statement = (PAGES_FROM_END if window.from_end else PAGES)[sort]
    return as_rows(TrackRow, await conn.fetch(statement, viewer_id, window.limit, window.offset))


async def count_unshared(conn: Connection, user_id: int) -> int:
    """Those that only their uploader sees in a list."""
    count: int = await conn.fetchval(COUNT_UNSHARED, user_id)
    return count


SELECT_TRACKS_BY_IDS = f"""
SELECT {TrackRow.COLUMNS}
FROM tracks AS t
WHERE t.id = ANY($2::INT[]) AND ({_SHARED} OR t.user_id = $1)
"""  # noqa: S608


async def select_tracks_by_ids(
    conn: Connection, track_ids: list[int], *, viewer_id: int
) -> list[TrackRow]:
    return as_rows(TrackRow, await conn.fetch(SELECT_TRACKS_BY_IDS, viewer_id, track_ids))


SELECT_SEEN_BY_IDS = f"""
SELECT {TrackRow.COLUMNS}
FROM tracks AS t
WHERE t.id = ANY($2::INT[])
  AND {visibility.SEEN}
"""  # noqa: S608


async def select_seen_by_ids(
    conn: Connection, track_ids: list[int], *, viewer_id: int
) -> list[TrackRow]:
    return as_rows(TrackRow, await conn.fetch(SELECT_SEEN_BY_IDS, viewer_id, track_ids))


def _has_tag(argument: str) -> str:
    """A subquery that cannot become a join: it is one look into an index for each row."""
    return f"""(
      SELECT true
      FROM track_tags AS tt
      WHERE tt.track_id = t.id AND tt.tag_id = (SELECT id FROM tags WHERE name = {argument})
    )"""  # noqa: S608


_OF_USER = f"t.user_id = $4 AND ($5::TEXT IS NULL OR {_has_tag('$5')})"
# By rank all of a user's tracks are looked up: along the ranks of all tracks they may be far apart.
PAGES_OF_USER = {
    sort: _page(_halves(rank, _OF_USER, _OF_USER))
    if sort == "newest"
    else _page_of_found(
        rank,
        f"tracks AS t\n  WHERE {_SHARED} AND {_OF_USER}",
        f"tracks AS t\n  WHERE NOT {_SHARED} AND t.user_id = $1 AND {_OF_USER}",
    )
    for sort, rank in _RANKS.items()
}

COUNT_OF_USER = f"""
SELECT (
  SELECT count(*)
  FROM tracks AS t
  WHERE {_SHARED} AND t.user_id = $2 AND ($3::TEXT IS NULL OR {_has_tag("$3")})
) + (
  SELECT count(*)
  FROM tracks AS t
  WHERE NOT {_SHARED} AND t.user_id = $1 AND t.user_id = $2
    AND ($3::TEXT IS NULL OR {_has_tag("$3")})
)
"""  # noqa: S608


async def select_page_of_user(
    conn: Connection, page: Page, *, viewer_id: int, sort: str, user_id: int, tag: str | None
) -> list[TrackRow]:
    arguments = (viewer_id, page.limit, page.offset, user_id, tag)
    return as_rows(TrackRow, await conn.fetch(PAGES_OF_USER[sort], *arguments))


async def count_of_user(conn: Connection, *, viewer_id: int, user_id: int, tag: str | None) -> int:
    count: int = await conn.fetchval(COUNT_OF_USER, viewer_id, user_id, tag)
    return count


_TAGGED = f"""track_tags AS tt
  JOIN tracks AS t ON t.id = tt.track_id
  WHERE tt.tag_id = (SELECT id FROM tags WHERE name = $4) AND {_VISIBLE}"""  # noqa: S608
# The newest stand in the index of a tag's tracks. By rank a rare tag's tracks are all looked up;
# along the ranks of all tracks one that many have fills a page soon.
PAGES_OF_TAG = {
    sort: _page(f"SELECT tt.track_id AS id, tt.track_id AS rank FROM {_TAGGED}")  # noqa: S608
    if sort == "newest"
    else _page_of_found(rank, _TAGGED)
    for sort, rank in _RANKS.items()
}
PAGES_OF_COMMON_TAG = {
    sort: _page(_halves(rank, _has_tag("$4"), _has_tag("$4")))
    for sort, rank in _RANKS.items()
    if sort != "newest"
}

COUNT_OF_TAG = f"""
SELECT coalesce((SELECT usage_count FROM tags WHERE name = $2), 0) + (
  SELECT count(*)
  FROM tracks AS t
  WHERE NOT {_SHARED} AND t.user_id = $1 AND {_has_tag("$2")}
)
"""  # noqa: S608


async def select_page_of_tag(
    conn: Connection, page: Page, *, viewer_id: int, sort: str, tag: str, common: bool
) -> list[TrackRow]:
    """``common`` says that the tag has too many tracks to look at all of them for a page."""
    statement = PAGES_OF_TAG[sort]
    if common:
        statement = PAGES_OF_COMMON_TAG.get(sort, statement)
    arguments = (viewer_id, page.limit, page.offset, tag)
    return as_rows(TrackRow, await conn.fetch(statement, *arguments))


async def count_of_tag(conn: Connection, *, viewer_id: int, tag: str) -> int:
    count: int = await conn.fetchval(COUNT_OF_TAG, viewer_id, tag)
    return count


def _matching(text: str, user_id: str, tag: str) -> str:
    return f"""tracks AS t
  WHERE (
    strpos(lower(t.title), lower({text})) > 0
    OR strpos(lower(t.artist), lower({text})) > 0
  )
  AND {_VISIBLE}
  AND ({user_id}::INT IS NULL OR t.user_id = {user_id})
  AND ({tag}::TEXT IS NULL OR {_has_tag(tag)})"""


def _may_match(text: str) -> str:
    return may_contain("t.title || E'\\n' || t.artist", text)


_MATCHING = _matching("$4", "$5", "$6")
PAGES_OF_SHORT_TEXT = {
    sort: _page_of_found(rank, _MATCHING, with_total=True) for sort, rank in _RANKS.items()
}
PAGES_OF_TEXT = {
    sort: _page_of_found(rank, f"{_MATCHING}\n  AND {_may_match('$4')}", with_total=True)
    for sort, rank in _RANKS.items()
}
COUNT_OF_SHORT_TEXT = f"SELECT count(*)\nFROM {_matching('$2', '$3', '$4')}"
COUNT_OF_TEXT = f"{COUNT_OF_SHORT_TEXT}\n  AND {_may_match('$2')}"


async def select_page_of_text(
    conn: Connection,
    page: Page,
    *,
    viewer_id: int,
    sort: str,
    text: str,
    user_id: int | None,
    tag: str | None,
) -> tuple[list[TrackRow], int | None]:
    """The page, and how many match: None where the page is empty. A text of fewer than three
    characters reads the whole table."""
    statements = PAGES_OF_TEXT if has_trigrams(text) else PAGES_OF_SHORT_TEXT
    arguments = (viewer_id, page.limit, page.offset, text, user_id, tag)
    records = await conn.fetch(statements[sort], *arguments)
    total: int | None = records[0][-1] if records else None
    return [TrackRow(*record[:-1]) for record in records], total


async def count_of_text(
    conn: Connection, *, viewer_id: int, text: str, user_id: int | None, tag: str | None
) -> int:
    """As ``select_page_of_text``."""
    statement = COUNT_OF_TEXT if has_trigrams(text) else COUNT_OF_SHORT_TEXT
    count: int = await conn.fetchval(statement, viewer_id, text, user_id, tag)
    return count
