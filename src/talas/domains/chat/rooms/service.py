"""Rooms: opened, and listed."""

import re
import unicodedata

import msgspec

from talas.core import counts
from talas.core.database import Connection
from talas.core.errors import Conflict
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.core.text import FieldChecks, clean_text
from talas.domains.chat.access import MAX_ROOM_NAME, compose, name_key
from talas.domains.chat.rooms import sql
from talas.domains.chat.rooms.schemas import CreateRoom
from talas.domains.chat.rooms.sql import ListedRoom
from talas.domains.chat.sql import insert_member

MAX_DESCRIPTION = 500
MAX_SEARCH = 100

# Those of Unicode's Default_Ignorable_Code_Point that are letters or marks, and three blanks.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U00013441\U00013442\U00016fe4\U000e0100-\U000e01ef]"
)


async def create_room(conn: Connection, actor: Actor, body: CreateRoom) -> ListedRoom:
    """The creator owns the room and is a member. Raises InvalidData and Conflict.

    Names are unique, so a Conflict also tells that a private room of that name exists.
    """
    checks = FieldChecks()
    name = checks.text("name", body.name, max_length=MAX_ROOM_NAME, min_length=1)
    if not checks.failed("name"):
        _check_room_name(checks, name)
    description = checks.text("description", body.description or "", max_length=MAX_DESCRIPTION)
    checks.finish()
    room = await sql.insert_room(
        conn, name, name_key(name), description or None, body.is_private, actor.user_id
    )
    if room is None:
        raise Conflict("A room of this name exists already", code="room_name_taken")
    await insert_member(conn, room.id, actor.user_id, "owner")
    return room


async def list_rooms(
    conn: Connection, actor: Actor, page: Page, *, search: str | None
) -> tuple[list[ListedRoom], int]:
    """Public rooms and the actor's private ones, oldest first, and how many there are."""
    term = clean_text(search or "", "search", max_length=MAX_SEARCH)
    if term:
        rooms, total = await _search_rooms(conn, actor, term, page)
    else:
        total = await counts.total(conn, "rooms", is_private=False)
        total += await sql.count_private_rooms(conn, actor.user_id)
        rooms = await sql.select_rooms(conn, page.window(total), user_id=actor.user_id)
    return await _with_members(conn, rooms), total


async def list_by_ids(conn: Connection, user_id: int, room_ids: list[int]) -> list[ListedRoom]:
    """Those of them that are public or have the user as a member, in any order."""
    rooms = await sql.select_rooms_by_ids(conn, room_ids, user_id=user_id)
    return await _with_members(conn, rooms)


async def _search_rooms(
    conn: Connection, actor: Actor, term: str, page: Page
) -> tuple[list[ListedRoom], int]:
    rooms, total = await sql.search_rooms(conn, term, page, user_id=actor.user_id)
    if total is None and page.offset:
        total = await sql.count_found_rooms(conn, term, user_id=actor.user_id)
    return rooms, total or 0


async def _with_members(conn: Connection, rooms: list[ListedRoom]) -> list[ListedRoom]:
    room_ids = [room.id for room in rooms]
    members = await counts.totals(conn, "room_members", "room_id", room_ids)
    return [
        msgspec.structs.replace(room, member_count=number)
        for room, number in zip(rooms, members, strict=True)
    ]


def _check_room_name(checks: FieldChecks, name: str) -> None:
    """As it was sent, and with variants of characters replaced, as names are compared."""
    composed = compose(name)
    if not (_has_room_characters(name) and _has_room_characters(composed)):
        checks.fail("name", "name may hold only letters, digits, spaces and . _ -")
    elif not any(char.isalnum() for char in composed):
        checks.fail("name", "name must hold a letter or a digit")
    elif not name_key(name):
        checks.fail("name", f"name must be at most {MAX_ROOM_NAME} characters")


def _has_room_characters(name: str) -> bool:
    """Many scripts write vowels as marks on the letter before; a mark cannot stand first."""
    return (
        not unicodedata.category(name[0]).startswith("M")
        and not _INVISIBLE.search(name)
        and all(
            char.isalnum() or char in " ._-" or unicodedata.category(char) in ("Mn", "Mc")
            for char in name
        )
    )
