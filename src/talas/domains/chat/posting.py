"""Keeping messages: many senders' in one transaction, each accepted or refused by itself."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from talas.core.database import Connection, is_id
from talas.core.errors import InvalidData, TalasError
from talas.domains.chat import sql
from talas.domains.chat.errors import RoomNotFound, UserNotFound
from talas.domains.chat.sql import LockedConversation, LockedRoom, Message, NewMessage, Replied

Pair = tuple[int, int]
Sent = tuple[int, UUID]


class Post(msgspec.Struct, frozen=True):
    """A message that someone wants kept: in a room, or for another user."""

    author_id: int
    room_id: int | None
    to_user: int | None
    content: str
    client_id: UUID | None = None
    reply_to: int | None = None

    @property
    def pair(self) -> Pair:
        to_user = self.to_user or 0
        return min(self.author_id, to_user), max(self.author_id, to_user)

    @property
    def sent(self) -> Sent | None:
        return None if self.client_id is None else (self.author_id, self.client_id)


class Kept(msgspec.Struct, frozen=True):
    """``duplicate``: the author sent this ``client_id`` before, and ``message`` is what became
    of it then."""

    message: Message
    duplicate: bool


Outcome = Kept | TalasError


class _Places(msgspec.Struct):
    """What the transaction knows of everything that its messages name. The rooms and
    conversations are locked: their ``seq`` is this transaction's to take."""

    names: dict[int, str]
    rooms: dict[int, LockedRoom]
    members: set[Pair]
    conversations: dict[Pair, LockedConversation]
    replied: dict[int, Replied]
    known: dict[Sent, Message]


async def keep_messages(conn: Connection, posts: Sequence[Post]) -> list[Outcome]:
    """What becomes of each, in the order given; within a room that is the order of ``seq``.

    To be called in a transaction. A message that must be refused does not keep the others.
    """
    places = await _look_up(conn, posts)
    outcomes: list[Outcome | None] = []
    accepted: dict[int, NewMessage] = {}
    first_of: dict[Sent, int] = {}
    tops: dict[tuple[str, int], int] = {}
    for place, post in enumerate(posts):
        known = places.known.get(post.sent) if post.sent else None
        if known is not None:
            outcomes.append(Kept(known, duplicate=True))
        elif post.sent in first_of:
            outcomes.append(None)
        else:
            try:
                accepted[place] = _number(post, places, tops)
                outcomes.append(None)
                if post.sent:
                    first_of[post.sent] = place
            except TalasError as refusal:
                outcomes.append(refusal)
    kept = await _insert(conn, accepted, places.names, tops)
    return [
        outcome or _kept(kept, place, first_of.get(posts[place].sent or (0, UUID(int=0)), place))
        for place, outcome in enumerate(outcomes)
    ]


def _kept(kept: dict[int, Message], place: int, first: int) -> Kept:
    return Kept(kept[first], duplicate=first != place)


async def _look_up(conn: Connection, posts: Sequence[Post]) -> _Places:
    room_ids = sorted({post.room_id for post in posts if post.room_id is not None})
    rooms = await sql.lock_rooms(conn, room_ids) if room_ids else []
    names = await sql.select_active_names(conn, _people(posts))
    direct = {post.pair for post in posts if post.room_id is None}
    pairs = sorted(pair for pair in direct if pair[0] in names and pair[1] in names)
    conversations = await _lock_conversations(conn, pairs) if pairs else {}
    private = {room.id for room in rooms if room.is_private}
    asked = sorted({(p.room_id, p.author_id) for p in posts if p.room_id in private})
    sent = sorted({post.sent for post in posts if post.sent})
    replied_ids = sorted({p.reply_to for p in posts if p.reply_to and is_id(p.reply_to)})
    return _Places(
        names=names,
        rooms={room.id: room for room in rooms},
        members=await sql.select_memberships(conn, *_columns(asked)) if asked else set(),
        conversations=conversations,
        replied={
            row.id: row
            for row in (await sql.select_replied(conn, replied_ids) if replied_ids else [])
        },
        known=await _already_sent(conn, sent) if sent else {},
    )


async def _lock_conversations(
    conn: Connection, pairs: list[Pair]
) -> dict[Pair, LockedConversation]:
    lows, highs = _columns(pairs)
    locked = await sql.lock_conversations(conn, lows, highs)
    if len(locked) < len(pairs):
        found = {(row.user_low, row.user_high) for row in locked}
        await sql.insert_conversations(conn, *_columns([p for p in pairs if p not in found]))
        locked = await sql.lock_conversations(conn, lows, highs)
    return {(row.user_low, row.user_high): row for row in locked}


async def _already_sent(conn: Connection, sent: list[Sent]) -> dict[Sent, Message]:
    rows = await sql.select_already_sent(conn, *_columns(sent))
    return {(row.from_user, row.client_id): row for row in rows if row.client_id}


def _number(post: Post, places: _Places, tops: dict[tuple[str, int], int]) -> NewMessage:
    """The row to insert, with the next ``seq`` of its place; raises what the sender is told."""
    if post.author_id not in places.names:
        raise UserNotFound
    room = conversation = None
    place: LockedRoom | LockedConversation
    if post.room_id is not None:
        place = room = _writable_room(post, places)
    else:
        place = conversation = _conversation(post, places)
    _check_reply(post, places, room, conversation)
    key = ("room" if room else "conversation", place.id)
    tops[key] = tops.get(key, place.seq) + 1
    return NewMessage(
        from_user=post.author_id,
        to_user=None if room else post.to_user,
        room=room.name if room else None,
        room_id=room.id if room else None,
        conversation_id=conversation.id if conversation else None,
        content=post.content,
        seq=tops[key],
        client_id=post.client_id,
        reply_to=post.reply_to,
    )


def _writable_room(post: Post, places: _Places) -> LockedRoom:
    room = places.rooms.get(post.room_id or 0)
    if room is None or (room.is_private and (room.id, post.author_id) not in places.members):
        raise RoomNotFound
    return room


def _conversation(post: Post, places: _Places) -> LockedConversation:
    conversation = places.conversations.get(post.pair)
    if conversation is None:
        raise UserNotFound
    return conversation


def _check_reply(
    post: Post,
    places: _Places,
    room: LockedRoom | None,
    conversation: LockedConversation | None,
) -> None:
    if post.reply_to is None:
        return
    replied = places.replied.get(post.reply_to)
    if (
        replied is None
        or (room is not None and replied.room_id != room.id)
        or (conversation is not None and replied.conversation_id != conversation.id)
    ):
        raise InvalidData("reply_to must be the id of a message in the same place")


async def _insert(
    conn: Connection,
    accepted: dict[int, NewMessage],
    names: dict[int, str],
    tops: dict[tuple[str, int], int],
) -> dict[int, Message]:
    if not accepted:
        return {}
    rows = await sql.insert_messages(
        conn,
        list(accepted.values()),
        room_tops={key[1]: top for key, top in tops.items() if key[0] == "room"},
        conversation_tops={key[1]: top for key, top in tops.items() if key[0] != "room"},
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
            username=names[new.from_user],
            to_user=new.to_user,
            content=new.content,
            timestamp=row.timestamp,
            client_id=new.client_id,
            reply_to=new.reply_to,
        )
    return kept


def _people(posts: Iterable[Post]) -> list[int]:
    people = {post.author_id for post in posts}
    people.update(post.to_user for post in posts if post.to_user and is_id(post.to_user))
    return sorted(people)


def _columns(rows: Sequence[tuple[object, object]]) -> tuple[list, list]:  # type: ignore[type-arg]
    return [row[0] for row in rows], [row[1] for row in rows]
