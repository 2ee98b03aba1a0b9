"""Invitations by link: made by who may add people, good for whoever holds the token."""

import hashlib
import secrets

from talas.core import counts
from talas.core.database import Connection, is_id
from talas.core.errors import Conflict, NotFound
from talas.core.sessions import Actor, hold_account
from talas.domains.chat.access import GROUP, access_locked_room, access_room, require_may_add
from talas.domains.chat.errors import Removed
from talas.domains.chat.invites import sql
from talas.domains.chat.invites.schemas import InvitedTo, MadeInvite, NewInvite
from talas.domains.chat.invites.sql import Invite, InvitedRoom
from talas.domains.chat.members.service import admit, check_group_has_room
from talas.domains.chat.members.sql import Person, delete_removal
from talas.domains.chat.rooms.service import load_details
from talas.domains.chat.rooms.sql import DetailedRoom
from talas.domains.chat.sql import lock_room

TOKEN_BYTES = 32
MOST_INVITES = 100


class InviteNotFound(NotFound):
    """Also for one that has expired, is used up or was taken back."""

    code = "invite_not_found"

    def __init__(self) -> None:
        super().__init__("Invitation not found")


async def make_invite(conn: Connection, actor: Actor, name: str, new: NewInvite) -> MadeInvite:
    """Raises RoomNotFound, Forbidden, InvalidData, and Conflict where there are too many."""
    new.check()
    room = await access_locked_room(conn, actor, name)
    require_may_add(room)
    if await sql.count_invites(conn, room.id) >= MOST_INVITES:
        raise Conflict(f"A room has at most {MOST_INVITES} invitations; take one back first")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    made = await sql.insert_invite(
        conn,
        room.id,
        actor.user_id,
        _hash(token),
        expires_in=new.expires_in,
        max_uses=new.max_uses,
    )
    return MadeInvite(made.id, token, made.expires_at, new.max_uses, 0)


async def list_invites(conn: Connection, actor: Actor, name: str) -> list[Invite]:
    """Those that have not expired, newest first. Raises RoomNotFound and Forbidden."""
    room = await access_room(conn, actor, name)
    require_may_add(room)
    return await sql.select_invites(conn, room.id, MOST_INVITES)


async def take_back(conn: Connection, actor: Actor, name: str, invite_id: int) -> None:
    """Who came by it stays. Raises RoomNotFound, Forbidden and InviteNotFound."""
    room = await access_locked_room(conn, actor, name)
    require_may_add(room)
    if not (is_id(invite_id) and await sql.delete_invite(conn, room.id, invite_id)):
        raise InviteNotFound


async def look_at(conn: Connection, actor: Actor, token: str) -> InvitedTo:
    """Raises InviteNotFound, and Removed as ``accept`` does: who was removed is told nothing more
    of the room."""
    found = await _find(conn, actor, token)
    if found.outdated and not found.is_member:
        raise Removed
    [members] = await counts.totals(conn, "room_members", "room_id", [found.room_id])
    return InvitedTo(
        room=found.name,
        kind=found.kind,
        title=found.title,
        description=found.description,
        member_count=members,
        invited_by=found.invited_by,
        expires_at=found.expires_at,
    )


async def accept(conn: Connection, actor: Actor, token: str) -> tuple[DetailedRoom, bool]:
    """The room, and whether the actor was no member before; who was spends no use.

    Raises InviteNotFound, Removed for who was removed after the invitation was made, and Conflict
    for a full group.
    """
    found = await _find(conn, actor, token)
    await lock_room(conn, found.room_id)
    # Under the lock: what is left of the uses is left for this one alone.
    found = await _find(conn, actor, token)
    if not found.is_member:
        await _let_in(conn, actor, found)
    return await load_details(conn, actor, found.room_id), not found.is_member


async def delete_expired_invites(conn: Connection) -> None:
    """A day after they have."""
    await sql.delete_expired_invites(conn)


async def _let_in(conn: Connection, actor: Actor, found: InvitedRoom) -> None:
    if found.outdated:
        raise Removed
    await hold_account(conn, actor)
    if found.kind == GROUP:
        await check_group_has_room(conn, found.room_id)
    await sql.update_uses(conn, found.invite_id)
    await delete_removal(conn, found.room_id, actor.user_id)
    person = Person(actor.user_id, actor.username)
    await admit(conn, found.room_id, person, action="joined", actor_id=actor.user_id)


async def _find(conn: Connection, actor: Actor, token: str) -> InvitedRoom:
    """One that is used up is there for who is a member, since their answer may have been lost."""
    found = await sql.select_invited(conn, _hash(token), actor.user_id)
    if found is None or (found.used_up and not found.is_member):
        raise InviteNotFound
    return found


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
