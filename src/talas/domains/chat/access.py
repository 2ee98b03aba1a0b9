"""Rooms and conversations, given only to who may see them."""

import unicodedata

from talas.core.database import Connection, is_id
from talas.core.sessions import Actor
from talas.domains.chat import sql
from talas.domains.chat.errors import RoomNotFound, UserNotFound
from talas.domains.chat.sql import Peer, RoomRow

_LONGEST_NAME = 100


def name_key(name: str) -> str:
    """What two names must have in common to be the same: case and composition are ignored."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())


async def access_room(conn: Connection, actor: Actor, name: str) -> RoomRow:
    """Raises RoomNotFound, also for a private room of which the actor is no member."""
    # What no room can be called is not worth a question, and may not be text for PostgreSQL.
    if len(name) > _LONGEST_NAME + 2 or not name.isprintable():
        raise RoomNotFound
    room = await sql.select_room(conn, name_key(name), actor.user_id)
    if room is None or (room.is_private and not room.is_member):
        raise RoomNotFound
    return room


async def access_peer(conn: Connection, actor: Actor, user_id: int) -> Peer:
    """Raises UserNotFound. Who is no longer active is seen by who has talked to them."""
    peer = await sql.select_peer(conn, actor.user_id, user_id) if is_id(user_id) else None
    if peer is None or (peer.status != "active" and peer.conversation_id is None):
        raise UserNotFound
    return peer
