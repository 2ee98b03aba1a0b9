"""The WebSocket edge: guards requests, calls one service function for each, answers."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, get_args

from msgspec import UNSET

from talas.core.database import is_id
from talas.core.errors import Forbidden
from talas.core.tokens import TokenType
from talas.domains.chat import changes, frames, service
from talas.domains.chat.access import access_room, name_key
from talas.domains.chat.errors import (
    NotJoined,
    RoomNotFound,
    TooManyRooms,
    UserNotFound,
)
from talas.domains.chat.frames import BadFrame, encode_event, encode_frame
from talas.domains.chat.hints import may_type, socket_name, tell_typing
from talas.domains.chat.hub import Room
from talas.domains.chat.inbox import OrderedSocket, Work
from talas.domains.chat.limits import (
    HISTORIES,
    JOINS,
    MESSAGES,
)
from talas.domains.chat.messages.service import reactions_of
from talas.domains.chat.places import Post
from talas.domains.chat.posting import Kept, Outcome
from talas.domains.chat.reads import service as reads
from talas.domains.chat.reads.schemas import ReadUpTo
from talas.domains.chat.resuming import Resumption, direct_history, missed_directs
from talas.domains.chat.schemas import (
    AckData,
    Authenticate,
    AuthenticatedData,
    Change,
    DirectHistory,
    Join,
    JoinedData,
    Leave,
    LeftData,
    Ping,
    Read,
    RequestId,
    RequestIdData,
    RoomHistory,
    RoomHistoryData,
    SendDirect,
    SendMessage,
    SocketRequest,
    Typing,
    direct_message,
    room_message,
)
from talas.domains.chat.sql import RoomRow

MAX_ROOMS = 500


class ChatSocket(OrderedSocket):
    """What each request does."""

    __slots__ = ()

    def start(self, request: SocketRequest) -> Work | None:
        handler = _HANDLERS[type(request)]
        work: Work | None = handler(self, request)
        return work

    def _ping(self, request: Ping) -> None:
        answer = frames.PONG
        if request.id is not None:
            answer = encode_frame("pong", RequestIdData(request.id))
        self.write_answer(answer)

    async def _join(self, request: Join) -> None:
        self.take(self.user.joins, JOINS)
        if len(self.rooms) >= MAX_ROOMS:
            raise TooManyRooms(f"A socket may be in at most {MAX_ROOMS} rooms; leave one first")
        row = await self._access_room(request.room)
        if not self.is_open:
            return
        room = self.node.hub.open_room(row.id, name_key(row.name), row.name, row.seq)
        try:
            if row.seq < room.opened:
                # Who was removed before others came to the room is not known here.
                row = await self._access_room(request.room)
            if row.id != room.id:
                raise RoomNotFound
            if request.since is not None:
                await Resumption(self.node, self, room, row, request).run()
            else:
                self._enter(room, row, request)
        finally:
            self.node.hub.close_room(room)
        if self.version >= 2 and self.is_open:
            await self._show_presence(room)

    def _enter(self, room: Room, row: RoomRow, request: Join) -> None:
        if room.has_lost(self.user.id, row.seq):
            raise RoomNotFound
        if not self.is_open:
            return
        known = room.seq if self in room.members else max(room.seq, row.seq)
        joined = JoinedData(room=room.name_at(row), seq=known if self.version >= 2 else UNSET)
        self.answer("joined", joined, request.id)
        key = name_key(request.room)
        self.node.hub.subscribe(self, key, room, since=row.visible_from, known=known)

    async def _access_room(self, name: str) -> RoomRow:
        """Who joins a public room becomes a member of it."""
        async with self.node.db.connection() as conn:
            row = await access_room(conn, self.actor, name)
        if row.is_member:
            return row
        async with self.node.db.transaction() as conn:
            return await service.join_room(conn, self.actor, name)

    async def _show_presence(self, room: Room) -> None:
        data = await self.node.presence.online(room, self.user.id)
        if self.is_open:
            self.write_answer(encode_frame("presence", data))

    def _leave(self, request: Leave) -> None:
        room = self._joined(request.room)
        self.node.hub.unsubscribe(self, room)
        self.answer("left", LeftData(room=room.name), request.id)

    def _joined(self, name: str) -> Room:
        room = self.rooms.get(name_key(name))
        if room is None:
            raise NotJoined
        return room

    def _send_message(self, request: SendMessage) -> None:
        self._submit(request, room_id=self._joined(request.room).id, to_user=None)

    def _send_direct(self, request: SendDirect) -> None:
        if not is_id(request.to):
            raise UserNotFound
        self._submit(request, room_id=None, to_user=request.to)

    def _submit(
        self, request: SendMessage | SendDirect, *, room_id: int | None, to_user: int | None
    ) -> None:
        post = Post(
            author_id=self.actor.user_id,
            room_id=room_id,
            to_user=to_user,
            content=service.check_content(request.content),
            client_id=request.client_id,
            reply_to=request.reply_to,
            attachments=request.attachments,
        )
        self.take(self.user.messages, MESSAGES)
        self.node.writer.submit(post, partial(self._posted, request.id))
        self.in_flight += 1

    def _posted(self, request_id: RequestId, outcome: Outcome) -> None:
        if isinstance(outcome, Kept):
            self._acknowledge(outcome, request_id)
        else:
            self.refuse(outcome, request_id)
        self.settled()

    def _acknowledge(self, kept: Kept, request_id: RequestId) -> None:
        """Who did not ask for acknowledgements sees the message itself; a retry, once more."""
        message = kept.message
        if self.version >= 2:
            ack = AckData(request_id, message.client_id, message.id, message.seq, kept.duplicate)
            self.write_answer(encode_frame("ack", ack))
        elif kept.duplicate and message.to_user is None:
            self.write_answer(encode_frame("message", room_message(message)))
        elif kept.duplicate:
            self.write_answer(encode_frame("dm", direct_message(message, to=message.to_user)))

    async def _change(self, request: Change) -> None:
        """The change reaches the sockets by the log; who does not hear of such events gets it
        here."""
        self.take(self.user.messages, MESSAGES)
        async with self.node.db.transaction() as conn:
            changed = await changes.change(conn, self.actor, request, address=self.peer_address())
        if self.version >= 2:
            duplicate = not changed.happened
            ack = AckData(request.id, None, changed.message_id, changed.seq, duplicate)
            self.write_answer(encode_frame("ack", ack))
            return
        async with self.node.db.connection() as conn:
            data = await changes.read_event(conn, changed)
        if request.id is not None:
            data["id"] = request.id
        self.write_answer(encode_event(str(type(request).__struct_config__.tag), data))

    async def _type(self, request: Typing) -> None:
        if (request.room is None) == (request.to is None):
            raise BadFrame("typing needs either room or to", request.id)
        room_id = None
        if request.room is not None:
            room_id = self._joined(request.room).id
        elif not is_id(request.to or 0):
            raise UserNotFound
        place = ("room", room_id) if room_id is not None else ("to", request.to or 0)
        if not may_type(self, place, self.loop.time()):
            return
        async with self.node.db.connection() as conn:
            if request.to is not None:
                await changes.check_may_signal(conn, self.actor, request.to)
            elif not await changes.may_signal_in(conn, self.actor, place[1]):
                return
        tell_typing(self.node, self, room_id=room_id, to=request.to)

    async def _read(self, request: Read) -> None:
        if (request.room is None) == (request.user_id is None):
            raise BadFrame("read needs either room or with", request.id)
        mark, origin = ReadUpTo(request.seq), socket_name(self.node, self)
        async with self.node.db.transaction() as conn:
            if request.room is not None:
                await reads.read_room(conn, self.actor, request.room, mark, origin=origin)
            else:
                user_id = request.user_id or 0
                await reads.read_conversation(conn, self.actor, user_id, mark, origin=origin)

    async def _room_history(self, request: RoomHistory) -> None:
        self.take(self.user.histories, HISTORIES)
        limit, before = service.check_limit(request.limit), service.read_before(request.before)
        async with self.node.db.snapshot() as conn:
            room, messages = await service.read_room_history(
                conn, self.actor, request.room, before=before, limit=limit
            )
            reactions = await reactions_of(conn, [m.id for m in messages], self.user.id)
        data = RoomHistoryData(
            room=room.name,
            messages=[room_message(m, reactions.get(m.id)) for m in messages],
            seq=room.seq if self.version >= 2 else UNSET,
        )
        self.answer("room_history", data, request.id)

    async def _direct_history(self, request: DirectHistory) -> None:
        self.take(self.user.histories, HISTORIES)
        limit, before = service.check_limit(request.limit), service.read_before(request.before)
        async with self.node.db.snapshot() as conn:
            if request.since is None:
                data = await direct_history(
                    conn, self.actor, request.user_id, before=before, limit=limit
                )
            else:
                data = await missed_directs(conn, self.actor, request.user_id, request.since)
        if self.version < 2:
            if request.before is None and data.messages:
                # Who goes by ``seq`` sees for itself what comes again.
                self.has_read(request.user_id, data.messages[0].seq, data.messages[-1].seq)
            if request.since is None:
                data.seq = UNSET
        self.answer("dm_history", data, request.id)

    async def _authenticate(self, request: Authenticate) -> None:
        """A fresh token of the same user takes the place of the one that the socket has."""
        guard = self.node.guard
        claims = guard.signer.read(request.token, TokenType.ACCESS)
        actor = await guard.actor_of(claims)
        if actor.user_id != self.actor.user_id:
            raise Forbidden("The token belongs to another user", code="wrong_user")
        if self.is_open:
            self.node.hub.change_session(self, actor, claims)
            self.set_expiry()
            await self.ask_again()
            expires_at = datetime.fromtimestamp(claims.exp, UTC)
            self.answer("authenticated", AuthenticatedData(expires_at), request.id)


_HANDLERS: dict[type, Callable[[ChatSocket, Any], Work | None]] = {
    Join: ChatSocket._join,
    Leave: ChatSocket._leave,
    SendMessage: ChatSocket._send_message,
    SendDirect: ChatSocket._send_direct,
    RoomHistory: ChatSocket._room_history,
    DirectHistory: ChatSocket._direct_history,
    Typing: ChatSocket._type,
    Read: ChatSocket._read,
    Authenticate: ChatSocket._authenticate,
    Ping: ChatSocket._ping,
    **dict.fromkeys(get_args(Change), ChatSocket._change),
}
