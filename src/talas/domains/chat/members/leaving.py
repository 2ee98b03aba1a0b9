"""Who goes out of a room, and who has it after them."""

import msgspec

from talas.core.database import Connection
from talas.core.errors import NotFound
from talas.core.sessions import Actor
from talas.domains.chat.access import MEMBER, OWNER, access_locked_room
from talas.domains.chat.events.service import announce, append_room_event
from talas.domains.chat.members import sql
from talas.domains.chat.members.sql import Person
from talas.domains.chat.rooms.deletion import remove_room
from talas.domains.chat.sql import RoomRow


async def leave(conn: Connection, actor: Actor, name: str) -> None:
    """Raises RoomNotFound, and NotFound for who is no member."""
    room = await access_locked_room(conn, actor, name)
    if not room.is_member:
        raise NotFound("You are no member of this room", code="not_a_member")
    person = Person(actor.user_id, actor.username)
    await depart(conn, room, person, action="left", actor_id=actor.user_id)


async def depart(
    conn: Connection, room: RoomRow, person: Person, *, action: str, actor_id: int
) -> None:
    """Of a member; the room is locked. An owner leaves it to the moderator who has been there
    longest, else to the member. What is private goes with its last member."""
    data = {"action": action, "user_id": person.id}
    await append_room_event(conn, room.id, "member", actor_id=actor_id, data=data)
    role = await sql.delete_member(conn, room.id, person.id)
    await _settle(conn, room.id, room.is_private, left_by_owner=role == OWNER, actor_id=actor_id)


async def _settle(
    conn: Connection, room_id: int, is_private: bool, *, left_by_owner: bool, actor_id: int
) -> None:
    if is_private and not await sql.select_has_members(conn, room_id):
        await remove_room(conn, room_id, actor_id=actor_id)
    elif left_by_owner and (heir := await sql.select_heir(conn, room_id)) is not None:
        await change_role(conn, room_id, heir, OWNER, actor_id=actor_id)


async def change_role(
    conn: Connection, room_id: int, person: Person, role: str, *, actor_id: int
) -> None:
    """Who may no longer invite has invited nobody: their invitations go."""
    await sql.update_role(conn, room_id, person.id, role)
    if role == MEMBER:
        await sql.delete_invites_by(conn, room_id, person.id)
    data = {"action": "role", "user_id": person.id, "role": role}
    await append_room_event(conn, room_id, "member", actor_id=actor_id, data=data)


async def hold_all(conn: Connection, user_id: int) -> None:
    """Locks the rooms that the user is in, for who will lock the account: rooms come first."""
    await sql.lock_rooms_of_user(conn, user_id)


async def leave_all(conn: Connection, user_id: int) -> None:
    """Of an account that ends: of the chat nothing stays of it but what it said."""
    await sql.lock_rooms_of_user(conn, user_id)
    memberships = await sql.select_memberships(conn, user_id)
    room_ids = [membership.room_id for membership in memberships]
    data = msgspec.json.encode({"action": "left", "user_id": user_id}).decode()
    await announce(conn, rooms=await sql.insert_departures(conn, room_ids, user_id, data))
    await sql.delete_all_of_user(conn, user_id, room_ids)
    for left in memberships:
        owned = left.role == OWNER
        if owned or left.is_private:
            await _settle(
                conn, left.room_id, left.is_private, left_by_owner=owned, actor_id=user_id
            )
