"""What may be reported, and how moderators work on it."""

import asyncpg
import msgspec
from msgspec import UNSET

from talas.core import counts
from talas.core.database import Connection, is_id
from talas.core.errors import Conflict, Forbidden, InvalidData, NotFound
from talas.core.filters import given_filters
from talas.core.http.pagination import Page
from talas.core.sessions import Actor, hold_account
from talas.core.text import FieldChecks
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.chat import access as chat
from talas.domains.chat.errors import MessageNotFound
from talas.domains.reports import sql
from talas.domains.reports.schemas import (
    MAX_REASON,
    STATUSES,
    TARGET_TYPES,
    NewReport,
    OwnReport,
    Report,
    ReportChange,
    ReportFilter,
)


async def create_report(conn: Connection, actor: Actor, new: NewReport) -> OwnReport:
    """Raises NotFound for what the actor does not see, InvalidData for what is their own,
    Conflict where their report about it is open."""
    checks = FieldChecks()
    target_type = checks.one_of("target_type", new.target_type, TARGET_TYPES)
    reason = checks.text("reason", new.reason, max_length=MAX_REASON, min_length=1)
    checks.finish()
    await hold_account(conn, actor)
    owner_id = await _find_owner(conn, actor, target_type, new.target_id)
    if owner_id is None:
        raise NotFound(f"{target_type.capitalize()} not found")
    if owner_id == actor.user_id:
        raise InvalidData("Nobody reports themselves, or what is their own")
    report = await sql.insert_report(
        conn, actor.user_id, target_type=target_type, target_id=new.target_id, reason=reason
    )
    if report is None:
        raise Conflict("You have reported this already", code="already_reported")
    return report


async def _find_owner(
    conn: Connection, actor: Actor, target_type: str, target_id: int
) -> int | None:
    """None for what the actor does not see."""
    if not is_id(target_id):
        return None
    if target_type != "message":
        return await sql.select_owner(
            conn, actor.user_id, target_type=target_type, target_id=target_id
        )
    try:
        return (await chat.access_message(conn, actor, target_id)).from_user
    except MessageNotFound:
        return None


async def list_reports(
    conn: Connection, wanted: ReportFilter, page: Page
) -> tuple[list[Report], int]:
    """Newest first, and how many match."""
    rows = await sql.select_reports(conn, wanted, limit=page.limit, offset=page.offset)
    return rows, await counts.total(conn, "reports", **given_filters(wanted))


async def load_report(conn: Connection, report_id: int) -> Report:
    """Raises NotFound."""
    report = await sql.select_report(conn, report_id) if is_id(report_id) else None
    if report is None:
        raise NotFound("Report not found")
    return report


async def update_report(
    conn: Connection, by: Administrator, report_id: int, change: ReportChange
) -> Report:
    """Raises NotFound; Conflict where it would be open beside another of the same person."""
    before = await sql.lock_report(conn, report_id) if is_id(report_id) else None
    if before is None:
        raise NotFound("Report not found")
    after = _changed(before, change)
    if after != before:
        if await sql.select_concerns(conn, report_id, by.user_id):
            raise Forbidden("A report about you is for somebody else to handle")
        try:
            await sql.update_report(conn, report_id, after, handled_by=by.user_id)
        except asyncpg.UniqueViolationError:
            raise Conflict("Another report about the same is open") from None
        await write_audit(
            conn,
            by,
            "report.update",
            report_id,
            before=msgspec.structs.asdict(before),
            after=msgspec.structs.asdict(after),
        )
    return await load_report(conn, report_id)


def _changed(before: sql.ReportState, change: ReportChange) -> sql.ReportState:
    checks = FieldChecks()
    status, resolution = before.status, before.resolution
    if change.status is not UNSET:
        status = checks.one_of("status", change.status, STATUSES)
    if change.resolution is not UNSET:
        given = checks.text("resolution", change.resolution or "", max_length=MAX_REASON)
        resolution = given or None
    checks.finish()
    return sql.ReportState(status, resolution)
