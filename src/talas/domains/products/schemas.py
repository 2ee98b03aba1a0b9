"""What the catalogue's endpoints take and give."""

import datetime as dt
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.database import MAX_ID
from talas.core.text import allowed, within
from talas.domains.products.checks import STATUSES

Status = Annotated[str, allowed(STATUSES)]
Amount = Annotated[int, within(0, MAX_ID)]


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
    name: str
    category_id: int | None = None
    brand: str | None = None
    model: str | None = None
    description: str | None = None
    price: Amount | None = None
    warranty_months: Amount | None = None
    warranty_conditions: str | None = None
    manufacturer_website: str | None = None
    specifications: dict[str, Any] | None = None
    status: Status = "active"


class ProductChange(msgspec.Struct):
    """Absent fields stay as they are; null clears. ``specifications`` are replaced as a whole."""

    name: str | UnsetType = UNSET
    category_id: int | UnsetType | None = UNSET
    brand: str | UnsetType | None = UNSET
    model: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    price: Amount | UnsetType | None = UNSET
    warranty_months: Amount | UnsetType | None = UNSET
    warranty_conditions: str | UnsetType | None = UNSET
    manufacturer_website: str | UnsetType | None = UNSET
    specifications: dict[str, Any] | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET


class NewCategory(msgspec.Struct):
    name: str
    description: str | None = None


class CategoryChange(msgspec.Struct):
    """Absent fields stay as they are; null clears."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


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
