"""What a transaction that keeps messages must know of where they go, and who may say what there."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from talas.core.database import Connection, as_columns, is_id
from talas.core.errors import InvalidData, TalasError
from talas.domains.chat import sql
from talas.domains.chat.attachments.carrying import take_attachments
from talas.domains.chat.errors import (
    Muted,
    NotJoined,
    RoomClosed,
    RoomNotFound,
    SlowMode,
    UserNotFound,
)
from talas.domains.chat.messages.mentions import resolve_mentions
from talas.domains.chat.sql import (
    LockedConversation,
    LockedRoom,
    Message,
    NewMessage,
    Replied,
    Speaker,
)

Pair = tuple[int, int]
Sent = tuple[int, UUID]
Attached = list[dict[str, Any]]


class Post(msgspec.Struct, frozen=True):
    """A message that someone wants kept: in a room, or for another user. ``attachments`` are as
    they were sent."""

    author_id: int
    room_id: int | None
    to_user: int | None
    content: str
    client_id: UUID | None = None
    reply_to: int | None = None
    attachments: list[Any] | None = None

    @property
    def pair(self) -> Pair:
        to_user = self.to_user or 0
        return min(self.author_id, to_user), max(self.author_id, to_user)

    @property
    def seat(self) -> Pair:
        return self.room_id or 0, self.author_id

    @property
    def sent(self) -> Sent | None:
        return None if self.client_id is None else (self.author_id, self.client_id)


class Places:
    """The rooms and conversations are locked: their ``seq`` is this transaction's to take."""

    names: dict[int, str]
    rooms: dict[int, LockedRoom]
    speakers: dict[Pair, Speaker]
    conversations: dict[Pair, LockedConversation]
    replied: dict[int, Replied]
    known: dict[Sent, Message]
    attached: dict[int, Attached | TalasError]
    mentions: dict[int, list[int]]
    """These two by the post's place in its batch."""

    def __init__(self) -> None:
        self.tops: dict[tuple[str, int], int] = {}
        self.spoke: set[Pair] = set()
        """Who took a turn in a room with slow mode."""

    @classmethod
    async def look_up(cls, conn: Connection, posts: Sequence[Post]) -> "Places":
        places = cls()
        room_ids = sorted({post.room_id for post in posts if post.room_id is not None})
        rooms = await sql.lock_rooms(conn, room_ids) if room_ids else []
        places.rooms = {room.id: room for room in rooms}
        places.names = await sql.select_active_names(conn, _people(posts))
        direct = {post.pair for post in posts if post.room_id is None}
        pairs = sorted(
            pair for pair in direct if pair[0] in places.names and pair[1] in places.names
        )
        places.conversations = await _lock_conversations(conn, pairs) if pairs else {}
        seats = sorted({post.seat for post in posts if post.room_id is not None})
        places.speakers = await sql.select_speakers(conn, *as_columns(seats)) if seats else {}
        replied = sorted({p.reply_to for p in posts if p.reply_to and is_id(p.reply_to)})
        rows = await sql.select_replied(conn, replied) if replied else []
        places.replied = {row.id: row for row in rows}
        sent = sorted({post.sent for post in posts if post.sent})
        places.known = await _already_sent(conn, sent) if sent else {}
        places.attached = await _take_attachments(conn, posts)
        places.mentions = await _resolve_mentions(conn, posts)
        return places

    def number(self, post: Post, place: int) -> NewMessage:
        """The row to insert, with the next ``seq`` of its place; raises what the sender is told.
        ``place`` is the post's in its batch."""
        if post.author_id not in self.names:
            raise UserNotFound
        room = conversation = None
        where: LockedRoom | LockedConversation
        if post.room_id is not None:
            where = room = self._writable_room(post)
        else:
            where = conversation = self._conversation(post)
        self._check_reply(post, room, conversation)
        attached = self.attached.get(place)
        if isinstance(attached, TalasError):
            raise attached
        if room is not None and room.slow_mode_s:
            self._take_turn(post, room)
        key = ("room" if room else "conversation", where.id)
        self.tops[key] = self.tops.get(key, where.seq) + 1
        return NewMessage(
            from_user=post.author_id,
            to_user=None if room else post.to_user,
            room=room.name if room else None,
            room_id=room.id if room else None,
            conversation_id=conversation.id if conversation else None,
            content=post.content,
            seq=self.tops[key],
            client_id=post.client_id,
            reply_to=post.reply_to,
            attachments=msgspec.json.encode(attached).decode() if attached else None,
            mentions=self.mentions.get(place) or None,
        )

    def _writable_room(self, post: Post) -> LockedRoom:
        room = self.rooms.get(post.room_id or 0)
        speaker = self.speakers.get(post.seat)
        if room is None or (room.is_private and speaker is None):
            raise RoomNotFound
        if speaker is None:
            raise NotJoined
        if room.closed:
            raise RoomClosed
        if speaker.muted_until is not None:
            raise Muted(speaker.muted_until, speaker.muted_for_s)
        return room

    def _take_turn(self, post: Post, room: LockedRoom) -> None:
        speaker = self.speakers[post.seat]
        if speaker.role != "member":
            return
        wait_s: float = room.slow_mode_s
        if post.seat not in self.spoke:
            if speaker.spoke_s_ago is None:
                wait_s = 0
            else:
                # A clock that was set back must not silence anybody for longer than the interval.
                wait_s -= max(0, speaker.spoke_s_ago)
        if wait_s > 0:
            raise SlowMode(room.slow_mode_s, wait_s)
        self.spoke.add(post.seat)

    def _conversation(self, post: Post) -> LockedConversation:
        conversation = self.conversations.get(post.pair)
        if conversation is None:
            raise UserNotFound
        blocked = (
            conversation.blocked_by_high
            if post.author_id == conversation.user_low
            else conversation.blocked_by_low
        )
        if blocked:
            raise UserNotFound
        return conversation

    def _check_reply(
        self, post: Post, room: LockedRoom | None, conversation: LockedConversation | None
    ) -> None:
        if post.reply_to is None:
            return
        replied = self.replied.get(post.reply_to)
        if (
            replied is None
            or (room is not None and not self._sees(post, room, replied))
            or (conversation is not None and replied.conversation_id != conversation.id)
        ):
            raise InvalidData("reply_to must be the id of a message in the same place")

    def _sees(self, post: Post, room: LockedRoom, replied: Replied) -> bool:
        """What was said before one joined may not be there to be seen."""
        seen_from = self.speakers[post.seat].joined_seq if room.history == "joining" else 0
        return replied.room_id == room.id and replied.seq > seen_from


async def _lock_conversations(
    conn: Connection, pairs: list[Pair]
) -> dict[Pair, LockedConversation]:
    lows, highs = as_columns(pairs)
    locked = await sql.lock_conversations(conn, lows, highs)
    if len(locked) < len(pairs):
        found = {(row.user_low, row.user_high) for row in locked}
        await sql.insert_conversations(conn, *as_columns([p for p in pairs if p not in found]))
        locked = await sql.lock_conversations(conn, lows, highs)
    return {(row.user_low, row.user_high): row for row in locked}


async def _already_sent(conn: Connection, sent: list[Sent]) -> dict[Sent, Message]:
    rows = await sql.select_already_sent(conn, *as_columns(sent))
    return {(row.from_user, row.client_id): row for row in rows if row.client_id}


async def _take_attachments(
    conn: Connection, posts: Sequence[Post]
) -> dict[int, Attached | TalasError]:
    asked = {
        place: (post.author_id, post.attachments)
        for place, post in enumerate(posts)
        if post.attachments
    }
    if not asked:
        return {}
    taken = await take_attachments(conn, list(asked.values()))
    return dict(zip(asked, taken, strict=True))


async def _resolve_mentions(conn: Connection, posts: Sequence[Post]) -> dict[int, list[int]]:
    asked = {
        place: (post.room_id, post.content, post.author_id)
        for place, post in enumerate(posts)
        if post.room_id is not None and "@" in post.content
    }
    if not asked:
        return {}
    found = await resolve_mentions(conn, list(asked.values()))
    return dict(zip(asked, found, strict=True))


def _people(posts: Sequence[Post]) -> list[int]:
    people = {post.author_id for post in posts}
    people.update(post.to_user for post in posts if post.to_user and is_id(post.to_user))
    return sorted(people)
