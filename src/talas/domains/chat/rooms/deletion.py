"""Rooms go: at once for everybody, what was said in them bit by bit."""

from collections.abc import Awaitable, Callable

from talas.core.database import Connection
from talas.core.errors import Conflict
from talas.core.permissions import Permission, holds
from talas.core.sessions import Actor
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.chat.access import GENERAL, access_locked_room, name_key, require_owner
from talas.domains.chat.events.service import append_room_event
from talas.domains.chat.rooms import sql

# Each statement ends well before the database cancels it.
MEMBERS_AT_ONCE = 20_000
MESSAGES_AT_ONCE = 5_000
ROOMS_AT_ONCE = 100

DeleteSome = Callable[[Connection, int, int], Awaitable[int]]


async def delete_room(conn: Connection, actor: Actor, name: str, *, address: str) -> None:
    """By its owner, and by administrators. Raises RoomNotFound, Forbidden, and Conflict for the
    room general."""
    room = await access_locked_room(conn, actor, name, beyond=Permission.DELETE_ROOMS)
    if not holds(actor.role, Permission.DELETE_ROOMS):
        require_owner(room)
    if name_key(room.name) == GENERAL:
        raise Conflict(f"The room {GENERAL} cannot be deleted")
    await remove_room(conn, room.id, actor_id=actor.user_id)
    by = Administrator.of(actor, address=address)
    before = {"name": room.name, "kind": room.kind, "is_private": room.is_private}
    await write_audit(conn, by, "room.delete", room.id, before=before)


async def remove_room(conn: Connection, room_id: int, *, actor_id: int) -> None:
    """The room is locked. Nobody finds it afterwards; its messages go by and by."""
    await append_room_event(conn, room_id, "room", actor_id=actor_id, data={"action": "deleted"})
    await sql.update_deleted(conn, room_id)
    await _delete_all(conn, room_id, sql.delete_some_members, MEMBERS_AT_ONCE)
    await _delete_all(conn, room_id, sql.delete_some_notifications, MEMBERS_AT_ONCE)
    await sql.delete_doors(conn, room_id)


async def purge_deleted_rooms(conn: Connection) -> None:
    """On a connection that is in no transaction, so that what was begun need not be done again.
    Several at once only share the work."""
    last_id = 0
    while room_ids := await sql.select_deleted_rooms(conn, after=last_id, limit=ROOMS_AT_ONCE):
        last_id = room_ids[-1]
        for room_id in room_ids:
            await _delete_all(conn, room_id, sql.delete_some_events, MESSAGES_AT_ONCE)
            await _delete_all(conn, room_id, sql.delete_some_messages, MESSAGES_AT_ONCE)
            await sql.delete_room(conn, room_id)


async def delete_ended_mutes(conn: Connection) -> None:
    """Of those who have left."""
    await sql.delete_ended_mutes(conn)


async def _delete_all(conn: Connection, room_id: int, delete: DeleteSome, at_once: int) -> None:
    while await delete(conn, room_id, at_once):
        pass
