"""What the catalogue's endpoints take and give."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from talas.core.database import MAX_ID
from talas.core.text import allowed, length, within
from talas.domains.products.checks import (
    LENGTHS,
    MAX_CATEGORY,
    MAX_NAME,
    MAX_SPECIFICATIONS,
    MAX_WEBSITE,
    STATUSES,
)

Status = Annotated[str, allowed(STATUSES)]
Amount = Annotated[int, within(0, MAX_ID)]
SPECIFICATIONS = Meta(description=f"At most {MAX_SPECIFICATIONS} bytes of JSON")


class Category(msgspec.Struct):
    """``products_count`` counts the active ones."""

    id: int
    name: str
    description: str | None
    products_count: int


class Product(msgspec.Struct, frozen=True):
    """``price`` in whole units of the site's currency."""

    id: int
    name: str
    category_id: int | None
    category_name: str | None
    brand: str | None
    model: str | None
    description: str | None
    price: int | None
    warranty_months: int | None
    warranty_conditions: str | None
    manufacturer_website: str | None
    specifications: dict[str, Any] | None
    status: str
    created_at: dt.datetime
    updated_at: dt.datetime


class FoundProduct(msgspec.Struct):
    """A product as the search shows it."""

    id: int
    name: str
    brand: str | None
    model: str | None
    description: str | None


class NewProduct(msgspec.Struct):
    name: Annotated[str, length(MAX_NAME, least=1)]
    category_id: int | None = None
    brand: Annotated[str | None, length(LENGTHS["brand"])] = None
    model: Annotated[str | None, length(LENGTHS["model"])] = None
    description: Annotated[str | None, length(LENGTHS["description"])] = None
    price: Amount | None = None
    warranty_months: Amount | None = None
    warranty_conditions: Annotated[str | None, length(LENGTHS["warranty_conditions"])] = None
    manufacturer_website: Annotated[str | None, length(MAX_WEBSITE)] = None
    specifications: Annotated[dict[str, Any] | None, SPECIFICATIONS] = None
    status: Status = "active"


class ProductChange(msgspec.Struct):
    """Absent fields stay as they are; null clears. ``specifications`` are replaced as a whole."""

    name: Annotated[str | UnsetType, length(MAX_NAME, least=1)] = UNSET
    category_id: int | UnsetType | None = UNSET
    brand: Annotated[str | UnsetType | None, length(LENGTHS["brand"])] = UNSET
    model: Annotated[str | UnsetType | None, length(LENGTHS["model"])] = UNSET
    description: Annotated[str | UnsetType | None, length(LENGTHS["description"])] = UNSET
    price: Amount | UnsetType | None = UNSET
    warranty_months: Amount | UnsetType | None = UNSET
    warranty_conditions: Annotated[
        str | UnsetType | None, length(LENGTHS["warranty_conditions"])
    ] = UNSET
    manufacturer_website: Annotated[str | UnsetType | None, length(MAX_WEBSITE)] = UNSET
    specifications: Annotated[dict[str, Any] | UnsetType | None, SPECIFICATIONS] = UNSET
    status: Status | UnsetType = UNSET


class NewCategory(msgspec.Struct):
    name: Annotated[str, length(MAX_CATEGORY, least=1)]
    description: Annotated[str | None, length(LENGTHS["description"])] = None


class CategoryChange(msgspec.Struct):
    """Absent fields stay as they are; null clears."""

    name: Annotated[str | UnsetType, length(MAX_CATEGORY, least=1)] = UNSET
    description: Annotated[str | UnsetType | None, length(LENGTHS["description"])] = UNSET


class CatalogueFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What the public list is narrowed to; None asks for all."""

    category_id: int | None = None
    brand: str | None = None
    sort: str = "newest"


class AdminFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What the administrators' list is narrowed to; None asks for all."""

    search: str | None = None
    category_id: int | None = None
    status: str | None = None
