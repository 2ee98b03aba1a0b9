"""The catalogue."""

from typing import Any

api_routes: list[Any] = []
