"""Messages whose place is locked, given only to who may do something about them."""

import msgspec

from talas.core.database import Connection, is_id
from talas.core.errors import Conflict
from talas.core.sessions import Actor
from talas.domains.chat.access import access_message
from talas.domains.chat.errors import (
    MessageNotFound,
    Muted,
    NotJoined,
    RoomClosed,
    UserNotFound,
)
from talas.domains.chat.messages import sql
from talas.domains.chat.messages.sql import HeldConversation
from talas.domains.chat.sql import (
    MessageRow,
    RoomRow,
    lock_room,
    select_message,
    select_room_by_id,
    select_speakers,
)


class Held(msgspec.Struct, frozen=True):
    """A message whose room or conversation is locked: all this is so until the transaction ends."""

    message: MessageRow
    room: RoomRow | None
    conversation: HeldConversation | None

    @property
    def seq(self) -> int:
        """What the place has come to."""
        place = self.room or self.conversation
        return place.seq if place else 0


async def hold_message(conn: Connection, actor: Actor, message_id: int) -> Held:
    """One that the actor may see. Raises MessageNotFound."""
    seen = await access_message(conn, actor, message_id)
    await _lock_place(conn, seen, actor.user_id)
    # Rights and content as they are under the lock.
    message = await access_message(conn, actor, message_id)
    return await _held(conn, actor, message)


async def hold_any_message(conn: Connection, actor: Actor, message_id: int) -> Held:
    """For who moderates all messages: also one that the actor may not see. Raises
    MessageNotFound."""
    seen = await select_message(conn, message_id) if is_id(message_id) else None
    if seen is None:
        raise MessageNotFound
    await _lock_place(conn, seen, actor.user_id)
    message = await select_message(conn, message_id)
    if message is None:
        raise MessageNotFound
    return await _held(conn, actor, message)


async def _lock_place(conn: Connection, message: MessageRow, user_id: int) -> None:
    if message.room_id is not None:
        await lock_room(conn, message.room_id)
    elif message.conversation_id is not None:
        await sql.lock_conversation(conn, message.conversation_id, user_id)


async def _held(conn: Connection, actor: Actor, message: MessageRow) -> Held:
    room = conversation = None
    if message.room_id is not None:
        room = await select_room_by_id(conn, message.room_id, actor.user_id)
    elif message.conversation_id is not None:
        conversation = await sql.lock_conversation(conn, message.conversation_id, actor.user_id)
    if room is None and conversation is None:
        raise MessageNotFound
    return Held(message, room, conversation)


async def check_may_speak(conn: Connection, actor: Actor, held: Held) -> None:
    """What is refused where a message would be: raises NotJoined, RoomClosed, Muted, and
    UserNotFound for who is blocked by the other side of a conversation."""
    if held.conversation is not None and held.conversation.blocked:
        raise UserNotFound
    if held.room is None:
        return
    seat = (held.room.id, actor.user_id)
    speaker = (await select_speakers(conn, [seat[0]], [seat[1]])).get(seat)
    if speaker is None:
        raise NotJoined
    if held.room.closed:
        raise RoomClosed
    if speaker.muted_until is not None:
        raise Muted(speaker.muted_until, speaker.muted_for_s)


def check_not_deleted(held: Held) -> None:
    """Raises Conflict."""
    if held.message.deleted_at is not None:
        raise Conflict("The message has been deleted", code="message_deleted")
