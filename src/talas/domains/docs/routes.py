"""Documents of the house about a product of the catalogue."""

from typing import Any

api_routes: list[Any] = []
