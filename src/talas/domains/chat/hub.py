"""Who is here: the open sockets of this process by user, session and room."""

import asyncio
from collections.abc import Collection
from typing import cast

from talas.core.sessions import Actor
from talas.core.tokens import Claims
from talas.domains.chat.connection import Connection
from talas.domains.chat.frames import encode_frame
from talas.domains.chat.limits import Meter
from talas.domains.chat.metrics import DELIVERIES
from talas.domains.chat.schemas import direct_message, room_message
from talas.domains.chat.sql import Message

MAX_SOCKETS = 10
KEEP_USER_S = 30.0
_BURST = 32


class Member(Connection):
    """A connection that belongs to somebody and may be in rooms."""

    __slots__ = ("actor", "claims", "in_flight", "rooms", "user")

    actor: Actor
    claims: Claims
    user: "User"
    rooms: "dict[str, Room]"
    """By the key of the room's name."""
    in_flight: int
    """Messages sent of which it is not known yet what becomes."""


class User:
    """What all sockets of one user share. Kept for a while after the last one has gone, so that
    reconnecting fills no meter."""

    __slots__ = ("histories", "id", "joins", "left_at", "messages", "sockets")

    def __init__(self, user_id: int) -> None:
        self.id = user_id
        self.sockets: set[Member] = set()
        self.messages = Meter()
        self.joins = Meter()
        self.histories = Meter()
        self.left_at = 0.0


class Room:
    """A room in which a socket of this process is."""

    __slots__ = ("id", "members", "name")

    def __init__(self, room_id: int, name: str) -> None:
        self.id = room_id
        self.name = name
        self.members: set[Member] = set()


class Hub:
    def __init__(self) -> None:
        self.users: dict[int, User] = {}
        self.sessions: dict[int, set[Member]] = {}
        self.rooms: dict[int, Room] = {}
        self.sockets: set[Member] = set()

    def enter(self, member: Member) -> bool:
        """False when the user has as many sockets as there may be."""
        actor = member.actor
        user = self.users.get(actor.user_id)
        if user is None:
            user = self.users[actor.user_id] = User(actor.user_id)
        if len(user.sockets) >= MAX_SOCKETS:
            return False
        member.user, member.rooms = user, {}
        user.sockets.add(member)
        self.sockets.add(member)
        self.sessions.setdefault(actor.session_id, set()).add(member)
        return True

    def leave(self, member: Member, now: float) -> None:
        if member not in self.sockets:
            return
        for room in set(member.rooms.values()):
            self.unsubscribe(member, room)
        self.sockets.discard(member)
        member.user.sockets.discard(member)
        member.user.left_at = now
        self._drop_session(member)

    def change_session(self, member: Member, actor: Actor, claims: Claims) -> None:
        self._drop_session(member)
        member.actor, member.claims = actor, claims
        self.sessions.setdefault(actor.session_id, set()).add(member)

    def subscribe(self, member: Member, key: str, room_id: int, name: str) -> None:
        room = self.rooms.get(room_id)
        if room is None:
            room = self.rooms[room_id] = Room(room_id, name)
        room.name = name
        room.members.add(member)
        member.rooms[key] = room

    def unsubscribe(self, member: Member, room: Room) -> None:
        room.members.discard(member)
        for name in [name for name, joined in member.rooms.items() if joined is room]:
            del member.rooms[name]
        if not room.members:
            self.rooms.pop(room.id, None)

    def forget_absent_users(self, now: float) -> None:
        for user in list(self.users.values()):
            if not user.sockets and now - user.left_at > KEEP_USER_S:
                del self.users[user.id]

    async def deliver(self, messages: list[Message]) -> None:
        """Shows kept messages to who is to see them, in the order given.

        Between two messages other sockets get their turn; within one nothing waits. What a
        room gets at once is written at once.
        """
        bursts: dict[int, list[bytes]] = {}
        for message in messages:
            room = self.rooms.get(message.room_id or 0)
            if message.to_user is not None:
                self._deliver_direct(message)
            elif room is not None:
                burst = bursts.setdefault(room.id, [])
                burst.append(encode_frame("message", room_message(message)))
                if len(burst) >= _BURST:
                    await self._fan_out(room.id, bursts.pop(room.id))
        for room_id, burst in bursts.items():
            await self._fan_out(room_id, burst)

    def tell_user(self, user_id: int, frames: bytes) -> None:
        user = self.users.get(user_id)
        if user is not None:
            write_to_all(user.sockets, frames)

    def _deliver_direct(self, message: Message) -> None:
        recipient, sender = cast(int, message.to_user), message.from_user
        if recipient != sender and recipient in self.users:
            self.tell_user(recipient, encode_frame("dm", direct_message(message, to=None)))
        if sender in self.users:
            self.tell_user(sender, encode_frame("dm", direct_message(message, to=recipient)))

    async def _fan_out(self, room_id: int, burst: list[bytes]) -> None:
        room = self.rooms.get(room_id)
        if room is not None:
            write_to_all(room.members, b"".join(burst), messages=len(burst))
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
