"""What a chat follows: its rooms and conversations, over all its connections."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any, get_args

import msgspec

from talas.client.errors import Refused, Unanswered
from talas.client.events import (
    Direct,
    Event,
    MemberChanged,
    Message,
    Other,
    Presence,
    RoomChanged,
    RoomLost,
    Sequenced,
    read_event,
)
from talas.client.line import waits_s
from talas.client.link import Data, Link, LinkLost
from talas.client.pace import Pace
from talas.client.places import Place

PAGE = 200
# How far back is read to fill what was missed.
MAX_PAGES = 5
MAX_FAILURES = 6
MAX_CONVERSATIONS = 500
_AT_ONCE = 8
_WHY_OUT = {
    "left": "You have left the room",
    "removed": "You were removed from the room",
    "deleted": "The room was deleted",
}
_SEQUENCED = get_args(Sequenced)


class Room:
    """``link`` is the connection on which it is joined; None between them. ``is_asking`` while a
    ``join`` waits for its answer."""

    def __init__(self, name: str, since: int | None) -> None:
        self.name = name
        self.place = Place(room=name, last=since)
        self.link: Link | None = None
        self.is_asking = False
        self.out = ""
        """What was last done to oneself or the room, should that be the reason to be out of it."""
        self.online: set[int] = set()


class Following:
    """``give`` takes each event, ``touched`` is called when a room has become ready."""

    def __init__(
        self, give: Callable[[Event], None], touched: Callable[[], None], *, answer_s: float
    ) -> None:
        self.me = 0
        self._give, self._touched, self._answer_s = give, touched, answer_s
        self._rooms: dict[str, Room] = {}
        self._conversations: dict[int, Place] = {}
        self._link: Link | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_once = asyncio.Semaphore(_AT_ONCE)
        self.joins, self.histories = Pace(), Pace()

    def room(self, name: str) -> Room | None:
        return self._rooms.get(_key(name))

    def rooms(self) -> list[str]:
        return sorted({room.name for room in self._rooms.values()})

    def connected(self, link: Link) -> None:
        self._link = link
        for room in self._rooms.values():
            self._resume_room(room)
        for place in self._conversations.values():
            self._spawn(self._fill(link, place))

    def disconnected(self) -> None:
        self._link = None
        for task in self._tasks:
            task.cancel()
        for room in self._rooms.values():
            room.link, room.is_asking = None, False
            room.place.disconnected()
            room.online.clear()
        for place in self._conversations.values():
            place.disconnected()

    def forget(self, name: str) -> None:
        room = self.room(name)
        self._rooms = {key: known for key, known in self._rooms.items() if known is not room}

    def newest(self, place: str | int) -> int | None:
        """The last ``seq`` that was given out of a room (its name) or conversation (a user's
        id)."""
        if isinstance(place, int):
            conversation = self._conversations.get(place)
            return None if conversation is None else conversation.last
        room = self.room(place)
        return None if room is None else room.place.last

    def joined(self, name: str, since: int | None, data: Data) -> None:
        """A room that is new here. Called before what comes after the answer is looked at."""
        canonical = data.get("room")
        room = Room(canonical if isinstance(canonical, str) else name, since)
        self._rooms.setdefault(_key(room.name), room)
        # By what it was called, too: the server may fold names in its own way.
        self._rooms.setdefault(_key(name), self._rooms[_key(room.name)])
        self._joined(self._rooms[_key(room.name)], since, data)

    def handle(self, event: Event) -> None:
        if isinstance(event, _SEQUENCED) and event.seq is not None:
            if isinstance(event, Other) and event.room is None:
                self._give(event)
            elif isinstance(event, Direct) or (event.room is None and not isinstance(event, Other)):
                self._conversation_event(event)
            else:
                self._room_event(event)
        elif isinstance(event, Presence):
            self._presence(event)
        elif isinstance(event, Other) and event.type == "left" and event.room is not None:
            self._sent_away(event.room)
        else:
            self._give(event)

    def conversation_read(self, peer: int, data: Data) -> None:
        """From here on it is followed. Called before what comes after the answer is looked at."""
        seq = data.get("seq")
        if peer not in self._conversations and type(seq) is int:
            self._conversation(peer, seq).begin(seq)

    def direct_kept(self, peer: int, seq: int) -> None:
        """An own message stands in the conversation; if it was not shown here, it is asked for."""
        place = self._conversations.get(peer)
        if place is None:
            place = self._conversation(peer, seq - 1)
            if self._link is not None:
                self._spawn(self._fill(self._link, place))

    # Rooms

    def _room_event(self, event: Any) -> None:
        room = self._rooms.get(_key(event.room)) or self._renamed(event)
        if room is None:
            return
        self._give_all(room.place.take(event))
        of_me = isinstance(event, MemberChanged) and event.user_id == self.me
        if of_me or isinstance(event, RoomChanged):
            room.out = event.action
        if room.place.has_hole:
            room.place.hold()
            self._resume_room(room)

    def _sent_away(self, name: str) -> None:
        """Joining again would make a member of who has just left."""
        room = self.room(name)
        if room is not None:
            code = room.out if room.out in _WHY_OUT else "left"
            self._lose(room, Refused(code, _WHY_OUT[code]))

    def _renamed(self, event: Any) -> Room | None:
        """The room that has a new name: frames name a room only by the name that it has now."""
        if not isinstance(event, RoomChanged) or not isinstance(event.renamed_from, str):
            return None
        room = self._rooms.get(_key(event.renamed_from))
        if room is not None:
            self._rename(room, event.room or "")
        return room

    def _rename(self, room: Room, name: str) -> None:
        for key in [key for key, known in self._rooms.items() if known is room]:
            del self._rooms[key]
        room.name = room.place.room = name
        self._rooms[_key(name)] = room

    def _presence(self, event: Presence) -> None:
        room = self._rooms.get(_key(event.room))
        if room is None:
            return
        if event.whole:
            room.online = set(event.online)
        room.online.update(event.online)
        room.online.difference_update(event.offline)
        self._give(event)

    def _resume_room(self, room: Room) -> None:
        if self._link is not None and not room.is_asking:
            room.is_asking = True
            self._spawn(self._resume(self._link, room))

    async def _resume(self, link: Link, room: Room) -> None:
        request: dict[str, Any] = {"type": "join", "room": room.name}
        since = room.place.last
        if since is not None:
            request["since"] = since
        heard = partial(self._joined, room, since)
        try:
            async with self._at_once:
                await self._insist(link, request, self.joins, heard)
        except Refused as refusal:
            self._lose(room, refusal)

    def _joined(self, room: Room, since: int | None, data: Data) -> None:
        room.link, room.is_asking = self._link, False
        top = data.get("seq")
        if since is None:
            self._give_all(room.place.begin(top if type(top) is int else None))
        elif data.get("recovered") is True:
            self._give_all(room.place.replay(top if type(top) is int else since))
        elif type(top) is int and top < since:
            self._give_all(room.place.start_over(top))
        else:
            room.place.hold()
            if room.link is not None:
                self._spawn(self._fill(room.link, room.place))
        self._touched()

    def _lose(self, room: Room, refusal: Refused) -> None:
        self._rooms = {key: known for key, known in self._rooms.items() if known is not room}
        self._give(RoomLost(room=room.name, code=refusal.code, message=refusal.message))
        self._touched()

    # Conversations

    def _conversation(self, peer: int, last: int) -> Place:
        """Those that were quiet for longest make way."""
        if len(self._conversations) >= MAX_CONVERSATIONS:
            del self._conversations[next(iter(self._conversations))]
        place = self._conversations[peer] = Place(peer=peer, last=last)
        return place

    def _conversation_event(self, event: Any) -> None:
        place = self._conversations.pop(event.peer, None)
        if place is None:
            place = self._conversation(event.peer, event.seq - 1)
            place.begin(None)
        self._conversations[event.peer] = place
        self._give_all(place.take(event))
        if place.has_hole and self._link is not None:
            place.hold()
            self._spawn(self._fill(self._link, place))

    # What was missed

    async def _fill(self, link: Link, place: Place) -> None:
        """Reads what was missed and gives it out, then what was held meanwhile."""
        missed = _Missed(self.me)
        try:
            async with self._at_once:
                if place.peer is None or not await self._read_since(link, place, missed):
                    await self._read_back(link, place, missed)
        except Refused:
            # Who may no longer read it learns of a gap, when there is more.
            missed.top = missed.top or place.last or 0
        if self._link is not link:
            return
        if place.last is not None and missed.top < place.last:
            self._give_all(place.start_over(missed.top))
        else:
            self._give_all(place.fill(missed.found.values(), missed.top))

    async def _read_since(self, link: Link, place: Place, missed: "_Missed") -> bool:
        """A conversation's answer is all that was missed, or nothing."""
        request = {"type": "dm_history", "with": place.peer, "since": place.last, "limit": PAGE}
        data = await self._insist(link, request, self.histories)
        missed.add(data)
        return data.get("recovered") is True

    async def _read_back(self, link: Link, place: Place, missed: "_Missed") -> None:
        """As far as to what was given out last, or MAX_PAGES."""
        request: dict[str, Any] = {"type": "dm_history", "with": place.peer, "limit": PAGE}
        if place.room is not None:
            request = {"type": "room_history", "room": place.room, "limit": PAGE}
        for _ in range(MAX_PAGES):
            page = missed.add(await self._insist(link, request, self.histories))
            if not page or page[0].seq <= (place.last or 0) + 1:
                return
            request["before"] = page[0].id

    async def _insist(
        self,
        link: Link,
        request: dict[str, Any],
        pace: Pace,
        heard: Callable[[Data], None] | None = None,
    ) -> Data:
        """Raises Refused where that stands, and LinkLost. A failure inside of the server is no
        reason to give up a room at once."""
        failures = 0
        while True:
            await pace.turn()
            try:
                answer = await link.ask(request, self._answer_s, heard)
            except Unanswered:
                continue
            except Refused as refusal:
                wait_s = waits_s(refusal)
                if refusal.code == "internal_error" and failures < MAX_FAILURES:
                    failures += 1
                    wait_s = 0.1 * 2**failures
                if wait_s is None:
                    raise
                pace.refused(wait_s)
            else:
                pace.accepted()
                return answer

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(_unless_lost(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _give_all(self, events: Iterable[Event]) -> None:
        for event in events:
            self._give(event)


class _Missed:
    """What histories showed; ``top`` is what the place had come to."""

    def __init__(self, me: int) -> None:
        self._me = me
        self.found: dict[int, Sequenced] = {}
        self.top = 0

    def add(self, data: Data) -> list[Any]:
        """The messages of the answer."""
        messages = history_of(data, me=self._me)
        events = data.get("events")
        others = [
            read_event(str(frame.get("type")), frame.get("data"), me=self._me)
            for frame in (events if isinstance(events, list) else ())
            if isinstance(frame, dict)
        ]
        for event in [*messages, *others]:
            if isinstance(event, _SEQUENCED) and event.seq is not None:
                self.found[event.seq] = event
        seq = data.get("seq")
        self.top = max([self.top, seq if type(seq) is int else 0, *self.found])
        return messages


def history_of(data: Data, *, me: int) -> list[Any]:
    """The messages of an answer, oldest first."""
    room, found = data.get("room"), data.get("messages")
    messages: list[Message | Direct] = []
    for one in found if isinstance(found, list) else ():
        event = read_event("message" if isinstance(room, str) else "dm", one, me=me)
        if isinstance(event, Message | Direct):
            messages.append(event)
    peer = data.get("with")
    if isinstance(peer, int):
        return [msgspec.structs.replace(message, peer=peer) for message in messages]
    return messages


async def _unless_lost(work: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(LinkLost):
        await work


def _key(name: str) -> str:
    return name.strip().casefold()
