"""Gear: what may be said of it, until when it is under warranty, and what goes with it."""

import datetime as dt
from typing import Any

import msgspec

from talas.core.database import MAX_ID, Connection, is_id
from talas.core.errors import Conflict, FieldError, InvalidData, NotFound
from talas.core.http.pagination import Page
from talas.core.sessions import Actor, hold_account
from talas.core.text import FieldChecks, given
from talas.core.tokens import InvalidToken
from talas.domains.files import service as files
from talas.domains.user_products import access, sql
from talas.domains.user_products.schemas import (
    LENGTHS,
    STATUSES,
    Gear,
    GearChange,
    GearFields,
    GearWarranty,
    NewGear,
)
from talas.domains.user_products.sql import Expiry

WARRANTY_FILTERS = ("expiring", "expired", "active")
MAX_EVENTS = 1000
_NOTHING = GearFields(
    version=None,
    serial_number=None,
    purchase_date=None,
    purchase_price=None,
    warranty_expires=None,
    notes=None,
    status="active",
)


async def list_gear(
    conn: Connection, actor: Actor, page: Page, *, status: str | None
) -> tuple[list[Gear], int]:
    """What was added last comes first; and how much there is."""
    user_id, limit, offset = actor.user_id, page.limit, page.offset
    rows = await sql.select_page(conn, user_id, status=status, limit=limit, offset=offset)
    return rows, await sql.count_gear(conn, user_id, status=status)


async def list_warranties(
    conn: Connection, actor: Actor, page: Page, *, status: str | None, days: int
) -> tuple[list[GearWarranty], int]:
    """``days`` is how near the end of a warranty must be for it to be expiring."""
    user_id, limit, offset = actor.user_id, page.limit, page.offset
    rows = await sql.select_warranties(
        conn, user_id, days=days, status=status, limit=limit, offset=offset
    )
    return rows, await sql.count_warranties(conn, user_id, days=days, status=status)


async def list_expiries(conn: Connection, actor: Actor) -> list[Expiry]:
    """For a calendar: the next MAX_EVENTS ends of warranties, and those of the past year."""
    return await sql.select_expiries(conn, actor.user_id, limit=MAX_EVENTS)


def write_calendar(expiries: list[Expiry]) -> bytes:
    """As warranty_calendar has it; takes up to a second, so not for an event loop."""
    # The library takes 4 MiB and a third of a second, in a process where few ask for a calendar.
    from talas.domains.user_products import warranty_calendar

    return warranty_calendar.write_calendar(expiries)


async def add_gear(conn: Connection, actor: Actor, new: NewGear) -> Gear:
    """In one statement, which needs no transaction around it.

    Raises NotFound for a product that the catalogue does not show, Conflict for one that the
    actor has already, InvalidToken when the account has ended meanwhile."""
    carried = given(new)
    product_id = carried.pop("product_id")
    insertion = await sql.insert_gear(
        conn,
        actor.user_id,
        product_id if is_id(product_id) else None,
        _cleaned(_NOTHING, carried),
        warranty_of_product=new.warranty_expires is msgspec.UNSET,
    )
    if insertion is None:
        raise InvalidToken
    if not insertion.has_product:
        raise NotFound("Product not found")
    if insertion.ends_too_late:
        raise InvalidData.of(
            FieldError("warranty_expires", "warranty_expires would lie after the year 9999")
        )
    if insertion.gear is None:
        raise Conflict("You have this product already", code="already_owned")
    return insertion.gear


async def update_gear(conn: Connection, actor: Actor, gear_id: int, change: GearChange) -> Gear:
    # A body may take longer to come than its account lives.
    await hold_account(conn, actor)
    present = await access.lock_own_gear(conn, actor.user_id, gear_id)
    fields = _cleaned(present, given(change))
    if fields != present:
        await sql.update_gear(conn, gear_id, fields)
    return await access.load_own_gear(conn, actor.user_id, gear_id)


async def delete_gear(conn: Connection, actor: Actor, gear_id: int, *, force: bool) -> None:
    """Raises Conflict where files belong to it, unless ``force`` deletes them too."""
    await access.lock_own_gear(conn, actor.user_id, gear_id)
    if force:
        await files.forget_gear(conn, gear_id)
    elif await sql.select_has_files(conn, gear_id):
        raise Conflict(
            "Files belong to this product; delete them first, or all at once with ?force=true",
            code="has_files",
        )
    await sql.delete_gear(conn, gear_id)


async def forget_user(conn: Connection, user_id: int) -> None:
    """As delete_gear by force, for all that the user has."""
    await sql.lock_gear_of_user(conn, user_id)
    await files.forget_user(conn, user_id)
    await sql.delete_gear_of_user(conn, user_id)


def _cleaned(present: GearFields, carried: dict[str, Any]) -> GearFields:
    """``present`` with what the owner says now. Raises InvalidData."""
    checks = FieldChecks()
    fields = msgspec.structs.replace(
        present, **{field: _clean(checks, field, value) for field, value in carried.items()}
    )
    bought, ends = fields.purchase_date, fields.warranty_expires
    if {"purchase_date", "warranty_expires"} & carried.keys() and bought and ends and ends < bought:
        checks.fail("warranty_expires", "warranty_expires must not be before purchase_date")
    checks.finish()
    return fields


def _clean(checks: FieldChecks, field: str, value: Any) -> Any:
    if value is None:
        return None
    if field in LENGTHS:
        return checks.text(field, value, max_length=LENGTHS[field])
    if field == "status":
        return checks.one_of(field, value, STATUSES)
    if field == "purchase_price" and not 0 <= value <= MAX_ID:
        checks.fail(field, f"{field} must be a whole number between 0 and {MAX_ID}")
    # PostgreSQL's driver takes the first and the last day that there are for infinity.
    if isinstance(value, dt.date) and value in (dt.date.min, dt.date.max):
        checks.fail(field, f"{field} must be a date between 0001-01-02 and 9999-12-30")
    return value
