"""Who is here: the open sockets of this process by user, session and room, and how far each room
has been shown to them.

``Room.seq`` is what makes the order: whatever is written to a room's sockets follows on it. What
does not follow is not written; the follower then reads from the database what lies between.
"""

import asyncio
import math
from collections.abc import Callable, Collection, Iterable
from typing import cast

from talas.core.sessions import Actor
from talas.core.tokens import Claims
from talas.domains.chat.connection import Connection
from talas.domains.chat.frames import encode_frame
from talas.domains.chat.limits import Meter
from talas.domains.chat.metrics import DELIVERIES, OPEN_SOCKETS
from talas.domains.chat.schemas import direct_message, room_message
from talas.domains.chat.sql import Message, RoomRow

MAX_SOCKETS = 10
MAX_HISTORIES = 200
KEEP_USER_S = 30.0
# What can be missed is not written to who has this much unsent.
MAX_UNSENT_HINTS = 256 * 1024
_BURST = 32


class Member(Connection):
    """A connection that belongs to somebody and may be in rooms."""

    __slots__ = (
        "_histories",
        "actor",
        "claims",
        "entered_at",
        "in_flight",
        "rooms",
        "user",
        "version",
    )

    actor: Actor
    claims: Claims
    user: "User"
    rooms: "dict[str, Room]"
    """By the key of the room's name."""
    in_flight: int
    """Messages sent of which it is not known yet what becomes."""
    entered_at: float
    """On the event loop's clock."""
    version: int
    """2 for who asked for more than the frames of the first protocol."""
    _histories: dict[int, tuple[int, int]] | None
    """From which ``seq`` up to which one it was given the conversation with a user."""

    def has_read(self, user_id: int, first: int, last: int) -> None:
        """All that was said in the conversation with the user, as far as it goes."""
        histories = self._histories = self._histories or {}
        if len(histories) >= MAX_HISTORIES:
            histories.clear()
        histories[user_id] = first, last

    def knows(self, user_id: int, seq: int) -> bool:
        """Whether it stood in a history that the socket was given."""
        if self._histories is None:
            return False
        first, last = self._histories.get(user_id, (0, -1))
        return first <= seq <= last


class User:
    """What all sockets of one user share. Kept for a while after the last one has gone, so that
    reconnecting fills no meter."""

    __slots__ = ("histories", "id", "joins", "left_at", "messages", "sockets", "typed")

    def __init__(self, user_id: int) -> None:
        self.id = user_id
        self.sockets: set[Member] = set()
        self.messages = Meter()
        self.joins = Meter()
        self.histories = Meter()
        self.typed: dict[tuple[str, int], float] | None = None
        """When the user last was shown to type, by place."""
        self.left_at = 0.0


class Room:
    """A room in which a socket of this process is, or is about to be.

    ``listeners`` are those of the members that asked for all events. ``seq`` is the newest event
    that was shown, ``opened`` what it was at first. ``since`` says from where on a member sees
    messages, where that is not 0.
    """

    __slots__ = (
        "ahead",
        "deleted",
        "entering",
        "id",
        "key",
        "listeners",
        "members",
        "name",
        "opened",
        "presence",
        "removed",
        "seq",
        "since",
    )

    def __init__(self, room_id: int, key: str, name: str, seq: int) -> None:
        self.id = room_id
        self.key = key
        self.name = name
        self.seq = self.opened = seq
        self.members: set[Member] = set()
        self.listeners: set[Member] = set()
        self.since: dict[Member, int] = {}
        self.entering = 0
        self.removed: dict[int, int] = {}
        """Who is no member any more, with the ``seq`` of that."""
        self.ahead: dict[Member, int] = {}
        """Who came knowing of more than was shown here yet, and up to where."""
        self.deleted = False
        self.presence = 0
        """How often it was shown that somebody came or went."""

    def unaware(self, members: set[Member], seq: int) -> Collection[Member]:
        """Those of them who do not know of ``seq`` yet, which is the newest."""
        if self.ahead:
            self.ahead = {member: known for member, known in self.ahead.items() if known >= seq}
        return members.difference(self.ahead) if self.ahead else members

    def has_lost(self, user_id: int, seq: int) -> bool:
        """Whether the user ceased to be a member after ``seq``."""
        return self.deleted or self.removed.get(user_id, 0) > seq

    def name_at(self, row: RoomRow) -> str:
        """What it is called: by the row, where that is newer than what was shown here."""
        return row.name if row.seq > self.seq else self.name


class Hub:
    """``behind`` is called with a room that has to be read from the database, and with a
    conversation of which a message was kept that cannot be shown yet."""

    def __init__(self) -> None:
        self.users: dict[int, User] = {}
        self.sessions: dict[int, set[Member]] = {}
        self.rooms: dict[int, Room] = {}
        self.sockets: set[Member] = set()
        self.conversations: dict[int, int] = {}
        """The newest ``seq`` shown of those in which something was shown lately."""
        self.on_behind: Callable[[Room], None] = lambda _room: None
        self.on_unknown: Callable[[Message], None] = lambda _message: None
        self.on_presence: Callable[[int, int], None] = lambda _room_id, _user_id: None

    # Who is here

    def enter(self, member: Member) -> bool:
        """False when the user has as many sockets as there may be."""
        actor = member.actor
        user = self.users.get(actor.user_id)
        if user is None:
            user = self.users[actor.user_id] = User(actor.user_id)
        if len(user.sockets) >= MAX_SOCKETS:
            return False
        member.user, member.rooms, member._histories = user, {}, None
        user.sockets.add(member)
        self.sockets.add(member)
        OPEN_SOCKETS.set(len(self.sockets))
        self.sessions.setdefault(actor.session_id, set()).add(member)
        self.on_presence(0, user.id)
        return True

    def leave(self, member: Member, now: float) -> None:
        if member not in self.sockets:
            return
        for room in set(member.rooms.values()):
            self.unsubscribe(member, room)
        self.sockets.discard(member)
        OPEN_SOCKETS.set(len(self.sockets))
        member.user.sockets.discard(member)
        member.user.left_at = now
        self._drop_session(member)
        self.on_presence(0, member.user.id)

    def change_session(self, member: Member, actor: Actor, claims: Claims) -> None:
        self._drop_session(member)
        member.actor, member.claims = actor, claims
        self.sessions.setdefault(actor.session_id, set()).add(member)

    def is_online(self, user_id: int) -> bool:
        user = self.users.get(user_id)
        return user is not None and bool(user.sockets)

    def is_in_room(self, user_id: int, room_id: int) -> bool:
        user, room = self.users.get(user_id), self.rooms.get(room_id)
        return (
            user is not None and room is not None and any(s in room.members for s in user.sockets)
        )

    def forget_absent_users(self, now: float) -> None:
        for user in list(self.users.values()):
            if not user.sockets and now - user.left_at > KEEP_USER_S:
                del self.users[user.id]

    # Rooms

    def open_room(self, room_id: int, key: str, name: str, seq: int) -> Room:
        """The room, kept until ``close_room``; a new one begins at ``seq``, and what came since is
        read from the database."""
        room = self.rooms.get(room_id)
        if room is None:
            room = self.rooms[room_id] = Room(room_id, key, name, seq)
            self.on_behind(room)
        room.entering += 1
        return room

    def close_room(self, room: Room) -> None:
        room.entering -= 1
        self._drop_room(room)

    def subscribe(
        self, member: Member, key: str, room: Room, *, since: int = 0, known: int = 0
    ) -> None:
        """``key`` is what the member calls the room; it has been told up to ``known``, or finds it
        in the history, and is shown only what comes after that."""
        if known > room.seq and member not in room.members:
            room.ahead[member] = known
            self.on_behind(room)
        room.members.add(member)
        if member.version >= 2:
            room.listeners.add(member)
        if since:
            room.since[member] = since
        member.rooms[key] = member.rooms[room.key] = room
        self.on_presence(room.id, member.user.id)

    def unsubscribe(self, member: Member, room: Room) -> None:
        room.members.discard(member)
        room.listeners.discard(member)
        room.since.pop(member, None)
        room.ahead.pop(member, None)
        for name in [name for name, joined in member.rooms.items() if joined is room]:
            del member.rooms[name]
        self.on_presence(room.id, member.user.id)
        self._drop_room(room)

    def rename(self, room: Room, key: str, name: str) -> None:
        """Who joined it by its old name may go on to use that."""
        room.key, room.name = key, name
        for member in room.members:
            known = member.rooms.get(key)
            if known is None or known.key != key:
                member.rooms[key] = room

    def _drop_room(self, room: Room) -> None:
        if not room.members and not room.entering and self.rooms.get(room.id) is room:
            del self.rooms[room.id]

    # What is shown

    async def deliver(self, messages: list[Message]) -> None:
        """Shows messages that this process has kept, in the order given.

        Between two messages other sockets get their turn; within one nothing waits. What a
        room gets at once is written at once.
        """
        bursts: dict[int, list[tuple[int, bytes]]] = {}
        for message in messages:
            room = self.rooms.get(message.room_id or 0)
            if message.to_user is not None:
                self.deliver_direct(message)
            elif room is not None:
                burst = bursts.setdefault(room.id, [])
                burst.append((message.seq, encode_frame("message", room_message(message))))
                if len(burst) >= _BURST:
                    await self._fan_out(room.id, bursts.pop(room.id))
        for room_id, burst in bursts.items():
            await self._fan_out(room_id, burst)

    def deliver_direct(self, message: Message) -> None:
        conversation_id = cast(int, message.conversation_id)
        if not (self.is_online(message.from_user) or self.is_online(message.to_user or 0)):
            return
        if self.conversations.get(conversation_id, -1) + 1 == message.seq:
            self.conversations[conversation_id] = message.seq
            self.show_direct(message)
        else:
            self.on_unknown(message)

    def show_direct(self, message: Message, *, before: float = math.inf) -> None:
        """``before``: who came later than that has had its chance to read the history."""
        recipient, sender = cast(int, message.to_user), message.from_user
        if recipient != sender and recipient in self.users:
            frame = encode_frame("dm", direct_message(message, to=None))
            self.tell_user(recipient, frame, before=before, of=(sender, message.seq))
        if sender in self.users:
            frame = encode_frame("dm", direct_message(message, to=recipient))
            self.tell_user(sender, frame, before=before, of=(recipient, message.seq))

    def show(self, room: Room, frame: bytes, seq: int) -> None:
        """A message of a room, which is what comes next there."""
        room.seq = seq
        write_to_all(room.unaware(room.members, seq), frame)

    def tell_user(
        self,
        user_id: int,
        frames: bytes,
        *,
        version: int = 1,
        before: float = math.inf,
        of: tuple[int, int] | None = None,
    ) -> None:
        """``of``: the other one in a conversation, and the ``seq`` of what was said there; who has
        it from the history is not told again."""
        user = self.users.get(user_id)
        if user is not None:
            sockets = [s for s in user.sockets if s.version >= version and s.entered_at < before]
            if of is not None:
                sockets = [s for s in sockets if not s.knows(*of)]
            write_to_all(sockets, frames)

    async def _fan_out(self, room_id: int, burst: list[tuple[int, bytes]]) -> None:
        room = self.rooms.get(room_id)
        if room is None or burst[-1][0] <= room.seq:
            return
        # What was not kept in one transaction may have others' messages in between.
        if burst[0][0] != room.seq + 1 or burst[-1][0] != room.seq + len(burst):
            self.on_behind(room)
            return
        if room.ahead:
            for seq, frame in burst:
                self.show(room, frame, seq)
        else:
            room.seq = burst[-1][0]
            write_to_all(room.members, b"".join(frame for _, frame in burst), messages=len(burst))
        await asyncio.sleep(0)

    def _drop_session(self, member: Member) -> None:
        session_id = member.actor.session_id
        sockets = self.sessions.get(session_id)
        if sockets is not None:
            sockets.discard(member)
            if not sockets:
                del self.sessions[session_id]


def write_to_all(members: Collection[Member], frames: bytes, *, messages: int = 1) -> None:
    """The same bytes to every transport. A member who leaves does so after the loop: its set
    must not change under it."""
    DELIVERIES.inc(len(members) * messages)
    slow = []
    for member in members:
        if member.is_slow:
            slow.append(member)
        else:
            member.transport.write(frames)  # type: ignore[union-attr]  # open ones have one
    for member in slow:
        if member.is_open:
            member.write(frames)


def hint_to_all(members: Iterable[Member], frames: bytes) -> None:
    """What can be missed, like who types: not to who is behind with reading."""
    for member in list(members):
        if member.is_open and not (member.is_slow and member.unsent() > MAX_UNSENT_HINTS):
            member.write(frames)
