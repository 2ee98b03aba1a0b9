"""Frames for what the log of a room or conversation holds."""

from typing import Any

import msgspec

from talas.domains.chat.events.sql import LoggedEvent
from talas.domains.chat.frames import encode_event, encode_frame
from talas.domains.chat.schemas import direct_message, room_message
from talas.domains.chat.sql import Message

MESSAGE = "message"
_GONE = ("left", "removed")


def message_of(event: LoggedEvent) -> Message:
    """The message that a log's entry of kind MESSAGE is, as it is now."""
    assert event.message_id is not None
    assert event.content is not None
    to_user = None
    if event.conversation_id is not None:
        to_user = other_of(event, event.actor_id)
    return Message(
        id=event.message_id,
        seq=event.seq,
        room_id=event.room_id,
        conversation_id=event.conversation_id,
        room=event.room,
        from_user=event.actor_id,
        username=event.username,
        to_user=to_user,
        content=event.content,
        timestamp=event.at,
        client_id=event.client_id,
        reply_to=event.reply_to,
        edited_at=event.edited_at,
        deleted_at=event.deleted_at,
        # What was pinned is told by an event of its own.
        pinned_at=None,
        attachments=event.attachments,
        mentions=event.mentions,
    )


def other_of(event: LoggedEvent, user_id: int) -> int | None:
    """The other side of the event's conversation; oneself, where one talks to oneself."""
    return event.user_high if user_id == event.user_low else event.user_low


def gone_member(event: LoggedEvent) -> tuple[int, str] | None:
    """Who is no member any more by this event, and whether they left or were removed."""
    data = event_data(event) if event.kind == "member" else {}
    return (int(data["user_id"]), data["action"]) if data.get("action") in _GONE else None


def is_deletion(event: LoggedEvent) -> bool:
    """Of the room that it stands in."""
    return event.kind == "room" and event_data(event).get("action") == "deleted"


def event_frame(event: LoggedEvent, *, visible_from: int = 0) -> bytes:
    """For who sees what lies after ``visible_from``: of a message before that nothing is told but
    that something happened. Messages in conversations are told to their recipients."""
    if event.kind == MESSAGE:
        message = message_of(event)
        if message.room_id is None:
            return encode_frame("dm", direct_message(message, to=None))
        return encode_frame(MESSAGE, room_message(message))
    return encode_event(event.kind, event_data(event, visible_from=visible_from))


def event_data(event: LoggedEvent, *, visible_from: int = 0) -> dict[str, Any]:
    data: dict[str, Any] = {"seq": event.seq, "from": event.actor_id, "username": event.username}
    if event.room_id is not None:
        data["room"] = event.room
    else:
        data["to"] = other_of(event, event.actor_id)
    data["timestamp"] = event.at
    if event.message_id is not None:
        data["message_id"] = event.message_id
    if event.message_seq is not None and event.message_seq <= visible_from:
        return data
    if event.data is not None:
        data.update(msgspec.json.decode(event.data))
    if event.about is not None:
        data["name"] = event.about
    if event.kind == "edit":
        data["content"] = event.content
        data["edited_at"] = event.edited_at
        if event.mentions:
            data["mentions"] = event.mentions
        if event.deleted_at is not None:
            data["deleted"] = True
    return data
