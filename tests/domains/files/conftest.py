from collections.abc import Iterator

import msgspec
import pytest
from tests.api_fixtures import api, module_database_url
from tests.builders.storage import stored_files
from tests.builders.user_products import create_gear
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

__all__ = ["api", "module_database_url"]


class Shelf(msgspec.Struct):
    """A piece of gear and its owner; ``path`` is where its files are."""

    owner: Account
    gear_id: int

    @property
    def path(self) -> str:
        return f"/products/{self.gear_id}/files"


@pytest.fixture(scope="module")
def shelf(api: ApiProcess) -> Shelf:
    owner = create_user(api)
    return Shelf(owner, create_gear(api, owner)["id"])


@pytest.fixture(scope="module")
def stranger(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.fixture
def _nothing_stays(api: ApiProcess, shelf: Shelf) -> Iterator[None]:
    """No row, no object, no half-written file."""
    before = stored_files(api), _total(api, shelf)
    yield
    assert (stored_files(api), _total(api, shelf)) == before


def _total(api: ApiProcess, shelf: Shelf) -> int:
    answer = api.client.get(shelf.path, token=shelf.owner.token)
    total: int = answer.json()["pagination"]["total"]
    return total
