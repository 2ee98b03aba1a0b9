"""Rooms: opened, listed, and told of."""

from typing import TypeVar

import msgspec

from talas.core import counts
from talas.core.database import Connection
from talas.core.errors import Conflict
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.core.text import FieldChecks, clean_text
from talas.domains.chat.access import OWNER, ROOM, access_room, name_key
from talas.domains.chat.errors import RoomNotFound
from talas.domains.chat.rooms import sql
from talas.domains.chat.rooms.names import check_room_name
from talas.domains.chat.rooms.schemas import MAX_DESCRIPTION, CreateRoom
from talas.domains.chat.rooms.sql import DetailedRoom, ListedRoom
from talas.domains.chat.sql import insert_member

MAX_SEARCH = 100
MOST_CREATED = 500
"""Rooms, and groups, of one user; a socket can be in as many. Who opens several at once may come to
a few more."""
CountedT = TypeVar("CountedT", bound=ListedRoom)


async def create_room(conn: Connection, actor: Actor, body: CreateRoom) -> ListedRoom:
    """The creator owns the room and is a member. Raises InvalidData, and Conflict for a name that
    is taken and for who has opened too many.

    Names are unique, so a Conflict also tells that a private room of that name exists.
    """
    checks = FieldChecks()
    name = check_room_name(checks, body.name)
    description = checks.text("description", body.description or "", max_length=MAX_DESCRIPTION)
    checks.finish()
    await check_may_create(conn, actor, ROOM)
    room = await sql.insert_room(
        conn, name, name_key(name), description or None, body.is_private, actor.user_id
    )
    if room is None:
        raise name_taken()
    await insert_member(conn, room.id, actor.user_id, OWNER)
    return room


async def check_may_create(conn: Connection, actor: Actor, kind: str) -> None:
    """Raises Conflict."""
    if await sql.count_created(conn, actor.user_id, kind) >= MOST_CREATED:
        raise Conflict(
            f"You are in {MOST_CREATED} {kind}s that you have opened; leave or delete one first",
            code="too_many_rooms_opened",
        )


async def list_rooms(
    conn: Connection, actor: Actor, page: Page, *, search: str | None
) -> tuple[list[ListedRoom], int]:
    """Public rooms and the actor's private ones, oldest first, and how many there are."""
    term = clean_text(search or "", "search", max_length=MAX_SEARCH)
    if term:
        rooms, total = await _search_rooms(conn, actor, term, page)
    else:
        total = await counts.total(conn, "rooms", is_private=False, kind="room")
        total += await sql.count_private_rooms(conn, actor.user_id)
        rooms = await sql.select_rooms(conn, page.window(total), user_id=actor.user_id)
    return await _counted(conn, rooms), total


async def list_by_ids(conn: Connection, user_id: int, room_ids: list[int]) -> list[ListedRoom]:
    """Those of them that are public or have the user as a member, in any order."""
    rooms = await sql.select_rooms_by_ids(conn, room_ids, user_id=user_id)
    return await _counted(conn, rooms)


async def read_room(conn: Connection, actor: Actor, name: str) -> DetailedRoom:
    """Raises RoomNotFound."""
    room = await access_room(conn, actor, name)
    return await load_details(conn, actor, room.id)


async def load_details(conn: Connection, actor: Actor, room_id: int) -> DetailedRoom:
    """Of a room that the actor may see. Raises RoomNotFound for one that is gone."""
    room = await sql.select_details(conn, room_id, user_id=actor.user_id)
    if room is None:
        raise RoomNotFound
    [counted] = await _counted(conn, [room])
    return counted


def name_taken() -> Conflict:
    return Conflict("A room of this name exists already", code="room_name_taken")


async def _search_rooms(
    conn: Connection, actor: Actor, term: str, page: Page
) -> tuple[list[ListedRoom], int]:
    rooms, total = await sql.search_rooms(conn, term, page, user_id=actor.user_id)
    if total is None and page.offset:
        total = await sql.count_found_rooms(conn, term, user_id=actor.user_id)
    return rooms, total or 0


async def _counted(conn: Connection, rooms: list[CountedT]) -> list[CountedT]:
    """With the number of their members."""
    room_ids = [room.id for room in rooms]
    members = await counts.totals(conn, "room_members", "room_id", room_ids)
    return [
        msgspec.structs.replace(room, member_count=number)
        for room, number in zip(rooms, members, strict=True)
    ]
