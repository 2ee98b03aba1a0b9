import pytest
from tests.api_fixtures import folder_api as api
from tests.api_fixtures import module_database_url
from tests.builders.products import create_staff
from tests.builders.users import Account
from tests.servers import ApiProcess

__all__ = ["api", "module_database_url"]


@pytest.fixture(scope="module")
def admin(api: ApiProcess) -> Account:
    return create_staff(api)
