"""What a socket does to messages: one service function for each kind of request."""

from typing import Any

from talas.core.database import Connection
from talas.core.sessions import Actor
from talas.domains.chat.access import access_peer
from talas.domains.chat.errors import UserNotFound
from talas.domains.chat.event_frames import event_data
from talas.domains.chat.events import sql as events
from talas.domains.chat.messages import service as messages
from talas.domains.chat.messages.service import Change as Changed
from talas.domains.chat.schemas import Change, Delete, Edit, Pin, React, Unpin, Unreact
from talas.domains.chat.sql import (
    select_is_blocked,
    select_message,
    select_room_by_id,
    select_speakers,
)


async def change(conn: Connection, actor: Actor, request: Change, *, address: str) -> Changed:
    """To be called in a transaction."""
    message_id = request.message_id
    match request:
        case Edit():
            return await messages.edit_message(conn, actor, message_id, request.content)
        case Delete():
            return await messages.delete_message(conn, actor, message_id, address=address)
        case React():
            return await messages.react(conn, actor, message_id, request.emoji)
        case Unreact():
            return await messages.unreact(conn, actor, message_id, request.emoji)
        case Pin():
            return await messages.pin(conn, actor, message_id)
        case Unpin():
            return await messages.unpin(conn, actor, message_id)


async def read_event(conn: Connection, changed: Changed) -> dict[str, Any]:
    """What the log says of a change; of what was so already, only that."""
    nothing = {"message_id": changed.message_id, "seq": changed.seq, "duplicate": True}
    message = await select_message(conn, changed.message_id)
    if message is None or not changed.happened:
        return nothing
    after = [changed.seq - 1]
    if message.room_id is not None:
        found = await events.select_room_events_after(conn, [message.room_id], after, 1)
    else:
        place = [message.conversation_id or 0]
        found = await events.select_conversation_events_after(conn, place, after, 1)
    return event_data(found[0]) if found else nothing


async def check_may_signal(conn: Connection, actor: Actor, user_id: int) -> None:
    """Raises UserNotFound for who is not there, or does not want to hear of the actor."""
    peer = await access_peer(conn, actor, user_id)
    if peer.status != "active" or await select_is_blocked(conn, user_id, actor.user_id):
        raise UserNotFound


async def may_signal_in(conn: Connection, actor: Actor, room_id: int) -> bool:
    """Whether the actor could say something in the room; slow mode does not count."""
    room = await select_room_by_id(conn, room_id, actor.user_id)
    if room is None or room.closed:
        return False
    seat = (room_id, actor.user_id)
    speaker = (await select_speakers(conn, [seat[0]], [seat[1]])).get(seat)
    return speaker is not None and speaker.muted_until is None
