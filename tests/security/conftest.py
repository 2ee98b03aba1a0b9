from tests.api_fixtures import folder_api as api
from tests.api_fixtures import module_database_url

__all__ = ["api", "module_database_url"]
