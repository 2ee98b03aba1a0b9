"""What a chat tells of: one struct for each kind of frame, and a few that the client adds."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Reaction(_Event, frozen=True, kw_only=True):
    emoji: str
    count: int
    mine: bool = False


class _Said(_Event, frozen=True, kw_only=True):
    """``edited_at``: what is said is not what was said first. ``deleted``: ``content`` is empty.
    ``attachments`` as the server describes them; ``reactions`` in histories only."""

    from_user: int = msgspec.field(name="from")
    username: str
    content: str
    timestamp: datetime
    id: int
    seq: int
    client_id: UUID | None = None
    reply_to: int | None = None
    attachments: tuple[dict[str, Any], ...] = ()
    mentions: tuple[int, ...] = ()
    edited_at: datetime | None = None
    deleted: bool = False
    pinned: bool = False
    reactions: tuple[Reaction, ...] = ()


class Message(_Said, frozen=True, kw_only=True):
    """Said in a room."""

    room: str


class Direct(_Said, frozen=True, kw_only=True):
    """Said between two; ``peer`` is the other one, whoever wrote."""

    to: int | None = None
    peer: int = 0


class _Change(_Event, frozen=True, kw_only=True):
    """Something that took a ``seq``: in ``room``, or else in the conversation with ``peer``.
    ``from_user`` did it."""

    seq: int
    from_user: int = msgspec.field(name="from")
    username: str = ""
    timestamp: datetime
    room: str | None = None
    to: int | None = None
    peer: int | None = None


class Edited(_Change, frozen=True, kw_only=True):
    """``content`` is None where the message lies before what one can see."""

    message_id: int
    content: str | None = None
    edited_at: datetime | None = None


class Deleted(_Change, frozen=True, kw_only=True):
    message_id: int


class Reacted(_Change, frozen=True, kw_only=True):
    """``added`` is False when the reaction was taken back. ``emoji`` is None where the message
    lies before what one can see."""

    message_id: int
    emoji: str | None = None
    added: bool = True


class Pinned(_Change, frozen=True, kw_only=True):
    """``pinned`` is False when it was unpinned."""

    message_id: int
    pinned: bool = True


class MemberChanged(_Change, frozen=True, kw_only=True):
    """``action``: joined, added, left, removed, role, muted or unmuted. ``user_id`` is whom it is
    about."""

    action: str
    user_id: int
    name: str = ""
    role: str | None = None
    until: datetime | None = None


class RoomChanged(_Change, frozen=True, kw_only=True):
    """``action``: changed, closed, reopened or deleted; the rest is what changed, or UNSET."""

    action: str
    name: str | msgspec.UnsetType = msgspec.UNSET
    renamed_from: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    is_private: bool | msgspec.UnsetType = msgspec.UNSET
    history: str | msgspec.UnsetType = msgspec.UNSET
    slow_mode_s: int | msgspec.UnsetType = msgspec.UNSET
    title: str | msgspec.UnsetType | None = msgspec.UNSET


class Typing(_Event, frozen=True, kw_only=True):
    """In ``room``, or else in the conversation with ``from_user``."""

    from_user: int = msgspec.field(name="from")
    username: str = ""
    room: str | None = None


class Read(_Event, frozen=True, kw_only=True):
    """``user_id`` has read up to ``seq``, in ``room`` or in the conversation with ``peer``."""

    user_id: int
    seq: int
    room: str | None = None
    peer: int | None = msgspec.field(name="with", default=None)


class Presence(_Event, frozen=True, kw_only=True):
    """``whole``: ``online`` is everybody who is here; else it is who came and ``offline`` who
    went. ``Chat.presence`` keeps the sum."""

    room: str
    online: tuple[int, ...] = ()
    offline: tuple[int, ...] = ()
    count: int | None = None
    whole: bool = False


class Notification(_Event, frozen=True, kw_only=True):
    """``data`` as in ``GET /notifications``."""

    data: dict[str, Any]


class TrackChanged(_Event, frozen=True, kw_only=True):
    """A track of one's own became ready or failed; ``data`` as the server tells it."""

    data: dict[str, Any]


class Error(_Event, frozen=True, kw_only=True):
    """A refusal that answers none of the client's requests."""

    message: str
    code: str = ""
    retry_after_ms: int | None = None


class Other(_Event, frozen=True, kw_only=True):
    """A frame of a kind that this client does not know."""

    type: str
    data: Any = None
    seq: int | None = None
    room: str | None = None


class Connected(_Event, frozen=True, kw_only=True):
    """``again`` from the second time on: what was missed follows, and then what happens."""

    again: bool


class Disconnected(_Event, frozen=True, kw_only=True):
    """``code`` is the close code, or None where the network failed; the client comes back in
    ``retry_in_s`` seconds."""

    code: int | None
    reason: str
    retry_in_s: float


class Gap(_Event, frozen=True, kw_only=True):
    """Of ``first`` to ``last`` in ``room``, or with ``peer``, ``missing`` could not be had. Those
    of them that could follow as events of their own. What is missing may be messages, or changes
    of messages that one has seen: read again what has to be right."""

    room: str | None
    peer: int | None
    first: int
    last: int
    missing: int


class RoomLost(_Event, frozen=True, kw_only=True):
    """The room could not be joined again and is no longer followed."""

    room: str
    code: str
    message: str


Event = (
    Message
    | Direct
    | Edited
    | Deleted
    | Reacted
    | Pinned
    | MemberChanged
    | RoomChanged
    | Typing
    | Read
    | Presence
    | Notification
    | TrackChanged
    | Error
    | Other
    | Connected
    | Disconnected
    | Gap
    | RoomLost
)
Sequenced = (
    Message | Direct | Edited | Deleted | Reacted | Pinned | MemberChanged | RoomChanged | Other
)

_KINDS: Mapping[str, type[msgspec.Struct]] = {
    "message": Message,
    "dm": Direct,
    "edit": Edited,
    "delete": Deleted,
    "react": Reacted,
    "unreact": Reacted,
    "pin": Pinned,
    "unpin": Pinned,
    "member": MemberChanged,
    "room": RoomChanged,
    "typing": Typing,
    "read": Read,
    "presence": Presence,
    "error": Error,
}
_MARKS: Mapping[str, dict[str, Any]] = {"unreact": {"added": False}, "unpin": {"pinned": False}}


def read_event(kind: str, data: Any, *, me: int) -> Event:
    """``me`` is the signed-in user: a conversation is named by the other one.

    What does not have the shape that its kind should have is an ``Other``.
    """
    if kind in ("notification", "track") and isinstance(data, dict):
        return (Notification if kind == "notification" else TrackChanged)(data=data)
    expected = _KINDS.get(kind)
    if expected is None:
        return _other(kind, data)
    try:
        event: Any = msgspec.convert(data, expected)
    except msgspec.ValidationError:
        return _other(kind, data)
    changes = dict(_MARKS.get(kind, {}))
    if isinstance(event, Direct) or (isinstance(event, _Change) and event.room is None):
        # Only the sender's copies need say for whom they are.
        changes["peer"] = event.from_user if event.from_user != me else (event.to or me)
    found: Event = msgspec.structs.replace(event, **changes) if changes else event
    return found


def _other(kind: str, data: Any) -> Other:
    fields = data if isinstance(data, dict) else {}
    seq, room = fields.get("seq"), fields.get("room")
    return Other(
        type=kind,
        data=data,
        seq=seq if type(seq) is int else None,
        room=room if isinstance(room, str) else None,
    )
