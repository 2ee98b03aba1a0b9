"""What is done with a message that was sent.

Each locks the message's room or conversation first and looks at it then. What changes something
takes a ``seq`` of the place; what changes nothing, because it is so already, takes none.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from talas.core.database import Connection
from talas.core.errors import Conflict, Forbidden
from talas.core.http.pagination import Page
from talas.core.permissions import Permission, holds
from talas.core.sessions import Actor
from talas.domains.admin.audit import Administrator, write_audit
from talas.domains.chat.access import access_message, access_peer, access_room
from talas.domains.chat.errors import MessageNotFound
from talas.domains.chat.events.service import append_conversation_event, append_room_event
from talas.domains.chat.messages import sql
from talas.domains.chat.messages.access import (
    Held,
    check_may_speak,
    check_not_deleted,
    hold_any_message,
    hold_message,
)
from talas.domains.chat.messages.emoji import check_emoji
from talas.domains.chat.messages.mentions import resolve_mentions, store_mentions
from talas.domains.chat.messages.reactions import sql as reactions
from talas.domains.chat.messages.reactions.sql import Reacting
from talas.domains.chat.messages.schemas import PlacedMessage
from talas.domains.chat.messages.sql import EarlierContent
from talas.domains.chat.schemas import HistoryMessage, Reaction
from talas.domains.chat.service import check_content
from talas.domains.chat.sql import Message

MAX_EDITS = 100
MAX_EMOJI_PER_MESSAGE = 20
MAX_PINS = 50
_RANKS = {None: 0, "member": 0, "moderator": 1, "owner": 2}


class Change(NamedTuple):
    """``happened`` is False where it was so already; ``seq`` is then what the place has come to."""

    message_id: int
    seq: int
    happened: bool


async def edit_message(conn: Connection, actor: Actor, message_id: int, content: str) -> Change:
    """What it said before is kept, and whom it mentions is found again.

    Raises MessageNotFound, UserNotFound, InvalidData, Forbidden for anybody but its author and
    where a message would be refused, Conflict for one that is deleted or was edited too often.
    """
    content = check_content(content)
    held = await hold_message(conn, actor, message_id)
    if held.message.from_user != actor.user_id:
        raise Forbidden("Only its author may edit a message")
    await check_may_speak(conn, actor, held)
    check_not_deleted(held)
    if content == held.message.content:
        return _unchanged(held)
    if await sql.count_edits(conn, message_id) >= MAX_EDITS:
        raise Conflict(f"A message can be edited {MAX_EDITS} times", code="too_many_edits")
    mentions = await _mentions(conn, held, content, actor.user_id)
    await sql.update_content(conn, message_id, content, mentions or None)
    if held.room is not None:
        await sql.delete_other_mentions(conn, message_id, mentions)
        await store_mentions(conn, [(user_id, message_id) for user_id in mentions])
    return await _append(conn, actor, held, "edit")


async def delete_message(
    conn: Connection, actor: Actor, message_id: int, *, address: str
) -> Change:
    """A tombstone stays, and nothing of what it said.

    Its author may, whoever owns or moderates the room (not what one who ranks higher there has
    said), and moderators, also what they do not see. What is deleted already stays so. Raises
    MessageNotFound, Forbidden. ``address`` is where the request came from, for the audit log:
    deleting what others said is written there.
    """
    if holds(actor.role, Permission.MODERATE_MESSAGES):
        held = await hold_any_message(conn, actor, message_id)
    else:
        held = await hold_message(conn, actor, message_id)
        await _check_may_delete(conn, actor, held)
    if held.message.deleted_at is not None:
        return _unchanged(held)
    if held.message.from_user != actor.user_id:
        by = Administrator.of(actor, address=address)
        before = {
            "author": held.message.from_user,
            "room": held.room.name if held.room else None,
            "content": held.message.content,
        }
        await write_audit(conn, by, "message.delete", message_id, before=before)
    await sql.update_deleted(conn, message_id)
    return await _append(conn, actor, held, "delete")


async def react(conn: Connection, actor: Actor, message_id: int, emoji: str) -> Change:
    """Raises MessageNotFound, UserNotFound, InvalidData for what is no emoji, Forbidden where a
    message would be refused, Conflict for one that is deleted or has too many different ones."""
    emoji = check_emoji(emoji)
    held = await _hold_to_react(conn, actor, message_id)
    mine, anybodys = await reactions.select_has_reacted(conn, message_id, emoji, actor.user_id)
    if mine:
        return _unchanged(held)
    if not anybodys and await reactions.count_emoji(conn, message_id) >= MAX_EMOJI_PER_MESSAGE:
        raise Conflict(
            f"A message can have {MAX_EMOJI_PER_MESSAGE} different reactions",
            code="too_many_reactions",
        )
    await reactions.insert_reaction(conn, message_id, emoji, actor.user_id)
    return await _append(conn, actor, held, "react", {"emoji": emoji})


async def unreact(conn: Connection, actor: Actor, message_id: int, emoji: str) -> Change:
    """As ``react``."""
    emoji = check_emoji(emoji)
    held = await _hold_to_react(conn, actor, message_id)
    if not await reactions.delete_reaction(conn, message_id, emoji, actor.user_id):
        return _unchanged(held)
    return await _append(conn, actor, held, "unreact", {"emoji": emoji})


async def pin(conn: Connection, actor: Actor, message_id: int) -> Change:
    """In a room its owner and moderators may, in a group all members, in a conversation both.

    Raises MessageNotFound, UserNotFound, Forbidden for others and where a message would be refused,
    Conflict for one that is deleted or where too many are pinned.
    """
    held = await _hold_to_pin(conn, actor, message_id)
    if held.message.pinned_at is not None:
        return _unchanged(held)
    if await _count_pins(conn, held) >= MAX_PINS:
        raise Conflict(
            f"There are {MAX_PINS} pinned messages here; unpin one first", code="too_many_pins"
        )
    await sql.update_pinned(conn, message_id, pinned=True)
    return await _append(conn, actor, held, "pin")


async def unpin(conn: Connection, actor: Actor, message_id: int) -> Change:
    """As ``pin``."""
    held = await _hold_to_pin(conn, actor, message_id)
    if held.message.pinned_at is None:
        return _unchanged(held)
    await sql.update_pinned(conn, message_id, pinned=False)
    return await _append(conn, actor, held, "unpin")


async def show_message(conn: Connection, actor: Actor, message_id: int) -> PlacedMessage:
    """Raises MessageNotFound."""
    await access_message(conn, actor, message_id)
    known = await reactions_of(conn, [message_id], actor.user_id)
    for message in await sql.select_by_ids(conn, [message_id]):
        return PlacedMessage.in_place(message, known.get(message_id))
    raise MessageNotFound


async def list_edits(conn: Connection, actor: Actor, message_id: int) -> list[EarlierContent]:
    """What it said before, oldest first. Raises MessageNotFound."""
    await access_message(conn, actor, message_id)
    return await sql.select_edits(conn, message_id)


async def list_reacting(
    conn: Connection, actor: Actor, message_id: int, page: Page, *, emoji: str | None
) -> tuple[list[Reacting], int]:
    """Who has reacted (with ``emoji``, where it is given), and how many. Raises MessageNotFound,
    InvalidData."""
    emoji = None if emoji is None else check_emoji(emoji)
    await access_message(conn, actor, message_id)
    rows = await reactions.select_reacting(
        conn, message_id, emoji, limit=page.limit, offset=page.offset
    )
    return rows, await reactions.count_reacting(conn, message_id, emoji)


async def list_room_pins(conn: Connection, actor: Actor, name: str) -> list[HistoryMessage]:
    """Pinned last first. Raises RoomNotFound."""
    room = await access_room(conn, actor, name)
    pinned = await sql.select_room_pins(conn, room.id, room.visible_from)
    return await shown(conn, actor.user_id, pinned)


async def list_direct_pins(conn: Connection, actor: Actor, user_id: int) -> list[HistoryMessage]:
    """Pinned last first. Raises UserNotFound."""
    peer = await access_peer(conn, actor, user_id)
    if peer.conversation_id is None:
        return []
    pinned = await sql.select_conversation_pins(conn, peer.conversation_id)
    return await shown(conn, actor.user_id, pinned)


async def list_mentions(
    conn: Connection, actor: Actor, page: Page
) -> tuple[list[PlacedMessage], int]:
    """Messages that mention the actor and that the actor may see, newest first; and how many."""
    found = await sql.select_mentions_of(conn, actor.user_id, limit=page.limit, offset=page.offset)
    known = await reactions_of(conn, [message.id for message in found], actor.user_id)
    total = await sql.count_mentions_of(conn, actor.user_id)
    return [PlacedMessage.in_place(one, known.get(one.id)) for one in found], total


async def shown(conn: Connection, user_id: int, messages: list[Message]) -> list[HistoryMessage]:
    """As the HTTP routes show them to the user, with reactions."""
    known = await reactions_of(conn, [message.id for message in messages], user_id)
    return [HistoryMessage.of(message, known.get(message.id)) for message in messages]


async def reactions_of(
    conn: Connection, message_ids: list[int], user_id: int
) -> dict[int, list[Reaction]]:
    """By message, for those that have some."""
    return await reactions.select_reactions(conn, message_ids, user_id) if message_ids else {}


async def _check_may_delete(conn: Connection, actor: Actor, held: Held) -> None:
    author = held.message.from_user
    if author == actor.user_id:
        return
    if held.room is None:
        raise Forbidden("Only its author may delete this message")
    mine = _RANKS[held.room.role]
    theirs = _RANKS[await sql.select_role(conn, held.room.id, author)]
    if mine == 0 or theirs > mine:
        raise Forbidden("Only its author and the room's moderators may delete this message")


async def _hold_to_react(conn: Connection, actor: Actor, message_id: int) -> Held:
    held = await hold_message(conn, actor, message_id)
    await check_may_speak(conn, actor, held)
    check_not_deleted(held)
    return held


async def _hold_to_pin(conn: Connection, actor: Actor, message_id: int) -> Held:
    held = await hold_message(conn, actor, message_id)
    await check_may_speak(conn, actor, held)
    room = held.room
    if room is not None and room.kind == "room" and not _RANKS[room.role]:
        raise Forbidden("Only the room's owner and moderators may pin messages")
    check_not_deleted(held)
    return held


async def _count_pins(conn: Connection, held: Held) -> int:
    if held.room is not None:
        return await sql.count_room_pins(conn, held.room.id)
    return await sql.count_conversation_pins(conn, held.message.conversation_id or 0)


async def _mentions(conn: Connection, held: Held, content: str, author_id: int) -> list[int]:
    """In a conversation there is nobody else to be mentioned."""
    if held.room is None:
        return []
    [mentions] = await resolve_mentions(conn, [(held.room.id, content, author_id)])
    return mentions


def _unchanged(held: Held) -> Change:
    return Change(held.message.id, held.seq, happened=False)


async def _append(
    conn: Connection,
    actor: Actor,
    held: Held,
    kind: str,
    data: Mapping[str, Any] | None = None,
) -> Change:
    message_id = held.message.id
    if held.conversation is not None:
        talk = held.conversation
        seq = await append_conversation_event(
            conn,
            talk.id,
            kind,
            people=(talk.user_low, talk.user_high),
            actor_id=actor.user_id,
            message_id=message_id,
            data=data,
        )
    else:
        assert held.room is not None
        seq = await append_room_event(
            conn, held.room.id, kind, actor_id=actor.user_id, message_id=message_id, data=data
        )
    return Change(message_id, seq, happened=True)
