"""Rooms and conversations, given only to who may see them."""

import unicodedata

from talas.core.database import Connection, is_id
from talas.core.errors import Forbidden
from talas.core.permissions import Permission, holds
from talas.core.sessions import Actor
from talas.domains.chat import sql
from talas.domains.chat.errors import MessageNotFound, RoomNotFound, UserNotFound
from talas.domains.chat.sql import MessageRow, Peer, RoomRow

MAX_ROOM_NAME = 100
OWNER, MODERATOR, MEMBER = "owner", "moderator", "member"
ROOM_ROLES = (OWNER, MODERATOR, MEMBER)
"""From the highest: each may do what the lower ones may."""
GENERAL = "general"
ROOM, GROUP = "room", "group"


def name_key(name: str) -> str:
    """What two names must have in common to be the same. Case, composition, width and how many
    spaces stand together are ignored. Empty for what no room can be called."""
    name = name.strip()
    # The length comes first: composing takes time by the square of it.
    if len(name) > MAX_ROOM_NAME or not name.isprintable():
        return ""
    composed = compose(name)
    if len(composed) > MAX_ROOM_NAME:
        return ""
    return " ".join(compose(composed.casefold()).split())


def compose(name: str) -> str:
    """Characters that are variants of others become those."""
    return unicodedata.normalize("NFKC", name)


async def access_room(conn: Connection, actor: Actor, name: str) -> RoomRow:
    """Raises RoomNotFound, also for a private room of which the actor is no member."""
    return _visible(await _select_room(conn, actor, name))


async def access_locked_room(
    conn: Connection, actor: Actor, name: str, *, beyond: Permission | None = None
) -> RoomRow:
    """As ``access_room``, for what will take a ``seq``: the room is locked until the transaction
    ends, and the row is read under the lock. Who holds the permission ``beyond`` gets private rooms
    of others too."""
    reaches = beyond is not None and holds(actor.role, beyond)
    room = await _select_room(conn, actor, name)
    if not reaches:
        _visible(room)
    return await access_locked_room_by_id(conn, actor, room.id, beyond=beyond)


async def access_locked_room_by_id(
    conn: Connection, actor: Actor, room_id: int, *, beyond: Permission | None = None
) -> RoomRow:
    """As ``access_locked_room``."""
    await sql.lock_room(conn, room_id)
    room = await sql.select_room_by_id(conn, room_id, actor.user_id)
    if room is None:
        raise RoomNotFound
    if beyond is not None and holds(actor.role, beyond):
        return room
    return _visible(room)


async def _select_room(conn: Connection, actor: Actor, name: str) -> RoomRow:
    key = name_key(name)
    # What no room can be called is not worth a question, and may not be text for PostgreSQL.
    room = await sql.select_room(conn, key, actor.user_id) if key else None
    if room is None:
        raise RoomNotFound
    return room


def _visible(room: RoomRow) -> RoomRow:
    if room.is_private and not room.is_member:
        raise RoomNotFound
    return room


def moderates(room: RoomRow) -> bool:
    """Whether the one whom the row is for is the room's owner or one of its moderators."""
    return room.role in (OWNER, MODERATOR)


def require_room_moderator(room: RoomRow) -> None:
    """Raises Forbidden."""
    if not moderates(room):
        raise Forbidden("Only the room's owner and its moderators may do this")


def require_owner(room: RoomRow) -> None:
    """Raises Forbidden."""
    if room.role != OWNER:
        raise Forbidden("Only the room's owner may do this")


def require_may_add(room: RoomRow) -> None:
    """In a group every member may add people. Raises Forbidden."""
    if not (room.kind == GROUP and room.is_member):
        require_room_moderator(room)


async def access_message(conn: Connection, actor: Actor, message_id: int) -> MessageRow:
    """A message of a conversation of the actor's, or of a room that the actor may read, as far back
    as the actor may read it. Tombstones too. Raises MessageNotFound."""
    message = await sql.select_message(conn, message_id) if is_id(message_id) else None
    if message is None:
        raise MessageNotFound
    if message.room_id is None:
        if actor.user_id not in (message.from_user, message.to_user):
            raise MessageNotFound
        return message
    room = await sql.select_room_by_id(conn, message.room_id, actor.user_id)
    if room is None or (room.is_private and not room.is_member) or message.seq <= room.visible_from:
        raise MessageNotFound
    return message


async def access_peer(conn: Connection, actor: Actor, user_id: int) -> Peer:
    """Raises UserNotFound. Who is no longer active is seen by who has talked to them."""
    peer = await sql.select_peer(conn, actor.user_id, user_id) if is_id(user_id) else None
    if peer is None or (peer.status != "active" and peer.conversation_id is None):
        raise UserNotFound
    return peer
