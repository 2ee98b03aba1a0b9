"""What a product and a category may hold."""

from typing import Any
from urllib.parse import urlsplit

import msgspec

from talas.core.database import MAX_ID, is_id
from talas.core.errors import InvalidData, NotFound
from talas.core.text import FieldChecks, clean_text

STATUSES = ("active", "inactive")
MAX_SPECIFICATIONS = 32 * 1024
MAX_DEPTH = 20
# What every reader of JSON keeps exactly (RFC 7493, 2.2).
MAX_NUMBER = 2**53 - 1
MAX_NAME = 200
MAX_WEBSITE = 255
MAX_CATEGORY = 100
LENGTHS = {
    "brand": 100,
    "model": 100,
    "description": 5000,
    "warranty_conditions": 5000,
}


def clean_product(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that are given, cleaned; raises InvalidData, or NotFound for a category that
    cannot be."""
    checks = FieldChecks()
    cleaned = {field: _clean(checks, field, value) for field, value in fields.items()}
    checks.finish()
    category_id = cleaned.get("category_id")
    if category_id is not None and not is_id(category_id):
        raise NotFound("Category not found")
    return cleaned


def _clean(checks: FieldChecks, field: str, value: Any) -> Any:
    if value is None:
        return None
    if field in LENGTHS:
        return checks.text(field, value, max_length=LENGTHS[field])
    if field == "name":
        return checks.text(field, value, max_length=MAX_NAME, min_length=1)
    if field in ("price", "warranty_months") and not 0 <= value <= MAX_ID:
        checks.fail(field, f"{field} must be a whole number between 0 and {MAX_ID}")
    elif field == "manufacturer_website":
        return _clean_website(checks, field, value)
    elif field == "specifications":
        _check_specifications(checks, field, value)
    elif field == "status":
        checks.one_of(field, value, STATUSES)
    return value


def _clean_website(checks: FieldChecks, field: str, value: str) -> str | None:
    value = checks.text(field, value, max_length=MAX_WEBSITE)
    if value and not checks.failed(field) and not _is_web_address(value):
        checks.fail(field, f"{field} must look like https://example.com")
    return value or None


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # Reading the port raises for one that is no number.
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return known and text.isprintable() and not set(text) & set(" <>\"'\\")


def _check_specifications(checks: FieldChecks, field: str, value: dict[str, Any]) -> None:
    try:
        _check_json(value, field, depth=1)
    except InvalidData as error:
        checks.fail(field, error.message)
        return
    if len(msgspec.json.encode(value)) > MAX_SPECIFICATIONS:
        checks.fail(field, f"{field} must be at most {MAX_SPECIFICATIONS} bytes of JSON")


def _check_json(value: Any, field: str, *, depth: int) -> None:
    if isinstance(value, dict | list):
        if depth > MAX_DEPTH:
            raise InvalidData(f"{field} must be nested at most {MAX_DEPTH} deep")
        if isinstance(value, dict):
            for key, part in value.items():
                clean_text(key, field, max_length=MAX_SPECIFICATIONS)
                _check_json(part, field, depth=depth + 1)
        else:
            for part in value:
                _check_json(part, field, depth=depth + 1)
    elif isinstance(value, str):
        clean_text(value, field, max_length=MAX_SPECIFICATIONS)
    elif isinstance(value, int | float) and abs(value) > MAX_NUMBER:
        raise InvalidData(f"Numbers in {field} must be at most {MAX_NUMBER} in size")


def clean_category(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that are given, cleaned; raises InvalidData."""
    checks = FieldChecks()
    cleaned = dict(fields)
    if "name" in fields:
        cleaned["name"] = checks.text("name", fields["name"], max_length=MAX_CATEGORY, min_length=1)
    if fields.get("description") is not None:
        cleaned["description"] = checks.text(
            "description", fields["description"], max_length=LENGTHS["description"]
        )
    checks.finish()
    return cleaned
