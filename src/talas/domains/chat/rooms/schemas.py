"""Bodies and answers of the routes of rooms."""

import msgspec


class CreateRoom(msgspec.Struct):
    name: str
    description: str | None = None
    is_private: bool = False
