"""Reports, and what they are about, as PostgreSQL keeps them."""

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.core.filters import for_each_filter, given_filters
from talas.domains.reports.schemas import OwnReport, Report, ReportFilter
from talas.domains.tracks import visibility


class ReportState(msgspec.Struct, frozen=True):
    """What moderators change."""

    status: str
    resolution: str | None


SELECT_USER = """
SELECT id
FROM users
WHERE id = $2 AND status = 'active' AND $1::INT IS NOT NULL
"""

# S608: what is put together are constants.
SELECT_TRACK_OWNER = f"""
SELECT t.user_id
FROM tracks AS t
WHERE t.id = $2 AND {visibility.SEEN}
"""  # noqa: S608

_OWNER_OF = {"user": SELECT_USER, "track": SELECT_TRACK_OWNER}


async def select_owner(
    conn: Connection, viewer_id: int, *, target_type: str, target_id: int
) -> int | None:
    """Whose user or track it is; None for what the viewer does not see."""
    owner_id: int | None = await conn.fetchval(_OWNER_OF[target_type], viewer_id, target_id)
    return owner_id


INSERT_REPORT = """
INSERT INTO reports (reporter_id, target_type, target_id, reason)
VALUES ($1, $2, $3, $4)
ON CONFLICT (reporter_id, target_type, target_id) WHERE status = 'open' DO NOTHING
RETURNING id, target_type, target_id, reason, status, created_at
"""


async def insert_report(
    conn: Connection, reporter_id: int, *, target_type: str, target_id: int, reason: str
) -> OwnReport | None:
    """None when the same person's report about the same thing is open."""
    record = await conn.fetchrow(INSERT_REPORT, reporter_id, target_type, target_id, reason)
    return as_row(OwnReport, record)


# S608 below: what is put together are constants of this file. Of a message one sees what was
# reported and nothing around it.
_SELECT = """
SELECT r.id, r.reporter_id, reporter.username, r.target_type, r.target_id,
  coalesce(u.id, m.from_user, t.user_id), left(coalesce(u.username, m.content, t.title), 500),
  r.reason, r.status, r.resolution, r.handled_by, r.handled_at, r.created_at, r.updated_at
FROM reports AS r
JOIN users AS reporter ON reporter.id = r.reporter_id
LEFT JOIN users AS u
  ON r.target_type = 'user' AND u.id = r.target_id AND u.status <> 'deleted'
LEFT JOIN messages AS m ON r.target_type = 'message' AND m.id = r.target_id
LEFT JOIN tracks AS t ON r.target_type = 'track' AND t.id = r.target_id"""

SELECT_REPORT = f"""
{_SELECT}
WHERE r.id = $1
"""


async def select_report(conn: Connection, report_id: int) -> Report | None:
    return as_row(Report, await conn.fetchrow(SELECT_REPORT, report_id))


def _list_reports(condition: str) -> str:
    return f"""
{_SELECT}
WHERE r.id IN (
  SELECT id
  FROM reports
  WHERE {condition}
  ORDER BY id DESC
  LIMIT $1 OFFSET $2
)
ORDER BY r.id DESC
"""  # noqa: S608


SELECT_REPORTS = for_each_filter(("status", "target_type"), _list_reports)


async def select_reports(
    conn: Connection, wanted: ReportFilter, *, limit: int, offset: int
) -> list[Report]:
    filters = given_filters(wanted)
    statement = SELECT_REPORTS[tuple(filters)]
    return as_rows(Report, await conn.fetch(statement, limit, offset, *filters.values()))


LOCK_REPORT = """
SELECT status, resolution
FROM reports
WHERE id = $1
FOR UPDATE
"""


async def lock_report(conn: Connection, report_id: int) -> ReportState | None:
    return as_row(ReportState, await conn.fetchrow(LOCK_REPORT, report_id))


SELECT_CONCERNS = """
SELECT $2 = coalesce(u.id, m.from_user, t.user_id)
FROM reports AS r
LEFT JOIN users AS u ON r.target_type = 'user' AND u.id = r.target_id
LEFT JOIN messages AS m ON r.target_type = 'message' AND m.id = r.target_id
LEFT JOIN tracks AS t ON r.target_type = 'track' AND t.id = r.target_id
WHERE r.id = $1
"""


async def select_concerns(conn: Connection, report_id: int, user_id: int | None) -> bool:
    """Whether it is about the user, or about what is theirs."""
    return await conn.fetchval(SELECT_CONCERNS, report_id, user_id) is True


UPDATE_REPORT = """
UPDATE reports
SET status = $2::TEXT, resolution = $3,
  handled_by = CASE WHEN $2::TEXT = 'open' THEN NULL ELSE $4::INT END,
  handled_at = CASE WHEN $2::TEXT = 'open' THEN NULL ELSE now() END,
  updated_at = now()
WHERE id = $1
"""


async def update_report(
    conn: Connection, report_id: int, state: ReportState, *, handled_by: int | None
) -> None:
    """Raises asyncpg.UniqueViolationError where it opens beside another open one."""
    await conn.execute(UPDATE_REPORT, report_id, state.status, state.resolution, handled_by)
