"""Rules of rooms and histories; those of sending are in ``posting``."""

import re
import unicodedata
from datetime import UTC, datetime

from talas.core.database import Connection
from talas.core.errors import Conflict, FieldError, InvalidData
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.core.text import FieldChecks, clean_text
from talas.domains.chat import sql
from talas.domains.chat.access import (
    MAX_ROOM_NAME,
    access_peer,
    access_room,
    compose,
    name_key,
)
from talas.domains.chat.schemas import MAX_HISTORY, CreateRoom
from talas.domains.chat.sql import ListedRoom, Message, RoomRow

MAX_CONTENT = 4000
MAX_DESCRIPTION = 500

# Those of Unicode's Default_Ignorable_Code_Point that are letters or marks, and three blanks.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U00013441\U00013442\U00016fe4\U000e0100-\U000e01ef]"
)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?)?")


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
    await sql.insert_member(conn, room.id, actor.user_id, "owner")
    return room


async def list_rooms(
    conn: Connection, actor: Actor, page: Page, *, search: str | None
) -> tuple[list[ListedRoom], int]:
    """Public rooms and the actor's private ones, oldest first, and how many there are."""
    search = clean_text(search or "", "search", max_length=100)
    pattern = f"%{_escape_like(search)}%" if search else None
    total = await sql.count_rooms(conn, actor.user_id, pattern)
    rooms: list[ListedRoom] = []
    if page.offset < total:
        rooms = await sql.select_rooms(
            conn, actor.user_id, pattern, limit=page.limit, offset=page.offset
        )
    return rooms, total


async def join_room(conn: Connection, actor: Actor, name: str) -> RoomRow:
    """Who joins a public room becomes a member of it. Raises RoomNotFound."""
    room = await access_room(conn, actor, name)
    if not room.is_member:
        await sql.insert_member(conn, room.id, actor.user_id, "member")
    return room


async def leave_all_rooms(conn: Connection, user_id: int) -> None:
    """Of an account that ends. The rooms that it owned stay, and what it said in them."""
    await sql.delete_memberships(conn, user_id)


async def read_room_history(
    conn: Connection, actor: Actor, name: str, *, before: int | datetime, limit: int
) -> tuple[RoomRow, list[Message]]:
    """The newest that match, oldest first. Raises RoomNotFound."""
    room = await access_room(conn, actor, name)
    messages = await sql.select_room_history(conn, room.id, before, limit)
    return room, _oldest_first(messages)


async def read_direct_history(
    conn: Connection, actor: Actor, user_id: int, *, before: int | datetime, limit: int
) -> list[Message]:
    """The newest that match, both ways, oldest first. Raises UserNotFound."""
    peer = await access_peer(conn, actor, user_id)
    if peer.conversation_id is None:
        return []
    messages = await sql.select_conversation_history(conn, peer.conversation_id, before, limit)
    return _oldest_first(messages)


def check_content(content: str) -> str:
    """Raises InvalidData."""
    return clean_text(content, "content", max_length=MAX_CONTENT, min_length=1)


def check_limit(limit: int) -> int:
    """Raises InvalidData."""
    if not 1 <= limit <= MAX_HISTORY:
        raise InvalidData.of(FieldError("limit", f"limit must be between 1 and {MAX_HISTORY}"))
    return limit


def read_before(before: int | str | None) -> int | datetime:
    """A message id, or an instant (in UTC unless it says otherwise); without one, ANY_ID.
    Raises InvalidData."""
    if before is None:
        return sql.ANY_ID
    if isinstance(before, int):
        return max(0, min(before, sql.ANY_ID))
    text = before.strip()
    if text.isascii() and text.isdecimal():
        # A number of any length: int() has a limit of its own.
        return min(int(text[-19:]) if len(text.lstrip("0")) < 11 else sql.ANY_ID, sql.ANY_ID)
    if _INSTANT.fullmatch(text):
        try:
            instant = datetime.fromisoformat(text.upper())
            return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise InvalidData.of(
        FieldError(
            "before", "before must be the id of a message or an instant like 2024-01-15T10:30:00Z"
        )
    )


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


def _oldest_first(messages: list[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: message.id)


def _escape_like(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)
