"""Bodies and answers of the HTTP routes, and the JSON of the socket's frames."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from talas.domains.chat.sql import Message

DEFAULT_HISTORY = 50
MAX_HISTORY = 200

RequestId = int | str | None


class Reaction(msgspec.Struct, frozen=True):
    """``mine``: who asks is one of the ``count``."""

    emoji: str
    count: int
    mine: bool


Attachments = msgspec.Raw | None
"""A list, kept as JSON and shown as it was kept."""


class HistoryMessage(msgspec.Struct, omit_defaults=True):
    """A message as the HTTP routes show it. A deleted one has no content."""

    id: int
    from_user: int
    username: str
    content: str
    timestamp: datetime
    seq: int
    to_user: int | None = None
    client_id: UUID | None = None
    reply_to: int | None = None
    edited_at: datetime | None = None
    deleted: bool = False
    pinned: bool = False
    mentions: list[int] | None = None
    reactions: list[Reaction] | None = None
    attachments: list[dict[str, int | str | float | None]] | None = None

    @classmethod
    def of(cls, message: Message, reactions: list[Reaction] | None = None) -> "HistoryMessage":
        attached = message.attachments
        return cls(
            from_user=message.from_user,
            to_user=message.to_user,
            attachments=msgspec.json.decode(attached) if attached else None,
            **_said(message, reactions),
        )


class _Request(msgspec.Struct, tag_field="type"):
    """What a client may send; ``id`` comes back in the answer."""


class Join(_Request, tag="join"):
    room: str
    since: int | None = None
    id: RequestId = None


class Leave(_Request, tag="leave"):
    room: str
    id: RequestId = None


class SendMessage(_Request, tag="message"):
    room: str
    content: str
    id: RequestId = None
    client_id: UUID | None = None
    reply_to: int | None = None
    attachments: list[Any] | None = None


class SendDirect(_Request, tag="dm"):
    to: int
    content: str
    id: RequestId = None
    client_id: UUID | None = None
    reply_to: int | None = None
    attachments: list[Any] | None = None


class Edit(_Request, tag="edit"):
    message_id: int
    content: str
    id: RequestId = None


class Delete(_Request, tag="delete"):
    message_id: int
    id: RequestId = None


class React(_Request, tag="react"):
    message_id: int
    emoji: str
    id: RequestId = None


class Unreact(_Request, tag="unreact"):
    message_id: int
    emoji: str
    id: RequestId = None


class Pin(_Request, tag="pin"):
    message_id: int
    id: RequestId = None


class Unpin(_Request, tag="unpin"):
    message_id: int
    id: RequestId = None


class Typing(_Request, tag="typing"):
    """In a room or to a user: one of the two."""

    room: str | None = None
    to: int | None = None
    id: RequestId = None


class Read(_Request, tag="read"):
    """Up to ``seq`` in a room or with a user: one of the two."""

    seq: int
    room: str | None = None
    user_id: int | None = msgspec.field(name="with", default=None)
    id: RequestId = None


class RoomHistory(_Request, tag="room_history"):
    room: str
    limit: int = DEFAULT_HISTORY
    before: int | str | None = None
    id: RequestId = None


class DirectHistory(_Request, tag="dm_history"):
    user_id: int = msgspec.field(name="with")
    limit: int = DEFAULT_HISTORY
    before: int | str | None = None
    since: int | None = None
    id: RequestId = None


class Authenticate(_Request, tag="auth"):
    token: str
    id: RequestId = None


class Ping(_Request, tag="ping"):
    id: RequestId = None


Change = Edit | Delete | React | Unreact | Pin | Unpin
"""What is done to a message."""

SocketRequest = (
    Join
    | Leave
    | SendMessage
    | SendDirect
    | RoomHistory
    | DirectHistory
    | Edit
    | Delete
    | React
    | Unreact
    | Pin
    | Unpin
    | Typing
    | Read
    | Authenticate
    | Ping
)


class MessageData(msgspec.Struct, omit_defaults=True):
    """A room's message as the socket shows it, live and in histories."""

    room: str | None
    from_user: int = msgspec.field(name="from")
    username: str
    content: str
    timestamp: datetime
    id: int
    seq: int
    client_id: UUID | None = None
    reply_to: int | None = None
    edited_at: datetime | None = None
    deleted: bool = False
    pinned: bool = False
    mentions: list[int] | None = None
    reactions: list[Reaction] | None = None
    attachments: Attachments = None


class DirectData(msgspec.Struct, omit_defaults=True):
    """``to`` stands in the sender's copies and in histories."""

    from_user: int = msgspec.field(name="from")
    username: str
    content: str
    timestamp: datetime
    id: int
    seq: int
    to: int | None = None
    client_id: UUID | None = None
    reply_to: int | None = None
    edited_at: datetime | None = None
    deleted: bool = False
    pinned: bool = False
    mentions: list[int] | None = None
    reactions: list[Reaction] | None = None
    attachments: Attachments = None


class JoinedData(msgspec.Struct):
    room: str
    status: str = "ok"
    id: int | str | UnsetType = UNSET
    seq: int | UnsetType = UNSET
    recovered: bool | UnsetType = UNSET


class LeftData(msgspec.Struct):
    room: str
    id: int | str | UnsetType = UNSET


class RoomHistoryData(msgspec.Struct):
    room: str
    messages: list[MessageData]
    seq: int | UnsetType = UNSET
    id: int | str | UnsetType = UNSET


class DirectHistoryData(msgspec.Struct):
    user_id: int = msgspec.field(name="with")
    messages: list[DirectData]
    seq: int | UnsetType = UNSET
    id: int | str | UnsetType = UNSET
    recovered: bool | UnsetType = UNSET
    events: list[dict[str, Any]] | UnsetType = UNSET


class AckData(msgspec.Struct):
    id: RequestId
    client_id: UUID | None
    message_id: int
    seq: int
    duplicate: bool


class AuthenticatedData(msgspec.Struct):
    expires_at: datetime
    id: int | str | UnsetType = UNSET


class RequestIdData(msgspec.Struct):
    id: int | str


class ErrorData(msgspec.Struct):
    message: str
    code: str
    id: int | str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


def room_message(message: Message, reactions: list[Reaction] | None = None) -> MessageData:
    return MessageData(
        room=message.room,
        from_user=message.from_user,
        attachments=_raw(message.attachments),
        **_said(message, reactions),
    )


def direct_message(
    message: Message, *, to: int | None, reactions: list[Reaction] | None = None
) -> DirectData:
    return DirectData(
        from_user=message.from_user,
        to=to,
        attachments=_raw(message.attachments),
        **_said(message, reactions),
    )


def _said(message: Message, reactions: list[Reaction] | None) -> dict[str, Any]:
    return {
        "username": message.username,
        "content": message.content,
        "timestamp": message.timestamp,
        "id": message.id,
        "seq": message.seq,
        "client_id": message.client_id,
        "reply_to": message.reply_to,
        "edited_at": message.edited_at,
        "deleted": message.deleted_at is not None,
        "pinned": message.pinned_at is not None,
        "mentions": message.mentions or None,
        "reactions": reactions or None,
    }


def _raw(json: str | None) -> Attachments:
    return None if json is None else msgspec.Raw(json.encode())
