"""What is shown and not kept: who types, what was read, who is here, what to look at."""

from typing import Any

import msgspec
import structlog

from talas.core.database import is_unavailable
from talas.core.events import EPHEMERAL
from talas.domains.chat.frames import encode_frame
from talas.domains.chat.hub import Member, hint_to_all
from talas.domains.chat.node import Node
from talas.domains.notifications import service as notifications

TYPING_EVERY_S = 3.0
_MAX_PLACES = 64

log = structlog.get_logger()


class TypingData(msgspec.Struct, omit_defaults=True, kw_only=True):
    """In a ``room``, or ``to`` a user."""

    from_user: int = msgspec.field(name="from")
    username: str
    room: str | None = None
    to: int | None = None


class ReadData(msgspec.Struct, omit_defaults=True, kw_only=True):
    """In a ``room``, or in the conversation ``with_user``, seen from who is shown it."""

    user_id: int
    seq: int
    room: str | None = None
    with_user: int | None = msgspec.field(name="with", default=None)


def may_type(member: Member, place: tuple[str, int], now: float) -> bool:
    """Once in three seconds for each user and place."""
    typed = member.user.typed = member.user.typed or {}
    if now - typed.get(place, -TYPING_EVERY_S) < TYPING_EVERY_S:
        return False
    if len(typed) >= _MAX_PLACES:
        typed.clear()
    typed[place] = now
    return True


def tell_typing(node: Node, member: Member, *, room_id: int | None, to: int | None) -> None:
    who = {"user_id": member.user.id, "username": member.actor.username}
    node.bus.send(EPHEMERAL, {"kind": "typing", "room_id": room_id, "to": to, **who})


def socket_name(node: Node, member: Member) -> str:
    """What a socket is called among those that are open in all processes."""
    return f"{node.id}/{id(member):x}"


def show_hint(node: Node, event: dict[str, Any]) -> None:
    """See EPHEMERAL."""
    match event.get("kind"):
        case "presence":
            node.presence.heard(event)
        case "typing":
            _show_typing(node, event)
        case "read":
            _show_read(node, event)
        case "compare":
            node.follower.compare_soon()
        case "notification" if node.hub.is_online(event["user_id"]):
            node.spawn(_show_notification(node, event["user_id"], event["notification_id"]))


def _show_typing(node: Node, event: dict[str, Any]) -> None:
    user_id, username = event["user_id"], event["username"]
    room = node.hub.rooms.get(event.get("room_id") or 0)
    if room is not None:
        frame = encode_frame(
            "typing", TypingData(from_user=user_id, username=username, room=room.name)
        )
        hint_to_all([m for m in room.listeners if m.user.id != user_id], frame)
    elif event.get("to"):
        to = event["to"]
        frame = encode_frame("typing", TypingData(from_user=user_id, username=username, to=to))
        hint_to_all(_listening(node, to), frame)


def _show_read(node: Node, event: dict[str, Any]) -> None:
    user_id, seq = event["user_id"], event["seq"]
    others = [s for s in _listening(node, user_id) if socket_name(node, s) != event.get("origin")]
    if event.get("room_id"):
        room = node.hub.rooms.get(event["room_id"])
        name = room.name if room is not None else event.get("room")
        if name is not None:
            hint_to_all(others, encode_frame("read", ReadData(user_id=user_id, seq=seq, room=name)))
        return
    other = event["other_id"]
    frame = encode_frame("read", ReadData(user_id=user_id, seq=seq, with_user=other))
    hint_to_all(others, frame)
    if event.get("shared") and other != user_id:
        frame = encode_frame("read", ReadData(user_id=user_id, seq=seq, with_user=user_id))
        hint_to_all(_listening(node, other), frame)


async def _show_notification(node: Node, user_id: int, notification_id: int) -> None:
    try:
        async with node.db.connection() as conn:
            shown = await notifications.show(conn, [notification_id])
    except Exception as error:
        if not is_unavailable(error):
            log.exception("chat.notification_not_shown")
        return
    for notification in shown:
        hint_to_all(_listening(node, user_id), encode_frame("notification", notification))


def _listening(node: Node, user_id: int) -> list[Member]:
    user = node.hub.users.get(user_id)
    return [] if user is None else [s for s in user.sockets if s.version >= 2]
