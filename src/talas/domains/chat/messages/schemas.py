"""What the routes about single messages take and give."""

from typing import Any
from uuid import UUID

import msgspec

from talas.domains.chat.schemas import HistoryMessage, Reaction
from talas.domains.chat.sql import Message


class EditMessage(msgspec.Struct):
    content: str


class NewMessage(msgspec.Struct):
    """Who sends a ``client_id`` again gets the first one's answer. ``attachments`` are ids of own
    uploads, or ``{"type": "file" or "track", "id": …}``."""

    content: str
    client_id: UUID | None = None
    reply_to: int | None = None
    attachments: list[int | dict[str, Any]] | None = None


class PlacedMessage(HistoryMessage, omit_defaults=True, kw_only=True):
    """A message with where it stands: in ``room``, or between ``from_user`` and ``to_user``."""

    room: str | None = None

    @classmethod
    def in_place(cls, message: Message, reactions: list[Reaction] | None = None) -> "PlacedMessage":
        shown = msgspec.structs.asdict(HistoryMessage.of(message, reactions))
        return cls(**shown, room=message.room)
