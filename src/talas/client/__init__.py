"""A client of the chat: ``Chat``, the events that it tells of, and what it raises.

It depends on nothing of the server, only on ``websockets`` and ``msgspec``.
"""

from talas.client.chat import Ack, Chat
from talas.client.errors import (
    CannotConnect,
    ChatClosed,
    ChatError,
    Ended,
    NotReading,
    Refused,
    SignedOut,
    Unanswered,
)
from talas.client.events import (
    Connected,
    Deleted,
    Direct,
    Disconnected,
    Edited,
    Error,
    Event,
    Gap,
    MemberChanged,
    Message,
    Notification,
    Other,
    Pinned,
    Presence,
    Reacted,
    Read,
    RoomChanged,
    RoomLost,
    TrackChanged,
    Typing,
)
from talas.client.pace import Backoff
from talas.client.rest import Api, SignedIn

__all__ = [
    "Ack",
    "Api",
    "Backoff",
    "CannotConnect",
    "Chat",
    "ChatClosed",
    "ChatError",
    "Connected",
    "Deleted",
    "Direct",
    "Disconnected",
    "Edited",
    "Ended",
    "Error",
    "Event",
    "Gap",
    "MemberChanged",
    "Message",
    "NotReading",
    "Notification",
    "Other",
    "Pinned",
    "Presence",
    "Reacted",
    "Read",
    "Refused",
    "RoomChanged",
    "RoomLost",
    "SignedIn",
    "SignedOut",
    "TrackChanged",
    "Typing",
    "Unanswered",
]
