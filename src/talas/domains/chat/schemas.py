"""Bodies and answers of the HTTP routes, and the JSON of the socket's frames."""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from talas.domains.chat.sql import Message

DEFAULT_HISTORY = 50
MAX_HISTORY = 200

RequestId = int | str | None


class CreateRoom(msgspec.Struct):
    name: str
    description: str | None = None
    is_private: bool = False


class HistoryMessage(msgspec.Struct, omit_defaults=True):
    """A message as the HTTP histories show it."""

    id: int
    from_user: int
    username: str
    content: str
    timestamp: datetime
    seq: int
    to_user: int | None = None
    client_id: UUID | None = None
    reply_to: int | None = None

    @classmethod
    def of(cls, message: Message) -> "HistoryMessage":
        return cls(
            id=message.id,
            from_user=message.from_user,
            username=message.username,
            content=message.content,
            timestamp=message.timestamp,
            seq=message.seq,
            to_user=message.to_user,
            client_id=message.client_id,
            reply_to=message.reply_to,
        )


class _Request(msgspec.Struct, tag_field="type"):
    """What a client may send; ``id`` comes back in the answer."""


class Join(_Request, tag="join"):
    room: str
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


class SendDirect(_Request, tag="dm"):
    to: int
    content: str
    id: RequestId = None
    client_id: UUID | None = None
    reply_to: int | None = None


class RoomHistory(_Request, tag="room_history"):
    room: str
    limit: int = DEFAULT_HISTORY
    before: int | str | None = None
    id: RequestId = None


class DirectHistory(_Request, tag="dm_history"):
    user_id: int = msgspec.field(name="with")
    limit: int = DEFAULT_HISTORY
    before: int | str | None = None
    id: RequestId = None


class Authenticate(_Request, tag="auth"):
    token: str
    id: RequestId = None


class Ping(_Request, tag="ping"):
    id: RequestId = None


SocketRequest = (
    Join | Leave | SendMessage | SendDirect | RoomHistory | DirectHistory | Authenticate | Ping
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


class JoinedData(msgspec.Struct):
    room: str
    status: str = "ok"
    id: int | str | UnsetType = UNSET


class LeftData(msgspec.Struct):
    room: str
    id: int | str | UnsetType = UNSET


class RoomHistoryData(msgspec.Struct):
    room: str
    messages: list[MessageData]
    id: int | str | UnsetType = UNSET


class DirectHistoryData(msgspec.Struct):
    user_id: int = msgspec.field(name="with")
    messages: list[DirectData]
    id: int | str | UnsetType = UNSET


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


def room_message(message: Message) -> MessageData:
    return MessageData(
        room=message.room,
        from_user=message.from_user,
        username=message.username,
        content=message.content,
        timestamp=message.timestamp,
        id=message.id,
        seq=message.seq,
        client_id=message.client_id,
        reply_to=message.reply_to,
    )


def direct_message(message: Message, *, to: int | None) -> DirectData:
    return DirectData(
        from_user=message.from_user,
        username=message.username,
        content=message.content,
        timestamp=message.timestamp,
        id=message.id,
        seq=message.seq,
        to=to,
        client_id=message.client_id,
        reply_to=message.reply_to,
    )
