"""Presence over all chat processes.

Each process writes into the database which users have sockets here, and in which rooms; changes
are gathered for a quarter of a second. What a process that died has said is removed by the others
when it has not been seen for 15 s. The changes go over the bus, so that sockets hear of them.
"""

import asyncio
import contextlib
from collections import defaultdict
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog

from talas.core.database import Database, is_unavailable
from talas.core.events import EPHEMERAL
from talas.domains.chat.bus import Bus
from talas.domains.chat.frames import encode_frame
from talas.domains.chat.hub import Hub, Room, hint_to_all
from talas.domains.chat.presence import sql
from talas.domains.chat.presence.sql import Seat

GATHER_S = 0.25
HEARTBEAT_S = 5.0
UNSEEN_S = 15.0
RETRY_S = 1.0
MAX_SHOWN = 1_000
MAX_KNOWN = 1_000
_SEATS_AT_ONCE = 5_000
# Two ids of ten digits each, and below PostgreSQL's 8,000 bytes for a notification.
_SEATS_IN_HINT = 300
_LOOKS = 3

log = structlog.get_logger()


class PresenceData(msgspec.Struct, omit_defaults=True):
    """``whole``: ``online`` is everybody (up to a thousand), not only who came."""

    room: str
    online: list[int]
    offline: list[int] = []
    count: int | None = None
    whole: bool = False


class _Online(NamedTuple):
    """Who is in a room, good as long as ``presence`` is what the room has, and ``until`` then."""

    user_ids: set[int]
    shown: list[int]
    presence: int
    until: float


class Presence:
    """``own_db`` is not for readers: kept waiting by them, this process would be taken for dead."""

    def __init__(self, db: Database, own_db: Database, hub: Hub, bus: Bus, node_id: UUID) -> None:
        self._loop = asyncio.get_running_loop()
        self._known: dict[int, _Online] = {}
        """By room."""
        self._db, self._own_db = db, own_db
        self._hub = hub
        self._bus = bus
        self._node_id = node_id
        self._changed: set[Seat] = set()
        self._written: set[Seat] = set()
        self._told: set[Seat] = set()
        """Of whom the others have heard that they came; a database that lost what was written does
        not tell them that they went."""
        self._more = asyncio.Event()
        self._heard: list[dict[str, Any]] = []
        self._news = asyncio.Event()
        hub.on_presence = self._note

    def _note(self, room_id: int, user_id: int) -> None:
        self._changed.add((room_id, user_id))
        self._more.set()

    async def run(self) -> None:
        await asyncio.gather(self._write_changes(), self._live(), self._show_changes())

    async def end(self) -> None:
        """The process leaves: its sockets are gone for the others at once."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2), self._own_db.connection() as conn:
                await sql.delete_node(conn, self._node_id)
                await self._announce_went(sorted(self._told))

    async def online(self, room: Room, user_id: int) -> PresenceData:
        """Everybody with a socket in the room, in any process, as ``user_id`` is shown it who has
        just come. Who come at once are shown what was read once."""
        known = self._known.get(room.id)
        if known is None or known.presence != room.presence or known.until < self._loop.time():
            known = await self._read_online(room)
        here = known.user_ids
        count = len(here) + (user_id not in here)
        shown = known.shown if user_id in here else sorted([*known.shown, user_id])
        return PresenceData(room.name, shown[:MAX_SHOWN], count=count, whole=True)

    async def _read_online(self, room: Room) -> _Online:
        for _ in range(_LOOKS):
            before = room.presence
            async with self._db.connection() as conn:
                online = set(await sql.select_online(conn, room.id))
            # What was shown while this was read may be newer.
            if room.presence == before:
                break
        # What was not written yet.
        online.update(member.user.id for member in room.members)
        until = self._loop.time() + GATHER_S
        known = _Online(online, sorted(online)[:MAX_SHOWN], room.presence, until)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[room.id] = known
        return known

    def heard(self, event: dict[str, Any]) -> None:
        """A change that a process, perhaps this one, has announced."""
        self._heard.append(event)
        self._news.set()

    async def _show_changes(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            heard, self._heard = self._heard, []
            try:
                here = await self._who_is_here(heard)
                for event in heard:
                    self._show(event, here)
            except Exception:
                log.exception("chat.presence_not_shown")

    async def _who_is_here(self, heard: list[dict[str, Any]]) -> set[Seat]:
        """Of those who went: who went from one process may have come to another, and what that one
        said of it may have been heard before."""
        rooms = self._hub.rooms
        went = {(seat[0], seat[1]) for event in heard for seat in event.get("went", ())}
        went = {seat for seat in went if seat[0] in rooms}
        empty: set[Seat] = set()
        try:
            for some in _pieces(sorted(went), _SEATS_AT_ONCE):
                async with self._db.connection() as conn:
                    empty.update(await sql.select_empty_seats(conn, some))
        except Exception as error:
            if not is_unavailable(error):
                raise
            return {seat for seat in went if self._is_here(seat)}
        return {seat for seat in went if seat not in empty or self._is_here(seat)}

    def _show(self, event: dict[str, Any], here: set[Seat]) -> None:
        came, went = defaultdict(list), defaultdict(list)
        for room_id, user_id in event.get("came", ()):
            came[room_id].append(user_id)
        for room_id, user_id in event.get("went", ()):
            if (room_id, user_id) not in here:
                went[room_id].append(user_id)
        for room_id in came.keys() | went.keys():
            room = self._hub.rooms.get(room_id)
            if room is not None and room.listeners:
                room.presence += 1
                data = PresenceData(room.name, came[room_id], went[room_id])
                # Who came alone knows that, and was shown who else is there.
                alone = None if went[room_id] or len(came[room_id]) > 1 else came[room_id][0]
                others = [member for member in room.listeners if member.user.id != alone]
                hint_to_all(others, encode_frame("presence", data))

    # Written

    def _is_here(self, seat: Seat) -> bool:
        room_id, user_id = seat
        if room_id == 0:
            return self._hub.is_online(user_id)
        return self._hub.is_in_room(user_id, room_id)

    async def _write_changes(self) -> None:
        while True:
            await self._more.wait()
            await asyncio.sleep(GATHER_S)
            self._more.clear()
            changed, self._changed = self._changed, set()
            try:
                await self._write(changed)
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("chat.presence_not_written")
                self._changed |= changed
                self._more.set()
                await asyncio.sleep(RETRY_S)

    async def _write(self, changed: set[Seat]) -> None:
        here = {seat for seat in changed if self._is_here(seat)}
        went = sorted((changed - here) & (self._written | self._told))
        async with self._own_db.connection() as conn:
            for some in _pieces(sorted(here - self._written), _SEATS_AT_ONCE):
                if not await self._insert(conn, some):
                    self._changed.update(changed)
                    self._more.set()
                    return
            for some in _pieces(went, _SEATS_AT_ONCE):
                await sql.delete_seats(conn, self._node_id, some)
                self._written.difference_update(some)
        came = here - self._told
        self._announce(came=sorted(came))
        self._told |= came
        await self._announce_went(went)
        self._told.difference_update(went)

    async def _insert(self, conn: Any, seats: list[Seat]) -> bool:
        """False where the others took this process for dead."""
        try:
            await sql.insert_seats(conn, self._node_id, seats)
        except Exception as error:
            if getattr(error, "sqlstate", None) != _NO_SUCH_NODE:
                raise
            await self._register()
            return False
        self._written.update(seats)
        return True

    async def _announce_went(self, seats: list[Seat]) -> None:
        """Asked after the deletion has committed: of two processes that lose a user at once the
        later one finds that nobody has it."""
        for some in _pieces(seats, _SEATS_AT_ONCE):
            async with self._own_db.connection() as conn:
                self._announce(went=await sql.select_empty_seats(conn, some))

    def _announce(self, *, came: list[Seat] | None = None, went: list[Seat] | None = None) -> None:
        for name, seats in (("came", came), ("went", went)):
            for some in _pieces([seat for seat in seats or () if seat[0]], _SEATS_IN_HINT):
                self._bus.send(EPHEMERAL, {"kind": "presence", name: some})

    # Alive

    async def _live(self) -> None:
        while True:
            try:
                await self._register()
                async with self._own_db.connection() as conn:
                    left_behind = await sql.delete_dead_nodes(conn, UNSEEN_S)
                await self._announce_went(left_behind)
                if left_behind:
                    self._let_compare()
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("chat.presence_failed")
            await asyncio.sleep(HEARTBEAT_S)

    async def _register(self) -> None:
        async with self._own_db.connection() as conn:
            is_new = await sql.upsert_node(conn, self._node_id)
        if is_new:
            self._let_compare()
            # Nothing that was written is there any more, and the others may have heard that
            # everybody went.
            self._changed |= self._written
            self._written.clear()
            self._told -= {seat for seat in self._told if self._is_here(seat)}
            self._more.set()

    def _let_compare(self) -> None:
        """A process that died may have kept messages that it told nobody of, where that does not
        go with the transaction; and who starts has often died a moment ago."""
        if self._bus.carries_tops:
            self._bus.send(EPHEMERAL, {"kind": "compare"})


_NO_SUCH_NODE = "23503"


def _pieces(seats: list[Seat], size: int) -> list[list[Seat]]:
    return [seats[start : start + size] for start in range(0, len(seats), size)]
