"""``/reports`` for everybody, ``/admin/reports`` for moderators."""

from litestar import get, post, put
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, choice_query, describe
from talas.core.http.envelope import Envelope, Paged, ok
from talas.core.http.pagination import paged, parse_choice
from talas.core.http.request import Request
from talas.core.permissions import Permission
from talas.domains.admin.acting import acting
from talas.domains.reports import service
from talas.domains.reports.schemas import (
    STATUSES,
    TARGET_TYPES,
    NewReport,
    OwnReport,
    Report,
    ReportChange,
    ReportFilter,
)


@post(
    "/reports",
    **describe(
        "Report a user, a message or a track to the moderators",
        tag="reports",
        body=NewReport,
        errors=(404, 409),
    ),
)
async def create_report(request: Request) -> Envelope[OwnReport]:
    actor = await request.actor()
    body = await request.body_as(NewReport)
    async with request.db.transaction() as conn:
        report = await service.create_report(conn, actor, body)
    return ok(report, "Thank you; a moderator will look at it")


@get(
    "/admin/reports",
    **describe(
        "What has been reported, newest first",
        tag="reports",
        errors=(403,),
        query=(
            *PAGE_QUERY,
            choice_query("status", "Only reports with this status", STATUSES),
            choice_query("target_type", "Only reports about these", TARGET_TYPES),
        ),
    ),
)
async def list_reports(request: Request) -> Paged[Report]:
    (await request.actor()).require(Permission.HANDLE_REPORTS)
    page, query = request.read_page(), request.query_params
    wanted = ReportFilter(
        status=parse_choice("status", query.get("status"), STATUSES),
        target_type=parse_choice("target_type", query.get("target_type"), TARGET_TYPES),
    )
    async with request.db.connection() as conn:
        reports, total = await service.list_reports(conn, wanted, page)
    return paged(reports, page, total)


@get("/admin/reports/{report_id:int}", **describe("One report", tag="reports", errors=(403, 404)))
async def show_report(request: Request, report_id: FromPath[int]) -> Envelope[Report]:
    (await request.actor()).require(Permission.HANDLE_REPORTS)
    async with request.db.connection() as conn:
        return ok(await service.load_report(conn, report_id))


@put(
    "/admin/reports/{report_id:int}",
    **describe(
        "Resolve or dismiss a report, or open it again",
        tag="reports",
        body=ReportChange,
        errors=(403, 404, 409),
    ),
)
async def update_report(request: Request, report_id: FromPath[int]) -> Envelope[Report]:
    by = await acting(request, Permission.HANDLE_REPORTS)
    change = await request.body_as(ReportChange)
    async with request.db.transaction() as conn:
        report = await service.update_report(conn, by, report_id, change)
    return ok(report, "Report updated")


api_routes = [create_report, list_reports, show_report, update_report]
