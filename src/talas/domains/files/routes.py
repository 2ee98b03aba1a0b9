"""Files that people keep with their gear."""

from typing import Any

api_routes: list[Any] = []
media_routes: list[Any] = []
