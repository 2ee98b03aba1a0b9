"""Gear: what somebody owns of the catalogue."""

from typing import Any

api_routes: list[Any] = []
