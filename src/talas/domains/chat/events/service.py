"""How anything but a message enters the log of a room or conversation, and how the chat processes
learn of it."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from talas.core.database import Connection
from talas.core.errors import NotFound
from talas.core.events import CHAT_CHANNEL, publish
from talas.domains.chat.errors import RoomNotFound
from talas.domains.chat.events import sql

TOPS = "chat.tops"
"""``{node, rooms: [[id, seq]], conversations: [[id, user_low, user_high, first, last]]}``: there is
more in these places. ``node`` is the chat process that knows already, if one does."""

# Below PostgreSQL's 8,000 bytes for a notification.
_ROOMS_AT_ONCE = 300
_CONVERSATIONS_AT_ONCE = 100

RoomTop = tuple[int, int]
ConversationTop = tuple[int, int, int, int, int]


async def append_room_event(
    conn: Connection,
    room_id: int,
    kind: str,
    *,
    actor_id: int,
    message_id: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> int:
    """Takes the room's next ``seq`` and locks the room until the transaction ends; who is
    connected hears of it once that has committed. Raises RoomNotFound.

    ``kind`` is the frame's type, ``data`` what the frame says beside what every frame of the kind
    has. What a message says does not belong there: it is read from the message when shown.
    """
    seq = await sql.insert_room_event(conn, room_id, kind, actor_id, message_id, _json(data))
    if seq is None:
        raise RoomNotFound
    await announce(conn, rooms=[(room_id, seq)])
    return seq


async def append_conversation_event(
    conn: Connection,
    conversation_id: int,
    kind: str,
    *,
    people: tuple[int, int],
    actor_id: int,
    message_id: int | None = None,
    data: Mapping[str, Any] | None = None,
) -> int:
    """As ``append_room_event``; ``people`` are the two of the conversation. Raises NotFound."""
    seq = await sql.insert_conversation_event(
        conn, conversation_id, kind, actor_id, message_id, _json(data)
    )
    if seq is None:
        raise NotFound("Conversation not found")
    low, high = sorted(people)
    await announce(conn, conversations=[(conversation_id, low, high, seq, seq)])
    return seq


async def announce(
    conn: Connection,
    *,
    rooms: Iterable[RoomTop] = (),
    conversations: Iterable[ConversationTop] = (),
    node: str | None = None,
) -> None:
    """Tells the chat processes, when the transaction commits, how far these places have come."""
    for payload in tops(rooms, conversations, node=node):
        await publish(conn, TOPS, CHAT_CHANNEL, **payload)


def tops(
    rooms: Iterable[RoomTop], conversations: Iterable[ConversationTop], *, node: str | None
) -> list[dict[str, Any]]:
    """Payloads of TOPS, each small enough to be sent."""
    rooms, conversations = list(rooms), list(conversations)
    payloads: list[dict[str, Any]] = [
        {"node": node, "rooms": rooms[start : start + _ROOMS_AT_ONCE]}
        for start in range(0, len(rooms), _ROOMS_AT_ONCE)
    ]
    payloads += [
        {"node": node, "conversations": conversations[start : start + _CONVERSATIONS_AT_ONCE]}
        for start in range(0, len(conversations), _CONVERSATIONS_AT_ONCE)
    ]
    return payloads


def _json(data: Mapping[str, Any] | None) -> str | None:
    return None if data is None else msgspec.json.encode(data).decode()
