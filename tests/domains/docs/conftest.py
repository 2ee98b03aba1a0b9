from tests.api_fixtures import api, module_database_url

__all__ = ["api", "module_database_url"]
