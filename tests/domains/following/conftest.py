from tests.api_fixtures import folder_api as api

__all__ = ["api"]
