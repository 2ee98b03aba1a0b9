import pytest
from tests.api_fixtures import folder_api as api
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

__all__ = ["api"]


@pytest.fixture
def owner(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture
def other(api: ApiProcess) -> Account:
    return create_user(api)
