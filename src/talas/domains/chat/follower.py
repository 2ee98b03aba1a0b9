"""Catching up: what other processes have kept is read from the database and shown in order.

An announcement only says that there is more. Rooms that are behind are read from where their
sockets are, and so is whatever was noticed to be missing otherwise: by a jump in ``seq``, by the
comparison with the database every 40 s, or after the listening connections were lost.
"""

import asyncio
import random
from collections.abc import Coroutine, Sequence
from typing import Annotated, Any

import msgspec
import structlog

from talas.core.database import MAX_ID, Database, is_unavailable
from talas.domains.chat.access import name_key
from talas.domains.chat.errors import Removed
from talas.domains.chat.event_frames import (
    MESSAGE,
    event_data,
    event_frame,
    gone_member,
    is_deletion,
    message_of,
)
from talas.domains.chat.events import sql
from talas.domains.chat.events.sql import LoggedEvent
from talas.domains.chat.frames import encode_error, encode_event, encode_frame
from talas.domains.chat.hub import Hub, Member, Room, write_to_all
from talas.domains.chat.metrics import FOLLOWED
from talas.domains.chat.schemas import LeftData
from talas.domains.chat.sql import Message

COMPARE_S = 40.0
AT_ONCE = 300
PLACES_AT_ONCE = 200
RETRY_S = 0.5
MAX_KNOWN = 50_000
# Of a conversation in which nothing was shown before, what may have been missed before the first
# announcement came: a little, and more as long as all of it is news to somebody.
_BEFORE_FIRST = 16
_FURTHER_BACK = AT_ONCE - _BEFORE_FIRST
# An id may be given long before its row is committed.
_SETTLED_S = 15.0
# A socket that was opened so long after a message is not shown it any more.
_LATE_S = 5.0

_Id = Annotated[int, msgspec.Meta(gt=0, le=MAX_ID)]
_Seq = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

log = structlog.get_logger()


class _Tops(msgspec.Struct):
    """See TOPS. What is asked of the database again until it answers must be what it can answer."""

    node: str | None = None
    rooms: list[tuple[_Id, _Seq]] = []
    conversations: list[tuple[_Id, _Id, _Id, _Seq, _Seq]] = []


class Follower:
    def __init__(self, db: Database, hub: Hub, node_id: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._db = db
        self._hub = hub
        self._node_id = node_id
        self._rooms: set[int] = set()
        self._conversations: dict[int, int] = {}
        """Conversations to read, with the lowest ``seq`` that was announced."""
        self._more = asyncio.Event()
        self._compare_now = asyncio.Event()
        self._marks: list[tuple[float, tuple[int, int]]] = []
        """How far the tables had come, and when that was asked."""
        self._forgot_at = 0.0
        hub.on_behind = self.want_room
        hub.on_unknown = self._want_unknown

    def want_room(self, room: Room) -> None:
        self._rooms.add(room.id)
        self._more.set()

    def compare_soon(self) -> None:
        """Announcements may have been missed."""
        self._compare_now.set()

    def heard_tops(self, event: dict[str, Any]) -> None:
        """See TOPS. What this process has kept it shows by itself."""
        if event.get("node") == self._node_id:
            return
        try:
            tops = msgspec.convert(event, _Tops)
        except msgspec.ValidationError as error:
            log.warning("chat.bad_tops", error=str(error))
            return
        for room_id, seq in tops.rooms:
            room = self._hub.rooms.get(room_id)
            if room is not None and room.seq < seq:
                self.want_room(room)
        for conversation_id, low, high, first, last in tops.conversations:
            self._want_conversation(conversation_id, low, high, first, last)

    def _want_unknown(self, message: Message) -> None:
        low, high = message.from_user, message.to_user or 0
        seq = message.seq
        self._want_conversation(message.conversation_id or 0, low, high, seq, seq)

    def _want_conversation(
        self, conversation_id: int, low: int, high: int, first: int, last: int
    ) -> None:
        shown = self._hub.conversations.get(conversation_id)
        if shown is not None and last <= shown:
            return
        if self._hub.is_online(low) or self._hub.is_online(high):
            known = self._conversations.get(conversation_id, first)
            self._conversations[conversation_id] = min(first, known)
            self._more.set()

    async def run(self) -> None:
        await asyncio.gather(self._follow(), self._compare())

    async def _follow(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            rooms, self._rooms = self._rooms, set()
            conversations, self._conversations = self._conversations, {}
            # Of one that cannot be read the others do not suffer.
            if not await self._succeeds(self._read_rooms(sorted(rooms))):
                self._rooms |= rooms
            if not await self._succeeds(self._read_conversations(conversations)):
                for conversation_id, first in conversations.items():
                    known = self._conversations.get(conversation_id, first)
                    self._conversations[conversation_id] = min(first, known)

    async def _succeeds(self, reading: Coroutine[Any, Any, None]) -> bool:
        """Whether it did; if not, the next try comes a moment later."""
        try:
            await reading
        except Exception as error:
            if not is_unavailable(error):
                log.exception("chat.following_failed")
            self._more.set()
            await asyncio.sleep(RETRY_S)
            return False
        return True

    # Rooms

    async def _read_rooms(self, room_ids: list[int]) -> None:
        for start in range(0, len(room_ids), PLACES_AT_ONCE):
            await self._read_some_rooms(room_ids[start : start + PLACES_AT_ONCE])

    async def _read_some_rooms(self, room_ids: Sequence[int]) -> None:
        rooms = [room for room_id in room_ids if (room := self._hub.rooms.get(room_id))]
        if not rooms:
            return
        after = {room.id: room.seq for room in rooms}
        async with self._db.connection() as conn:
            events = await sql.select_room_events_after(
                conn, list(after), list(after.values()), AT_ONCE
            )
        FOLLOWED.inc(len(events))
        counts: dict[int, int] = {}
        for place, event in enumerate(events):
            room_id = event.room_id or 0
            counts[room_id] = counts.get(room_id, 0) + 1
            room = self._hub.rooms.get(room_id)
            # One that was closed and opened again meanwhile may be further back.
            if room is not None and after[room_id] <= room.seq < event.seq:
                self._show_in_room(room, event)
            if place % 32 == 31:
                await asyncio.sleep(0)
        for room in rooms:
            # As many as were asked for: there may be more.
            if counts.get(room.id) == AT_ONCE:
                self.want_room(room)

    def _show_in_room(self, room: Room, event: LoggedEvent) -> None:
        if event.kind == MESSAGE:
            self._hub.show(room, event_frame(event), event.seq)
            return
        room.seq = event.seq
        self._show_to_listeners(room, event)
        if (gone := gone_member(event)) is not None:
            self._member_gone(room, *gone, seq=event.seq)
        elif event.kind == "room":
            self._room_changed(room, event)

    def _show_to_listeners(self, room: Room, event: LoggedEvent) -> None:
        seq = event.message_seq
        frame = event_frame(event)
        listeners = room.unaware(room.listeners, event.seq)
        if seq is None or not room.since:
            write_to_all(listeners, frame)
            return
        hidden = {m for m in listeners if seq <= room.since.get(m, 0)}
        write_to_all([m for m in listeners if m not in hidden], frame)
        write_to_all(hidden, event_frame(event, visible_from=seq))

    def _member_gone(self, room: Room, user_id: int, action: str, *, seq: int) -> None:
        room.removed[user_id] = seq
        refusal = encode_error(Removed()) if action == "removed" else b""
        # Who has come back since then is a member.
        members = [m for m in room.unaware(room.members, seq) if m.user.id == user_id]
        self._send_away(room, members, refusal)

    def _room_changed(self, room: Room, event: LoggedEvent) -> None:
        data = event_data(event)
        if is_deletion(event):
            self._deleted(room)
        elif "name" in data:
            self._hub.rename(room, name_key(data["name"]), data["name"])
        if "history" in data:
            self._history_changed(room, data["history"])

    def _deleted(self, room: Room) -> None:
        room.deleted = True
        refusal = encode_event("error", {"message": "The room was deleted", "code": "room_deleted"})
        self._send_away(room, list(room.members), refusal)

    def _history_changed(self, room: Room, history: str) -> None:
        """From where each member sees messages is known only when it joins: who is in the room
        now saw everything until now, and from now on what comes. Who came later knows it."""
        for member in room.unaware(room.members, room.seq):
            if history == "joining":
                room.since[member] = room.seq
            else:
                room.since.pop(member, None)

    def _send_away(self, room: Room, members: list[Member], refusal: bytes) -> None:
        for member in members:
            self._hub.unsubscribe(member, room)
            if member.version >= 2:
                write_to_all([member], encode_frame("left", LeftData(room=room.name)))
            elif refusal:
                write_to_all([member], refusal)

    # Conversations

    async def _read_conversations(self, wanted: dict[int, int]) -> None:
        ids = list(wanted)
        for start in range(0, len(ids), PLACES_AT_ONCE):
            some = ids[start : start + PLACES_AT_ONCE]
            await self._read_some_conversations({id_: wanted[id_] for id_ in some})

    async def _read_some_conversations(self, wanted: dict[int, int]) -> None:
        shown = self._hub.conversations
        after = [shown.get(id_, max(0, first - 1 - _BEFORE_FIRST)) for id_, first in wanted.items()]
        async with self._db.connection() as conn:
            events = await sql.select_conversation_events_after(conn, list(wanted), after, AT_ONCE)
        FOLLOWED.inc(len(events))
        by_id: dict[int, list[LoggedEvent]] = {}
        for event in events:
            by_id.setdefault(event.conversation_id or 0, []).append(event)
        for id_, news in by_id.items():
            if len(news) == AT_ONCE:
                self._conversations[id_] = wanted[id_]
                self._more.set()
            is_known = id_ in shown
            if not is_known and news[0].seq > 1 and self._is_news(news[0]):
                self._conversations[id_] = max(1, news[0].seq - _FURTHER_BACK)
                self._more.set()
                continue
            for event in news:
                if event.seq > shown.get(id_, 0):
                    shown[id_] = event.seq
                    if is_known or self._is_news(event):
                        self._show_in_conversation(event)
            await asyncio.sleep(0)

    def _is_news(self, event: LoggedEvent) -> bool:
        """Whether a socket may have been there when it happened, of a conversation of which it is
        not known what was shown."""
        before = self._late_for(event)
        users = [self._hub.users.get(id_ or 0) for id_ in (event.user_low, event.user_high)]
        return before > self._forgot_at + _LATE_S and any(
            socket.entered_at < before for user in users if user for socket in user.sockets
        )

    def _late_for(self, event: LoggedEvent) -> float:
        """Who came later than this is not shown it any more."""
        return self._loop.time() - event.age_s + _LATE_S

    def _show_in_conversation(self, event: LoggedEvent) -> None:
        before = self._late_for(event)
        if event.kind == MESSAGE:
            self._hub.show_direct(message_of(event), before=before)
            return
        frame = encode_event(event.kind, event_data(event))
        for user_id in {event.user_low or 0, event.user_high or 0}:
            self._hub.tell_user(user_id, frame, version=2, before=before)

    # Comparing

    async def _compare(self) -> None:
        while True:
            try:
                async with asyncio.timeout(COMPARE_S * random.uniform(0.9, 1.0)):  # noqa: S311
                    await self._compare_now.wait()
            except TimeoutError:
                pass
            self._compare_now.clear()
            try:
                await self._compare_rooms()
                await self._compare_conversations()
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("chat.comparing_failed")
                await asyncio.sleep(RETRY_S)
                self._compare_now.set()

    async def _compare_rooms(self) -> None:
        room_ids = list(self._hub.rooms)
        for start in range(0, len(room_ids), 1000):
            async with self._db.connection() as conn:
                tops = await sql.select_room_tops(conn, room_ids[start : start + 1000])
            for room_id in room_ids[start : start + 1000]:
                room = self._hub.rooms.get(room_id)
                if room is None:
                    continue
                if room_id not in tops:
                    # Deleted so long ago that its last event is gone too.
                    self._deleted(room)
                elif room.seq < tops[room_id]:
                    self.want_room(room)

    async def _compare_conversations(self) -> None:
        """Looks at what came since the last comparison that was long enough ago."""
        now = self._loop.time()
        changed = []
        async with self._db.connection() as conn:
            marks = await sql.select_marks(conn)
            if self._marks:
                changed = await sql.select_conversations_since(conn, *self._marks[0][1])
        self._marks.append((now, marks))
        while len(self._marks) > 1 and self._marks[1][0] < now - _SETTLED_S:
            del self._marks[0]
        for one in changed:
            self._want_conversation(one.id, one.user_low, one.user_high, one.first, one.last)
        if len(self._hub.conversations) > MAX_KNOWN:
            self._forgot_at = now
            active = {one.id for one in changed}
            for id_ in [id_ for id_ in self._hub.conversations if id_ not in active]:
                del self._hub.conversations[id_]
