"""Who comes into a room, and who has a say in it."""

from datetime import datetime
from typing import Any

from msgspec import UNSET

from talas.core import counts
from talas.core.database import Connection, is_id
from talas.core.errors import Conflict, Forbidden
from talas.core.http.pagination import Page
from talas.core.permissions import Permission, Role, holds
from talas.core.sessions import Actor, hold_account
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.chat.access import (
    GROUP,
    MEMBER,
    MODERATOR,
    OWNER,
    ROOM_ROLES,
    access_locked_room,
    access_locked_room_by_id,
    access_room,
    moderates,
    require_may_add,
    require_owner,
    require_room_moderator,
)
from talas.domains.chat.errors import Removed, UserNotFound
from talas.domains.chat.events.service import append_room_event
from talas.domains.chat.members import sql
from talas.domains.chat.members.leaving import change_role, depart
from talas.domains.chat.members.schemas import MAX_GROUP, MemberChange, NewMember
from talas.domains.chat.members.sql import Member, Person
from talas.domains.chat.sql import RoomRow
from talas.domains.notifications.service import notify_invitation


async def list_members(
    conn: Connection, actor: Actor, name: str, page: Page
) -> tuple[list[Member], int]:
    """The owner, then moderators, then members, each by when they came; and how many there are.
    Raises RoomNotFound."""
    room = await access_room(conn, actor, name)
    [total] = await counts.totals(conn, "room_members", "room_id", [room.id])
    return await sql.select_members(conn, room.id, page.window(total)), total


async def join(conn: Connection, actor: Actor, room_id: int) -> bool:
    """The actor is a member afterwards; whether they were none before. To be called in a
    transaction.

    Raises RoomNotFound for a private room of which the actor is no member, and Removed.
    """
    room = await access_locked_room_by_id(conn, actor, room_id)
    if room.is_member:
        return False
    if room.removed:
        raise Removed
    await hold_account(conn, actor)
    await admit(conn, room_id, _oneself(actor), action="joined", actor_id=actor.user_id)
    return True


async def admit(
    conn: Connection,
    room_id: int,
    person: Person,
    *,
    action: str,
    actor_id: int,
    role: str = MEMBER,
) -> None:
    """A membership begins. The room is locked, the person is no member and is held."""
    data: dict[str, Any] = {"action": action, "user_id": person.id}
    if role != MEMBER:
        data["role"] = role
    seq = await append_room_event(conn, room_id, "member", actor_id=actor_id, data=data)
    await sql.insert_member(conn, room_id, person.id, role=role, seq=seq)


async def add_member(
    conn: Connection, actor: Actor, name: str, new: NewMember
) -> tuple[Member, bool]:
    """Oneself, or somebody else who is told of it; and whether they were no member before.

    Raises RoomNotFound, UserNotFound, Forbidden, Removed, and Conflict for somebody else who is a
    member already, and for a full group.
    """
    new.check()
    if _names_oneself(actor, new):
        room = await access_room(conn, actor, name)
        is_new = await join(conn, actor, room.id)
        return await _access_member(conn, room.id, actor.user_id), is_new
    room = await access_locked_room(conn, actor, name)
    require_may_add(room)
    person = await _find_addable(conn, actor, new)
    if await sql.select_member(conn, room.id, person.id) is not None:
        raise Conflict(f"{person.username} is a member already", code="already_member")
    if room.kind == GROUP:
        await check_group_has_room(conn, room.id)
    await sql.delete_removal(conn, room.id, person.id)
    await admit(conn, room.id, person, action="added", actor_id=actor.user_id)
    await notify_invitation(conn, user_id=person.id, actor=actor, room_id=room.id)
    return await _access_member(conn, room.id, person.id), True


async def check_group_has_room(conn: Connection, group_id: int) -> None:
    """The group is locked. Raises Conflict."""
    if await sql.count_members(conn, group_id) >= MAX_GROUP:
        raise Conflict(f"A group has at most {MAX_GROUP} people", code="group_full")


async def change_member(
    conn: Connection, actor: Actor, name: str, user_id: int, change: MemberChange, *, address: str
) -> Member:
    """The member after the change. A room that gets another owner keeps the old one as a moderator.

    Raises RoomNotFound, UserNotFound, Forbidden, InvalidData and Conflict.
    """
    role, until = change.cleaned()
    room = await access_locked_room(conn, actor, name, beyond=Permission.MODERATE_MESSAGES)
    member = await _access_member(conn, room.id, user_id)
    by = Administrator.of(actor, address=address)
    if until is not UNSET or role is UNSET:
        await require_power_over(conn, actor, room, member)
    if role is not UNSET and role != member.role:
        await _require_may_appoint(conn, actor, room)
        await _set_role(conn, actor, room, member, role)
        await _audit(conn, by, "room.role", room, member, {"role": member.role}, {"role": role})
    if until is not UNSET and until != member.muted_until:
        await _set_muted_until(conn, actor, room, member, until)
        action = "room.mute" if until else "room.unmute"
        before, after = {"muted_until": member.muted_until}, {"muted_until": until}
        await _audit(conn, by, action, room, member, before, after)
    return await _access_member(conn, room.id, user_id)


async def require_power_over(conn: Connection, actor: Actor, room: RoomRow, member: Member) -> None:
    """In the room one has it over lower roles, as a moderator of the house over lower roles of the
    house. Raises Forbidden."""
    if member.user_id == actor.user_id:
        raise Forbidden("Nobody does this to themselves")
    if moderates(room) and _rank(room.role) > _rank(member.role):
        return
    if holds(actor.role, Permission.MODERATE_MESSAGES):
        standing = await sql.select_standing(conn, member.user_id)
        if Role(standing.role).rank < actor.role.rank:
            return
    else:
        require_room_moderator(room)
    raise Forbidden("You may act only on members whose role is below your own")


async def _require_may_appoint(conn: Connection, actor: Actor, room: RoomRow) -> None:
    """The owner; an administrator where there is none, as in the room general at first. Raises
    Forbidden."""
    if holds(actor.role, Permission.DELETE_ROOMS) and not await sql.select_has_owner(conn, room.id):
        return
    require_owner(room)


async def _set_role(
    conn: Connection, actor: Actor, room: RoomRow, member: Member, role: str
) -> None:
    if member.role == OWNER:
        raise Conflict("An owner hands the room over by making another member its owner")
    if role == OWNER:
        if (await sql.select_standing(conn, member.user_id)).status != "active":
            raise Conflict("Only an active account can own a room")
        if room.role == OWNER:
            await change_role(conn, room.id, _oneself(actor), MODERATOR, actor_id=actor.user_id)
    person = Person(member.user_id, member.username)
    await change_role(conn, room.id, person, role, actor_id=actor.user_id)


async def _set_muted_until(
    conn: Connection, actor: Actor, room: RoomRow, member: Member, until: datetime | None
) -> None:
    await sql.update_muted_until(conn, room.id, member.user_id, until)
    data: dict[str, Any] = {
        "action": "muted" if until else "unmuted",
        "user_id": member.user_id,
    }
    if until:
        data["until"] = until
    await append_room_event(conn, room.id, "member", actor_id=actor.user_id, data=data)


async def remove_member(
    conn: Connection, actor: Actor, name: str, user_id: int, *, address: str
) -> None:
    """Who is removed comes back only when added or invited. Raises RoomNotFound, UserNotFound and
    Forbidden."""
    room = await access_locked_room(conn, actor, name, beyond=Permission.MODERATE_MESSAGES)
    member = await _access_member(conn, room.id, user_id)
    await require_power_over(conn, actor, room, member)
    await sql.insert_removal(conn, room.id, user_id, by_id=actor.user_id)
    person = Person(user_id, member.username)
    await depart(conn, room, person, action="removed", actor_id=actor.user_id)
    by = Administrator.of(actor, address=address)
    await _audit(conn, by, "room.kick", room, member, {"role": member.role}, {})


async def _audit(
    conn: Connection,
    by: Administrator,
    action: str,
    room: RoomRow,
    member: Member,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    named = {"room": room.name, "user_id": member.user_id, "username": member.username}
    await write_audit(
        conn, by, action, room.id, before={**named, **before}, after={**named, **after}
    )


async def _access_member(conn: Connection, room_id: int, user_id: int) -> Member:
    """Raises UserNotFound for who is no member."""
    member = await sql.select_member(conn, room_id, user_id) if is_id(user_id) else None
    if member is None:
        raise UserNotFound
    return member


async def _find_addable(conn: Connection, actor: Actor, new: NewMember) -> Person:
    """Raises UserNotFound, also for who has blocked the actor."""
    person = None
    if new.username is not None:
        person = await sql.hold_addable_by_name(conn, actor.user_id, new.username.strip())
    elif new.user_id is not None:
        person = await hold_addable(conn, actor, new.user_id)
    if person is None:
        raise UserNotFound
    return person


async def hold_addable(conn: Connection, actor: Actor, user_id: int) -> Person | None:
    found = await sql.hold_addable(conn, actor.user_id, [user_id]) if is_id(user_id) else []
    return found[0] if found else None


def _names_oneself(actor: Actor, new: NewMember) -> bool:
    if new.username is not None:
        return new.username.strip().lower() == actor.username.lower()
    return new.user_id in (None, actor.user_id)


def _oneself(actor: Actor) -> Person:
    return Person(actor.user_id, actor.username)


def _rank(role: str | None) -> int:
    return -1 if role is None else -ROOM_ROLES.index(role) + len(ROOM_ROLES)
