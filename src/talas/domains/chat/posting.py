"""Keeping messages: many senders' in one transaction, each accepted or refused by itself."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from talas.core.database import Connection, as_columns
from talas.core.errors import TalasError
from talas.domains.chat import sql
from talas.domains.chat.attachments.carrying import link_attachments
from talas.domains.chat.events.service import ConversationTop, RoomTop, announce
from talas.domains.chat.messages.mentions import store_mentions
from talas.domains.chat.places import Places, Post, Sent
from talas.domains.chat.sql import Message, NewMessage
from talas.domains.notifications.service import MessageNews, notify_messages


class Kept(msgspec.Struct, frozen=True):
    """``duplicate``: the author sent this ``client_id`` before, and ``message`` is what became
    of it then."""

    message: Message
    duplicate: bool


Outcome = Kept | TalasError


class Sockets(Protocol):
    """Who has sockets in the calling process."""

    def is_online(self, user_id: int) -> bool: ...

    def is_in_room(self, user_id: int, room_id: int) -> bool: ...


class _NoSockets:
    def is_online(self, user_id: int) -> bool:  # noqa: ARG002
        return False

    def is_in_room(self, user_id: int, room_id: int) -> bool:  # noqa: ARG002
        return False


NO_SOCKETS = _NoSockets()


async def keep_messages(
    conn: Connection,
    posts: Sequence[Post],
    *,
    sockets: Sockets = NO_SOCKETS,
    node: str | None = None,
    announced: bool = True,
) -> list[Outcome]:
    """What becomes of each, in the order given; within a room that is the order of ``seq``.

    To be called in a transaction. A message that must be refused does not keep the others. Who is
    to be notified is. The chat processes hear of it at the commit, but for ``node``, which shows
    the messages by itself; all of them have another way where ``announced`` is False.
    """
    places = await Places.look_up(conn, posts)
    outcomes: list[Outcome | None] = []
    accepted: dict[int, NewMessage] = {}
    first_of: dict[Sent, int] = {}
    for place, post in enumerate(posts):
        known = places.known.get(post.sent) if post.sent else None
        if known is not None:
            outcomes.append(Kept(known, duplicate=True))
        elif post.sent in first_of:
            outcomes.append(None)
        else:
            try:
                accepted[place] = places.number(post, place)
                outcomes.append(None)
                if post.sent:
                    first_of[post.sent] = place
            except TalasError as refusal:
                outcomes.append(refusal)
    kept = await _insert(conn, accepted, places)
    await _store_what_belongs(conn, kept, places, sockets)
    if kept and announced:
        rooms, conversations = tops_of(list(kept.values()))
        await announce(conn, rooms=rooms, conversations=conversations, node=node)
    return [
        outcome or _kept(kept, place, first_of.get(posts[place].sent or (0, UUID(int=0)), place))
        for place, outcome in enumerate(outcomes)
    ]


def tops_of(messages: Sequence[Message]) -> tuple[list[RoomTop], list[ConversationTop]]:
    """How far the places of these have come with them."""
    rooms: dict[int, int] = {}
    conversations: dict[int, ConversationTop] = {}
    for message in messages:
        if message.room_id is not None:
            rooms[message.room_id] = message.seq
        elif message.conversation_id is not None and message.to_user is not None:
            low, high = sorted((message.from_user, message.to_user))
            known = conversations.get(message.conversation_id)
            first = known[3] if known else message.seq
            top = (message.conversation_id, low, high, first, message.seq)
            conversations[message.conversation_id] = top
    return list(rooms.items()), list(conversations.values())


def _kept(kept: dict[int, Message], place: int, first: int) -> Kept:
    return Kept(kept[first], duplicate=first != place)


async def _insert(
    conn: Connection, accepted: dict[int, NewMessage], places: Places
) -> dict[int, Message]:
    if not accepted:
        return {}
    rows = await sql.insert_messages(
        conn,
        list(accepted.values()),
        room_tops={key[1]: top for key, top in places.tops.items() if key[0] == "room"},
        conversation_tops={key[1]: top for key, top in places.tops.items() if key[0] != "room"},
    )
    inserted = {(row.room_id, row.conversation_id, row.seq): row for row in rows}
    kept = {}
    for place, new in accepted.items():
        row = inserted[new.room_id, new.conversation_id, new.seq]
        kept[place] = Message(
            id=row.id,
            seq=new.seq,
            room_id=new.room_id,
            conversation_id=new.conversation_id,
            room=new.room,
            from_user=new.from_user,
            username=places.names[new.from_user],
            to_user=new.to_user,
            content=new.content,
            timestamp=row.timestamp,
            client_id=new.client_id,
            reply_to=new.reply_to,
            edited_at=None,
            deleted_at=None,
            pinned_at=None,
            attachments=new.attachments,
            mentions=new.mentions,
        )
    return kept


async def _store_what_belongs(
    conn: Connection, kept: dict[int, Message], places: Places, sockets: Sockets
) -> None:
    """Mentions, attachments and notifications; most messages have none of it."""
    mentioned = [(who, m.id) for m in kept.values() for who in m.mentions or ()]
    if mentioned:
        await store_mentions(conn, mentioned)
    uploads = [
        (message.id, part["id"])
        for place, message in kept.items()
        if message.attachments and isinstance(attached := places.attached[place], list)
        for part in attached
        if part["type"] == "file"
    ]
    if uploads:
        await link_attachments(conn, uploads)
    if places.spoke:
        await sql.update_spoke_at(conn, *as_columns(sorted(places.spoke)))
    news = [_news(message, places) for message in kept.values() if _concerns_somebody(message)]
    if news:
        await notify_messages(
            conn, news, is_online_here=sockets.is_online, is_in_room_here=sockets.is_in_room
        )


def _concerns_somebody(message: Message) -> bool:
    return bool(message.to_user or message.mentions or message.reply_to)


def _news(message: Message, places: Places) -> MessageNews:
    replied = places.replied.get(message.reply_to or 0)
    return MessageNews(
        message_id=message.id,
        author_id=message.from_user,
        to_user=message.to_user,
        room_id=message.room_id,
        mentions=message.mentions or [],
        replied_to_author=replied.from_user if replied and message.room_id else None,
    )
