from typing import Any

import pytest
from tests.api_fixtures import folder_api as api
from tests.api_fixtures import module_database_url
from tests.builders.products import create_staff
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

__all__ = ["api", "module_database_url"]


@pytest.fixture(scope="module")
def staff(api: ApiProcess) -> Account:
    return create_staff(api)


@pytest.fixture
def owner(api: ApiProcess) -> Account:
    """Without any gear yet."""
    return create_user(api)


@pytest.fixture(scope="module")
def stranger(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture
def seed_body() -> dict[str, Any]:
    """What the document that Talas was asked for sends, without the product."""
    return {
        "version": "2.0",
        "serial_number": "TAL-001234",
        "purchase_date": "2023-06-15",
        "purchase_price": 299,
        "warranty_expires": "2025-06-15",
        "notes": "Bought from official store",
    }
