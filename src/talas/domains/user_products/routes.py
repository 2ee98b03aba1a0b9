"""``/user-products``: one's own gear. Nobody else sees any of it."""

import asyncio
import hashlib

from litestar import Response, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from talas.core.http.describe import PAGE_QUERY, choice_query, describe, int_query
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged, parse_choice, parse_int
from talas.core.http.request import Request
from talas.domains.user_products import access, service
from talas.domains.user_products.schemas import STATUSES, Gear, GearChange, GearWarranty, NewGear

EXPIRING_DAYS = 30
MAX_EXPIRING_DAYS = 3650
FORCE = ("true", "false")
_DAYS = int_query(
    "days",
    "How near its end a warranty is expiring",
    default=EXPIRING_DAYS,
    least=1,
    most=MAX_EXPIRING_DAYS,
)


@get(
    "/user-products",
    **describe(
        "One's own gear",
        tag="gear",
        query=(*PAGE_QUERY, choice_query("status", "Only with this status", STATUSES)),
    ),
)
async def list_gear(request: Request) -> Paged[Gear]:
    actor = await request.actor()
    page = request.read_page()
    status = parse_choice("status", request.query_params.get("status"), STATUSES)
    async with request.db.connection() as conn:
        gear, total = await service.list_gear(conn, actor, page, status=status)
    return paged(gear, page, total)


@post(
    "/user-products",
    **describe("Add a product to one's gear", tag="gear", body=NewGear, errors=(404, 409)),
)
async def add_gear(request: Request) -> Envelope[Gear]:
    actor = await request.actor()
    body = await request.body_as(NewGear)
    async with request.db.connection() as conn:
        gear = await service.add_gear(conn, actor, body)
    return ok(gear, "Product added to your gear")


@get(
    "/user-products/warranty",
    **describe(
        "One's own gear by the end of its warranty: what ends next comes first",
        tag="gear",
        query=(
            *PAGE_QUERY,
            choice_query("filter", "Only what is so", service.WARRANTY_FILTERS),
            _DAYS,
        ),
    ),
)
async def list_warranties(request: Request) -> Paged[GearWarranty]:
    actor = await request.actor()
    page, query = request.read_page(), request.query_params
    status = parse_choice("filter", query.get("filter"), service.WARRANTY_FILTERS)
    days = parse_int(
        "days", query.get("days"), default=EXPIRING_DAYS, least=1, most=MAX_EXPIRING_DAYS
    )
    async with request.db.connection() as conn:
        gear, total = await service.list_warranties(conn, actor, page, status=status, days=days)
    return paged(gear, page, total)


@get(
    "/user-products/warranty.ics",
    **describe(
        "The ends of one's warranties as a calendar, from a year ago on",
        tag="gear",
        media=True,
        responses={
            200: ResponseSpec(
                str, description="A calendar", media_type="text/calendar", generate_examples=False
            ),
            304: ResponseSpec(
                None, description="The one that the client has", generate_examples=False
            ),
        },
    ),
)
async def show_calendar(request: Request) -> Response[bytes]:
    actor = await request.media_actor()
    async with request.db.connection() as conn:
        expiries = await service.list_expiries(conn, actor)
    calendar = await asyncio.to_thread(service.write_calendar, expiries)
    etag = f'"{hashlib.sha256(calendar).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "Authorization"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    headers["content-disposition"] = 'inline; filename="warranty.ics"'
    headers["x-content-type-options"] = "nosniff"
    return Response(calendar, media_type="text/calendar", headers=headers)


@get(
    "/user-products/{gear_id:int}",
    **describe("One piece of one's gear", tag="gear", errors=(404,)),
)
async def show_gear(request: Request, gear_id: FromPath[int]) -> Envelope[Gear]:
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(await access.load_own_gear(conn, actor.user_id, gear_id))


@put(
    "/user-products/{gear_id:int}",
    **describe("Change a piece of one's gear", tag="gear", body=GearChange, errors=(404,)),
)
async def update_gear(request: Request, gear_id: FromPath[int]) -> Envelope[Gear]:
    actor = await request.actor()
    change = await request.body_as(GearChange)
    async with request.db.transaction() as conn:
        gear = await service.update_gear(conn, actor, gear_id, change)
    return ok(gear, "Product updated")


@delete(
    "/user-products/{gear_id:int}",
    status_code=200,
    **describe(
        "Delete a piece of one's gear; one with files only by force, with them",
        tag="gear",
        errors=(404, 409),
        query=(choice_query("force", "Whether its files are deleted too", FORCE),),
    ),
)
async def delete_gear(request: Request, gear_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    force = parse_choice("force", request.query_params.get("force"), FORCE) == "true"
    async with request.db.transaction() as conn:
        await service.delete_gear(conn, actor, gear_id, force=force)
    return Acknowledged(message="Product deleted from your gear")


api_routes = [
    list_gear,
    add_gear,
    list_warranties,
    show_calendar,
    show_gear,
    update_gear,
    delete_gear,
]
