from collections.abc import Callable

import pytest
from tests.api_fixtures import folder_api as api
from tests.api_fixtures import module_database_url

from talas.core.settings import Settings

__all__ = ["api", "module_database_url"]


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(database_max_connections=1)
