"""Groups: a few people who talk among themselves, in a room that nobody else finds."""

import secrets

from talas.core.database import Connection, is_id
from talas.core.http.pagination import Page
from talas.core.sessions import Actor, hold_account
from talas.domains.chat.access import GROUP, OWNER
from talas.domains.chat.errors import UserNotFound
from talas.domains.chat.groups import sql
from talas.domains.chat.groups.schemas import Group, NewGroup
from talas.domains.chat.groups.sql import GroupRow
from talas.domains.chat.members.service import admit
from talas.domains.chat.members.sql import Person, hold_addable
from talas.domains.chat.rooms.service import check_may_create
from talas.domains.notifications.service import notify_invitation


async def create_group(conn: Connection, actor: Actor, new: NewGroup) -> Group:
    """The creator owns it; the others are members at once, and are told of it. Raises InvalidData,
    UserNotFound for who is not active or has blocked the creator, and Conflict for who has opened
    too many."""
    other_ids, title = new.cleaned(actor.user_id)
    if not all(map(is_id, other_ids)):
        raise UserNotFound
    await check_may_create(conn, actor, GROUP)
    # Nobody knows the name: the row is as good as locked.
    group_id = await sql.insert_group(conn, f"group-{secrets.token_hex(16)}", title, actor.user_id)
    others = await hold_addable(conn, actor.user_id, other_ids)
    if len(others) < len(other_ids):
        raise UserNotFound
    await hold_account(conn, actor)
    creator = Person(actor.user_id, actor.username)
    await admit(conn, group_id, creator, action="joined", actor_id=actor.user_id, role=OWNER)
    for person in others:
        await admit(conn, group_id, person, action="added", actor_id=actor.user_id)
        await notify_invitation(conn, user_id=person.id, actor=actor, room_id=group_id)
    [group] = await _shown(conn, [await sql.select_group(conn, actor.user_id, group_id)])
    return group


async def list_groups(conn: Connection, actor: Actor, page: Page) -> tuple[list[Group], int]:
    """The actor's, newest first, and how many there are."""
    rows = await sql.select_groups(conn, actor.user_id, limit=page.limit, offset=page.offset)
    return await _shown(conn, rows), await sql.count_groups(conn, actor.user_id)


async def _shown(conn: Connection, rows: list[GroupRow]) -> list[Group]:
    if not rows:
        return []
    members = await sql.select_members(conn, [row.id for row in rows])
    last = await sql.select_last_messages(conn, {row.id: row.visible_from for row in rows})
    return [
        Group(
            **{field: getattr(row, field) for field in Group.__struct_fields__[:-2]},
            members=members[row.id],
            last_message=last.get(row.id),
        )
        for row in rows
    ]
