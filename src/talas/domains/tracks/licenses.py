"""What a license may be called: an SPDX id, or ``all-rights-reserved``."""

import re

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

ALL_RIGHTS_RESERVED = "all-rights-reserved"
MAX_LENGTH = 64
_ID = re.compile(r"[A-Za-z0-9.+-]+")


def canonical_license(text: str) -> str | None:
    """The id as SPDX spells it (``cc-by-4.0`` is ``CC-BY-4.0``), None for what is no license."""
    text = text.strip()
    if text.lower() == ALL_RIGHTS_RESERVED:
        return ALL_RIGHTS_RESERVED
    if not _ID.fullmatch(text) or text.lower().startswith("licenseref-"):
        return None
    try:
        license_id = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression:
        return None
    return license_id if len(license_id) <= MAX_LENGTH else None
