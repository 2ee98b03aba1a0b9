"""What the gear endpoints take and give."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from talas.core.database import MAX_ID
from talas.core.text import length

STATUSES = ("active", "sold", "broken", "archived")
LENGTHS = {"version": 50, "serial_number": 100, "notes": 5000}

# Described here, held in the service, which says all that is wrong at once.
Price = Annotated[int, Meta(extra_json_schema={"minimum": 0, "maximum": MAX_ID})]
Status = Annotated[str, Meta(extra_json_schema={"enum": list(STATUSES)})]


class Gear(msgspec.Struct, frozen=True):
    """What somebody owns of the catalogue. ``purchase_price`` in whole units of the site's
    currency. ``is_under_warranty`` is as of today in UTC; ``files_count`` counts the owner's files,
    ``docs_count`` the house's documents about the product."""

    id: int
    user_id: int
    product_id: int
    product_name: str
    category_name: str | None
    brand: str | None
    model: str | None
    version: str | None
    serial_number: str | None
    purchase_date: dt.date | None
    purchase_price: int | None
    warranty_expires: dt.date | None
    is_under_warranty: bool
    status: str
    notes: str | None
    files_count: int
    docs_count: int
    created_at: dt.datetime
    updated_at: dt.datetime


class GearWarranty(Gear, frozen=True):
    """``days_remaining`` until the last day of the warranty, negative once it is over; null without
    a warranty."""

    warranty_status: str
    days_remaining: int | None


class NewGear(msgspec.Struct):
    """``warranty_expires`` left out: the purchase date and the product's months of warranty; null:
    no warranty."""

    product_id: int
    version: Annotated[str | None, length(LENGTHS["version"])] = None
    serial_number: Annotated[str | None, length(LENGTHS["serial_number"])] = None
    purchase_date: dt.date | None = None
    purchase_price: Price | None = None
    warranty_expires: dt.date | UnsetType | None = UNSET
    notes: Annotated[str | None, length(LENGTHS["notes"])] = None
    status: Status = "active"


class GearChange(msgspec.Struct):
    """Absent fields stay as they are; null clears."""

    version: Annotated[str | UnsetType | None, length(LENGTHS["version"])] = UNSET
    serial_number: Annotated[str | UnsetType | None, length(LENGTHS["serial_number"])] = UNSET
    purchase_date: dt.date | UnsetType | None = UNSET
    purchase_price: Price | UnsetType | None = UNSET
    warranty_expires: dt.date | UnsetType | None = UNSET
    notes: Annotated[str | UnsetType | None, length(LENGTHS["notes"])] = UNSET
    status: Status | UnsetType = UNSET


class GearFields(msgspec.Struct, frozen=True, kw_only=True):
    """All that an owner may say of a piece of gear, in the order of the table's columns."""

    version: str | None
    serial_number: str | None
    purchase_date: dt.date | None
    purchase_price: int | None
    warranty_expires: dt.date | None
    notes: str | None
    status: str
