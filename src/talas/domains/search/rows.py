"""Rows for the ids that the index found, as far as the asker may see them now.

The index may be a moment behind: what was deleted, hidden or taken from somebody meanwhile is left
out here. The owning domains say who may see what.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from talas.core.database import Connection
from talas.domains.chat.rooms import service as rooms
from talas.domains.files import service as files
from talas.domains.products import service as products
from talas.domains.products.schemas import FoundProduct
from talas.domains.search.highlight import highlight
from talas.domains.search.queries import Question
from talas.domains.search.schemas import FileHit, ProductHit, RoomHit, TrackHit, UserHit
from talas.domains.tracks.lists import service as tracks
from talas.domains.tracks.schemas import Track
from talas.domains.tracks.service import as_track
from talas.domains.users import service as users
from talas.domains.users.schemas import UserSummary

Hit = UserHit | ProductHit | FileHit | TrackHit | RoomHit
_TURN_S = 0.002
Load = Callable[[Connection, int, list[int]], Awaitable[list[Any]]]


async def load_rows(conn: Connection, kind: str, user_id: int, ids: list[int]) -> list[Any]:
    """Of the ids those that the user may see, in their order."""
    if not ids:
        return []
    rows = {row.id: row for row in await _LOAD[kind](conn, user_id, ids)}
    return [rows[found] for found in ids if found in rows]


async def _load_users(conn: Connection, _user_id: int, ids: list[int]) -> list[UserSummary]:
    return await users.list_by_ids(conn, ids)


async def _load_products(conn: Connection, _user_id: int, ids: list[int]) -> list[FoundProduct]:
    return await products.list_by_ids(conn, ids)


async def _load_tracks(conn: Connection, user_id: int, ids: list[int]) -> list[Track]:
    return [as_track(row) for row in await tracks.list_by_ids(conn, user_id, ids)]


_LOAD: dict[str, Load] = {
    "users": _load_users,
    "products": _load_products,
    "files": files.list_own_by_ids,
    "tracks": _load_tracks,
    "rooms": rooms.list_by_ids,
}


async def as_hits(kind: str, rows: list[Any], question: Question) -> list[Any]:
    """The rows with what of them was asked for marked. Other requests get their turn between rows
    with long texts."""
    hits = []
    began = time.perf_counter()
    for row in rows:
        hits.append(_as_hit(kind, row, question))
        if time.perf_counter() - began > _TURN_S:
            await asyncio.sleep(0)
            began = time.perf_counter()
    return hits


def _as_hit(kind: str, row: Any, question: Question) -> Hit:
    hit_type, shown = _SHOWN[kind]
    texts = {field: _text_of(getattr(row, field)) for field in shown}
    fields = {field: getattr(row, field) for field in row.__struct_fields__}
    return hit_type(**fields, highlight=highlight(question, texts))


_SHOWN: dict[str, tuple[Callable[..., Hit], tuple[str, ...]]] = {
    "users": (UserHit, ("username", "first_name", "last_name", "email")),
    "products": (ProductHit, ("name", "brand", "model", "description")),
    "files": (FileHit, ("filename", "type")),
    "tracks": (TrackHit, ("title", "artist", "tags", "description")),
    "rooms": (RoomHit, ("name", "description")),
}


def _text_of(value: str | list[str] | None) -> str | None:
    return ", ".join(value) if isinstance(value, list) else value
