"""Rules of histories and of what a message may hold; those of sending are in ``posting``."""

import re
from datetime import UTC, datetime

from talas.core.database import Connection
from talas.core.errors import FieldError, InvalidData
from talas.core.sessions import Actor
from talas.core.text import clean_text
from talas.domains.chat.access import access_locked_room_by_id, access_peer, access_room
from talas.domains.chat.histories import sql as histories
from talas.domains.chat.histories.sql import ANY_ID
from talas.domains.chat.members import leaving
from talas.domains.chat.members import service as members
from talas.domains.chat.schemas import MAX_HISTORY
from talas.domains.chat.sql import Message, RoomRow

MAX_CONTENT = 4000
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:\d\d)?)?")


async def join_room(conn: Connection, actor: Actor, name: str) -> RoomRow:
    """The room as the actor sees it as a member of it, which who joins a public room becomes. To be
    called in a transaction. Raises RoomNotFound, and Removed for whom a moderator has removed.

    For who is a member already, ``access_room`` says the same, and costs less.
    """
    room = await access_room(conn, actor, name)
    if room.is_member:
        return room
    await members.join(conn, actor, room.id)
    return await access_locked_room_by_id(conn, actor, room.id)


async def hold_all_rooms(conn: Connection, user_id: int) -> None:
    """For who will close the account: whoever locks rooms and accounts locks the rooms first."""
    await leaving.hold_all(conn, user_id)


async def leave_all_rooms(conn: Connection, user_id: int) -> None:
    """Of an account that ends. Each room that it owned gets another owner; what it said stays."""
    await leaving.leave_all(conn, user_id)


async def read_room_history(
    conn: Connection, actor: Actor, name: str, *, before: int | datetime, limit: int
) -> tuple[RoomRow, list[Message]]:
    """The newest that match and that the actor may see, oldest first. Raises RoomNotFound."""
    room = await access_room(conn, actor, name)
    messages = await histories.select_room_history(conn, room.id, before, limit)
    # Newest first, so what lies before all that may be seen takes no other one's place.
    visible = [message for message in messages if message.seq > room.visible_from]
    return room, _oldest_first(visible)


async def read_direct_history(
    conn: Connection, actor: Actor, user_id: int, *, before: int | datetime, limit: int
) -> list[Message]:
    """The newest that match, both ways, oldest first. Raises UserNotFound."""
    peer = await access_peer(conn, actor, user_id)
    if peer.conversation_id is None:
        return []
    messages = await histories.select_conversation_history(
        conn, peer.conversation_id, before, limit
    )
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
        return ANY_ID
    if isinstance(before, int):
        return max(0, min(before, ANY_ID))
    text = before.strip()
    if text.isascii() and text.isdecimal():
        # A number of any length: int() has a limit of its own.
        return min(int(text[-19:]) if len(text.lstrip("0")) < 11 else ANY_ID, ANY_ID)
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


def _oldest_first(messages: list[Message]) -> list[Message]:
    return sorted(messages, key=lambda message: message.id)
