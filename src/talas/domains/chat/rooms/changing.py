"""Rooms change: what they are called and who may do what in them; they close and open again."""

from typing import Any

import asyncpg
import msgspec

from talas.core.database import Connection
from talas.core.errors import Conflict, FieldError, InvalidData
from talas.core.permissions import Permission, holds
from talas.core.sessions import Actor
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.chat.access import (
    GENERAL,
    GROUP,
    access_locked_room,
    name_key,
    require_owner,
    require_room_moderator,
)
from talas.domains.chat.events.service import append_room_event
from talas.domains.chat.rooms import sql
from talas.domains.chat.rooms.schemas import RoomChange
from talas.domains.chat.rooms.service import load_details, name_taken
from talas.domains.chat.rooms.sql import DetailedRoom
from talas.domains.chat.sql import RoomRow

Fields = dict[str, Any]
_OWNERS = {"name", "is_private", "history"}
_CLOSING = {"closed"}


async def change_room(
    conn: Connection, actor: Actor, name: str, body: RoomChange, *, address: str
) -> DetailedRoom:
    """The room after the change. Who moderates the whole house may close and reopen any room.

    Raises RoomNotFound, Forbidden, InvalidData, and Conflict for a name that is taken and for what
    a room of this kind does not do.
    """
    fields = body.cleaned()
    beyond = Permission.MODERATE_MESSAGES if fields.keys() == _CLOSING else None
    room = await access_locked_room(conn, actor, name, beyond=beyond)
    before = await load_details(conn, actor, room.id)
    changed = {field: value for field, value in fields.items() if value != getattr(before, field)}
    if beyond is None or not holds(actor.role, beyond):
        _check_rights(room, changed)
    _check_kind(room, changed)
    closed = changed.pop("closed", before.closed)
    if changed:
        await _change(conn, actor, before, changed)
    if closed != before.closed:
        await _set_closed(conn, actor, room, closed=closed, address=address)
    return await load_details(conn, actor, room.id)


def _check_rights(room: RoomRow, changed: Fields) -> None:
    """A field that is sent as it is already asks for no right of its own."""
    if room.kind == GROUP and room.is_member and changed.keys() <= {"title"}:
        return
    require_room_moderator(room)
    if changed.keys() & _OWNERS:
        require_owner(room)


def _check_kind(room: RoomRow, changed: Fields) -> None:
    if room.kind == GROUP:
        if "name" in changed:
            raise Conflict("A group has no name of its own; give it a title")
        if "is_private" in changed:
            raise Conflict("A group cannot be made public")
    elif "title" in changed:
        raise InvalidData.of(FieldError("title", "title is for groups; a room has its name"))
    if name_key(room.name) == GENERAL and changed.keys() & {"name", "is_private"}:
        raise Conflict(f"The room {GENERAL} keeps its name and stays public")


async def _change(conn: Connection, actor: Actor, before: DetailedRoom, changed: Fields) -> None:
    fields = {**msgspec.structs.asdict(before), **changed}
    key = before.name if before.kind == GROUP else name_key(fields["name"])
    try:
        await sql.update_room(conn, before.id, key, fields)
    except asyncpg.UniqueViolationError:
        raise name_taken() from None
    data = {"action": "changed", **changed}
    if "name" in changed:
        data["renamed_from"] = before.name
    await append_room_event(conn, before.id, "room", actor_id=actor.user_id, data=data)


async def _set_closed(
    conn: Connection, actor: Actor, room: RoomRow, *, closed: bool, address: str
) -> None:
    await sql.update_closed(conn, room.id, closed=closed)
    data = {"action": "closed" if closed else "reopened"}
    await append_room_event(conn, room.id, "room", actor_id=actor.user_id, data=data)
    await write_audit(
        conn,
        Administrator.of(actor, address=address),
        "room.close" if closed else "room.reopen",
        room.id,
        before={"name": room.name, "closed": not closed},
        after={"name": room.name, "closed": closed},
    )
