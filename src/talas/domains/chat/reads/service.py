"""Read marks: they only rise, and never above what there is."""

from typing import Any, NamedTuple

from msgspec import UNSET

from talas.core.database import Connection
from talas.core.errors import FieldError, InvalidData
from talas.core.events import CHAT_CHANNEL, EPHEMERAL, publish
from talas.core.sessions import Actor
from talas.domains.chat.access import access_message, access_peer, access_room
from talas.domains.chat.errors import MessageNotFound, NotJoined
from talas.domains.chat.reads import sql
from talas.domains.chat.reads.schemas import PreferencesChange, ReadUpTo
from talas.domains.chat.reads.sql import Preferences

EVERYTHING = 2**62
_DEFAULT = Preferences(share_reads=True, email_digest=True)


class _Moved(NamedTuple):
    """``name`` is the room's, where it is one."""

    place_id: int | None
    seq: int
    moved: bool
    name: str | None = None


async def read_room(
    conn: Connection, actor: Actor, name: str, body: ReadUpTo, *, origin: str | None = None
) -> int:
    """How far the actor has read now; notifications of what lies before are read too. Where that is
    further than before, the actor's sockets hear of it, but for the one that is the ``origin``.

    Raises RoomNotFound, NotJoined, InvalidData for a negative number, and MessageNotFound for a
    message that does not stand in the room.
    """
    body.check()
    seq = EVERYTHING if body.seq is None else body.seq
    if body.message_id is not None:
        room = await access_room(conn, actor, name)
        message = await access_message(conn, actor, body.message_id)
        if message.room_id != room.id:
            raise MessageNotFound
        seq = message.seq
    mark = await _mark_room(conn, actor, name, seq)
    if mark.moved:
        where = {"room_id": mark.place_id, "room": mark.name, "origin": origin}
        await _tell(conn, actor, seq=mark.seq, shared=False, **where)
    return mark.seq


async def read_conversation(
    conn: Connection, actor: Actor, user_id: int, body: ReadUpTo, *, origin: str | None = None
) -> int:
    """As ``read_room``; the other side's sockets hear of it too, if they may. Raises UserNotFound,
    InvalidData, MessageNotFound."""
    body.check()
    seq = EVERYTHING if body.seq is None else body.seq
    if body.message_id is not None:
        peer = await access_peer(conn, actor, user_id)
        message = await access_message(conn, actor, body.message_id)
        if message.conversation_id is None or message.conversation_id != peer.conversation_id:
            raise MessageNotFound
        seq = message.seq
    mark = await _mark_conversation(conn, actor, user_id, seq)
    if mark.moved:
        shared = await sql.select_shares_reads(conn, actor.user_id, user_id)
        where = {"other_id": user_id, "origin": origin}
        await _tell(conn, actor, seq=mark.seq, shared=shared, **where)
    return mark.seq


async def load_preferences(conn: Connection, actor: Actor) -> Preferences:
    return await sql.select_preferences(conn, actor.user_id) or _DEFAULT


async def change_preferences(
    conn: Connection, actor: Actor, change: PreferencesChange
) -> Preferences:
    """As they are afterwards."""
    return await sql.upsert_preferences(
        conn,
        actor.user_id,
        share_reads=None if change.share_reads is UNSET else change.share_reads,
        email_digest=None if change.email_digest is UNSET else change.email_digest,
    )


async def _mark_room(conn: Connection, actor: Actor, name: str, seq: int) -> _Moved:
    seq = _check_seq(seq)
    room = await access_room(conn, actor, name)
    mark = await sql.lock_room_mark(conn, room.id, actor.user_id)
    if mark is None:
        raise NotJoined
    seq = min(seq, mark.seq)
    if seq <= mark.read_seq:
        return _Moved(room.id, mark.read_seq, moved=False)
    await sql.update_room_mark(conn, room.id, actor.user_id, seq)
    await sql.update_room_notifications(conn, actor.user_id, room.id, seq)
    return _Moved(room.id, seq, moved=True, name=room.name)


async def _mark_conversation(conn: Connection, actor: Actor, user_id: int, seq: int) -> _Moved:
    seq = _check_seq(seq)
    peer = await access_peer(conn, actor, user_id)
    if peer.conversation_id is None:
        return _Moved(None, 0, moved=False)
    place_id = peer.conversation_id
    moved = await sql.upsert_conversation_mark(conn, place_id, actor.user_id, seq)
    if moved is None:
        present = await sql.select_conversation_mark(conn, place_id, actor.user_id)
        return _Moved(place_id, present, moved=False)
    await sql.update_conversation_notifications(conn, actor.user_id, place_id, moved)
    return _Moved(place_id, moved, moved=moved > 0)


async def _tell(conn: Connection, actor: Actor, **mark: Any) -> None:
    """``room_id`` and the name of the ``room``, or ``other_id``; ``seq``; whether the other side
    may hear of it; and which socket knows it."""
    await publish(conn, EPHEMERAL, CHAT_CHANNEL, kind="read", user_id=actor.user_id, **mark)


def _check_seq(seq: int) -> int:
    if seq < 0:
        raise InvalidData.of(FieldError("seq", "seq must be a whole number, 0 or more"))
    return min(seq, EVERYTHING)
