"""The WebSocket edge: reads requests, guards them, calls one service function, answers."""

import asyncio
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from websockets.http11 import Request, Response

from talas.core.database import is_id, is_unavailable
from talas.core.errors import Forbidden, TalasError
from talas.core.tokens import TokenType
from talas.domains.chat import frames, service
from talas.domains.chat.access import name_key
from talas.domains.chat.connection import Close
from talas.domains.chat.errors import (
    DatabaseUnavailable,
    NotJoined,
    RateLimited,
    TooManyRooms,
    UserNotFound,
)
from talas.domains.chat.frames import BadFrame, encode_error, encode_frame
from talas.domains.chat.handshake import admit
from talas.domains.chat.hub import Member
from talas.domains.chat.limits import (
    FRAMES,
    HISTORIES,
    JOINS,
    MESSAGES,
    Limit,
    Meter,
    Patience,
)
from talas.domains.chat.metrics import REFUSALS
from talas.domains.chat.node import Node
from talas.domains.chat.posting import Kept, Outcome, Post
from talas.domains.chat.revocation import recheck
from talas.domains.chat.schemas import (
    AckData,
    Authenticate,
    AuthenticatedData,
    DirectHistory,
    DirectHistoryData,
    Join,
    JoinedData,
    Leave,
    LeftData,
    Ping,
    RequestId,
    RequestIdData,
    RoomHistory,
    RoomHistoryData,
    SendDirect,
    SendMessage,
    SocketRequest,
    direct_message,
    room_message,
)

MAX_ROOMS = 500
MAX_INBOX = 32
MAX_IN_FLIGHT = 256
GRACE_S = 25.0

log = structlog.get_logger()

Work = Coroutine[Any, Any, None]
Answered = JoinedData | LeftData | RoomHistoryData | DirectHistoryData | AuthenticatedData


class ChatSocket(Member):
    """One signed-in client. Its requests are handled in order: while one waits for the
    database, those after it wait in the inbox."""

    __slots__ = (
        "_busy",
        "_frames",
        "_inbox",
        "_patience",
        "_settled",
        "node",
        "version",
    )

    def __init__(self, node: Node) -> None:
        super().__init__(node.wheel, node.loop)
        self.node = node
        self.version = 1
        self._busy = False
        self._inbox: list[str] | None = None
        self.in_flight = 0
        self._settled: asyncio.Future[None] | None = None
        self._frames = Meter()
        self._patience: Patience | None = None

    # From the connection

    def request_received(self, request: Request) -> None:
        self.node.spawn(self._shake_hands(request))

    def left(self) -> None:
        self._inbox = None
        self.node.hub.leave(self, self.loop.time())
        self.node.leaving += 1

    def gone(self) -> None:
        self.node.leaving -= 1

    def allow_frame(self) -> bool:
        try:
            self._take(self._frames, FRAMES)
        except RateLimited as error:
            self._refuse(error, None)
            return False
        return True

    def binary_received(self) -> None:
        self._refuse(BadFrame("Binary frames mean nothing here; send text frames"), None)

    def text_received(self, text: str) -> None:
        if self._may_handle():
            self._handle(text)
            return
        inbox = self._inbox = self._inbox or []
        inbox.append(text)
        if len(inbox) == MAX_INBOX:
            self.hold()

    async def _shake_hands(self, request: Request) -> None:
        answer = await admit(self.node, request, self.peer_address())
        if isinstance(answer, Response):
            self.respond(answer)
        elif self.respond(None):
            self.actor, self.claims, self.version = answer.actor, answer.claims, answer.version
            self._set_expiry()
            if not self.node.hub.enter(self):
                self.close(Close.TOO_MANY_SOCKETS, "too many sockets")
            elif self.node.draining:
                self.close(Close.SHUTTING_DOWN, "shutting down")
            else:
                await self._ask_again()

    # One request after the other

    def _may_handle(self) -> bool:
        return not self._busy and self.in_flight < MAX_IN_FLIGHT

    def _handle(self, text: str) -> None:
        request_id: RequestId = None
        try:
            request = frames.read_request(text)
            request_id = request.id
            work = self._start(request)
        except BadFrame as error:
            self._refuse(error, error.request_id)
        except TalasError as error:
            self._refuse(error, request_id)
        else:
            if work is not None:
                self._busy = True
                self.node.spawn(self._finish(work, request_id))

    async def _finish(self, work: Work, request_id: RequestId) -> None:
        try:
            if self.in_flight:
                # What was sent before a history was asked for is to stand in it.
                self._settled = self.loop.create_future()
                await self._settled
            await work
        except TalasError as error:
            self._refuse(error, request_id)
        except Exception as error:
            if is_unavailable(error):
                self._refuse(DatabaseUnavailable(), request_id)
            else:
                log.exception("chat.request_failed")
                self._refuse(TalasError("Something went wrong here"), request_id)
        finally:
            work.close()
            self._busy = False
            self._work_off_inbox()

    def _work_off_inbox(self) -> None:
        while self._inbox and self._may_handle() and self.is_open:
            if len(self._inbox) == MAX_INBOX:
                self.release()
            self._handle(self._inbox.pop(0))

    def _start(self, request: SocketRequest) -> Work | None:
        """Does what can be done at once; what has to wait comes back as work."""
        match request:
            case SendMessage():
                self._send_message(request)
            case SendDirect():
                self._send_direct(request)
            case Join():
                return self._join(request)
            case Leave():
                self._leave(request)
            case RoomHistory():
                return self._room_history(request)
            case DirectHistory():
                return self._direct_history(request)
            case Authenticate():
                return self._authenticate(request)
            case Ping():
                answer = frames.PONG
                if request.id is not None:
                    answer = encode_frame("pong", RequestIdData(request.id))
                self.write_answer(answer)
        return None

    # The requests

    async def _join(self, request: Join) -> None:
        self._take(self.user.joins, JOINS)
        if len(self.rooms) >= MAX_ROOMS:
            raise TooManyRooms(f"A socket may be in at most {MAX_ROOMS} rooms; leave one first")
        async with self.node.db.connection() as conn:
            room = await service.join_room(conn, self.actor, request.room)
        if self.is_open:
            self.node.hub.subscribe(self, name_key(request.room), room.id, room.name)
            self._answer("joined", JoinedData(room=room.name), request.id)

    def _leave(self, request: Leave) -> None:
        room = self.rooms.get(name_key(request.room))
        if room is None:
            raise NotJoined
        self.node.hub.unsubscribe(self, room)
        self._answer("left", LeftData(room=room.name), request.id)

    def _send_message(self, request: SendMessage) -> None:
        room = self.rooms.get(name_key(request.room))
        if room is None:
            raise NotJoined
        self._submit(request, room_id=room.id, to_user=None)

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
        )
        self._take(self.user.messages, MESSAGES)
        self.node.writer.submit(post, partial(self._posted, request.id))
        self.in_flight += 1

    def _posted(self, request_id: RequestId, outcome: Outcome) -> None:
        self.in_flight -= 1
        if isinstance(outcome, Kept):
            self._acknowledge(outcome, request_id)
        else:
            self._refuse(outcome, request_id)
        if self.in_flight == 0 and self._settled is not None:
            self._settled.set_result(None)
            self._settled = None
        self._work_off_inbox()

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

    async def _room_history(self, request: RoomHistory) -> None:
        self._take(self.user.histories, HISTORIES)
        limit, before = service.check_limit(request.limit), service.read_before(request.before)
        async with self.node.db.connection() as conn:
            room, messages = await service.read_room_history(
                conn, self.actor, request.room, before=before, limit=limit
            )
        data = RoomHistoryData(room=room.name, messages=[room_message(m) for m in messages])
        self._answer("room_history", data, request.id)

    async def _direct_history(self, request: DirectHistory) -> None:
        self._take(self.user.histories, HISTORIES)
        limit, before = service.check_limit(request.limit), service.read_before(request.before)
        async with self.node.db.connection() as conn:
            messages = await service.read_direct_history(
                conn, self.actor, request.user_id, before=before, limit=limit
            )
        data = DirectHistoryData(
            user_id=request.user_id,
            messages=[direct_message(m, to=m.to_user) for m in messages],
        )
        self._answer("dm_history", data, request.id)

    async def _authenticate(self, request: Authenticate) -> None:
        """A fresh token of the same user takes the place of the one that the socket has."""
        guard = self.node.guard
        claims = guard.signer.read(request.token, TokenType.ACCESS)
        actor = await guard.actor_of(claims)
        if actor.user_id != self.actor.user_id:
            raise Forbidden("The token belongs to another user", code="wrong_user")
        if self.is_open:
            self.node.hub.change_session(self, actor, claims)
            self._set_expiry()
            await self._ask_again()
            expires_at = datetime.fromtimestamp(claims.exp, UTC)
            self._answer("authenticated", AuthenticatedData(expires_at), request.id)

    async def _ask_again(self) -> None:
        """The session may have ended while its row was being read, before its end could be
        announced to this socket. From now on it can."""
        await recheck(self.node, [self])

    # Answers

    def _answer(self, kind: str, data: Answered, request_id: RequestId) -> None:
        if request_id is not None:
            data.id = request_id
        self.write_answer(encode_frame(kind, data))

    def _refuse(self, error: TalasError, request_id: RequestId) -> None:
        REFUSALS.labels(error.code).inc()
        self.write_answer(encode_error(error, request_id))
        if isinstance(error, RateLimited):
            self._patience = self._patience or Patience()
            if self._patience.is_over(self.loop.time()):
                self.close(Close.TOO_FAST, "too fast")

    def _take(self, meter: Meter, limit: Limit) -> None:
        """Raises RateLimited."""
        if self.node.limited:
            wait_s = meter.take(limit, self.loop.time())
            if wait_s:
                raise RateLimited(limit.what, wait_s)

    def _set_expiry(self) -> None:
        """The grace is for an ``auth`` request with a fresh token."""
        self.expires_at = self.loop.time() + (self.claims.exp - time.time()) + GRACE_S
        self.reschedule()
