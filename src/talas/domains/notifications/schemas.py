"""What the notification endpoints take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from talas.domains.notifications.sql import ShownRow

MAX_EXCERPT = 200


class Sender(msgspec.Struct, frozen=True):
    id: int
    username: str


class NotifiedMessage(msgspec.Struct, frozen=True):
    """``excerpt`` is how the message begins, at most 200 characters."""

    id: int
    seq: int
    excerpt: str


class Notification(msgspec.Struct, frozen=True):
    """``kind`` is dm, mention, reply or invitation. ``room`` is the room's name, ``message`` what
    was said; both are null where there is none, and once the reader may not see it any more."""

    id: int
    kind: str
    created_at: datetime
    read_at: datetime | None
    sender: Sender = msgspec.field(name="from")
    room: str | None
    message: NotifiedMessage | None

    @classmethod
    def of(cls, row: ShownRow) -> "Notification":
        message = None
        if row.message_id is not None and row.seq is not None:
            message = NotifiedMessage(row.message_id, row.seq, shortened(row.excerpt or ""))
        return cls(
            id=row.id,
            kind=row.kind,
            created_at=row.created_at,
            read_at=row.read_at,
            sender=Sender(row.from_id, row.from_username),
            room=row.room,
            message=message,
        )


class UnreadCount(msgspec.Struct):
    """``unread`` is exact below 1,000; 1000 means so many or more."""

    unread: int


class ReadUpTo(msgspec.Struct):
    """``up_to`` is the id of the newest notification that was read; left out, all were."""

    up_to: Annotated[int, msgspec.Meta(ge=1)] | UnsetType = UNSET


def shortened(text: str) -> str:
    return text if len(text) <= MAX_EXCERPT else text[: MAX_EXCERPT - 1] + "…"
