"""Going on after a break: all that was missed, then what happens live, nothing twice."""

from datetime import datetime
from typing import Any

from msgspec import UNSET

from talas.core.database import Connection
from talas.core.sessions import Actor
from talas.domains.chat import service
from talas.domains.chat.access import access_peer, name_key
from talas.domains.chat.errors import RoomNotFound
from talas.domains.chat.event_frames import (
    MESSAGE,
    event_data,
    event_frame,
    gone_member,
    is_deletion,
    message_of,
)
from talas.domains.chat.events import sql as events
from talas.domains.chat.events.sql import LoggedEvent
from talas.domains.chat.frames import encode_frame
from talas.domains.chat.hub import Member, Room
from talas.domains.chat.messages.service import reactions_of
from talas.domains.chat.node import Node
from talas.domains.chat.schemas import (
    DirectHistoryData,
    Join,
    JoinedData,
    LeftData,
    direct_message,
)
from talas.domains.chat.sql import RoomRow

MAX_MISSED = 300
_TRIES = 50


class Resumption:
    """What lies between what the client has seen and what the room's sockets have been shown is
    read from the database; then, without anything in between, the socket takes its place among
    them. So what comes after is written to it like to the others, and nothing is set aside.
    """

    def __init__(self, node: Node, socket: Member, room: Room, row: RoomRow, request: Join) -> None:
        self._socket, self._room, self._row, self._request = socket, room, row, request
        self._node = node
        self._top = max(0, request.since or 0, row.visible_from)
        self._missed: list[LoggedEvent] = []

    async def run(self) -> None:
        """Raises RoomNotFound for who was removed meanwhile."""
        socket, room = self._socket, self._room
        was_in = socket in room.members
        if was_in:
            self._node.hub.unsubscribe(socket, room)
        try:
            await self._recover()
        except Exception:
            # It is in the room no more, and is to know that.
            if was_in:
                socket.write_answer(encode_frame("left", LeftData(room=room.name)))
            raise

    async def _recover(self) -> None:
        room = self._room
        recovered = not await self._is_too_much()
        for _ in range(_TRIES if recovered else 0):
            await self._read_missed(MAX_MISSED + 1)
            recovered = len(self._missed) <= MAX_MISSED
            # What was shown while this was read is still missing.
            if not recovered or self._top >= room.seq or not self._socket.is_open:
                break
        self._enter(recovered=recovered and self._top >= room.seq)

    async def _is_too_much(self) -> bool:
        """Or the client has seen what is not there."""
        room, asked = self._room, self._request.since or 0
        if asked <= room.seq <= self._top + MAX_MISSED:
            return False
        async with self._node.db.connection() as conn:
            tops = await events.select_room_tops(conn, [room.id])
        top = tops.get(room.id, 0)
        return asked > top or top > self._top + MAX_MISSED

    async def _read_missed(self, limit: int) -> None:
        async with self._node.db.connection() as conn:
            missed = await events.select_room_events_after(
                conn, [self._room.id], [self._top], limit
            )
        if missed:
            self._missed += missed
            self._top = missed[-1].seq

    def _enter(self, *, recovered: bool) -> None:
        socket, room, row = self._socket, self._room, self._row
        if not socket.is_open:
            return
        if room.has_lost(socket.user.id, row.seq) or any(map(self._ends_it, self._missed)):
            raise RoomNotFound
        known = self._top if recovered else max(room.seq, row.seq)
        joined = JoinedData(room=room.name_at(row), seq=known, recovered=recovered)
        if self._request.id is not None:
            joined.id = self._request.id
        socket.write_answer(encode_frame("joined", joined))
        missed = self._missed if recovered else []
        shown = [e for e in missed if socket.version >= 2 or e.kind == MESSAGE]
        if shown:
            frames = [event_frame(event, visible_from=row.visible_from) for event in shown]
            socket.write_answer(b"".join(frames))
        key = name_key(self._request.room)
        self._node.hub.subscribe(socket, key, room, since=row.visible_from, known=known)

    def _ends_it(self, event: LoggedEvent) -> bool:
        """Whether the user may not be in the room any more. Before ``row`` was read, it was so."""
        if event.seq <= self._row.seq:
            return False
        gone = gone_member(event)
        return is_deletion(event) or (gone is not None and gone[0] == self._socket.user.id)


async def direct_history(
    conn: Connection, actor: Actor, user_id: int, *, before: int | datetime, limit: int
) -> DirectHistoryData:
    """Raises UserNotFound."""
    peer = await access_peer(conn, actor, user_id)
    messages = await service.read_direct_history(conn, actor, user_id, before=before, limit=limit)
    reactions = await reactions_of(conn, [m.id for m in messages], actor.user_id)
    shown = [direct_message(m, to=m.to_user, reactions=reactions.get(m.id)) for m in messages]
    return DirectHistoryData(user_id=user_id, messages=shown, seq=peer.seq)


async def missed_directs(
    conn: Connection, actor: Actor, user_id: int, since: int
) -> DirectHistoryData:
    """What came after ``since``: messages as they are now, and what else happened. Too much is
    nothing, and not ``recovered``."""
    peer = await access_peer(conn, actor, user_id)
    since = max(0, since)
    data = DirectHistoryData(user_id=user_id, messages=[], seq=peer.seq, recovered=True)
    if since > peer.seq:
        data.recovered = False
        return data
    if peer.conversation_id is None or since == peer.seq:
        return data
    missed = await events.select_conversation_events_after(
        conn, [peer.conversation_id], [since], MAX_MISSED + 1
    )
    if len(missed) > MAX_MISSED:
        data.recovered = False
        return data
    changes: list[dict[str, Any]] = []
    for event in missed:
        if event.kind == MESSAGE:
            message = message_of(event)
            data.messages.append(direct_message(message, to=message.to_user))
        else:
            changes.append({"type": event.kind, "data": event_data(event)})
    data.events = changes or UNSET
    data.seq = max(peer.seq, missed[-1].seq if missed else 0)
    return data
