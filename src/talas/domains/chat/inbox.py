"""A signed-in client: its handshake, its requests in order, its limits, and what it is answered."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import msgspec
import structlog
from websockets.http11 import Request, Response

from talas.core.database import is_unavailable
from talas.core.errors import TalasError
from talas.domains.chat import frames
from talas.domains.chat.connection import Close
from talas.domains.chat.errors import DatabaseUnavailable, RateLimited
from talas.domains.chat.frames import BadFrame, encode_error, encode_frame
from talas.domains.chat.handshake import admit
from talas.domains.chat.hub import Member
from talas.domains.chat.limits import FRAMES, Limit, Meter, Patience
from talas.domains.chat.metrics import REFUSALS
from talas.domains.chat.node import Node
from talas.domains.chat.revocation import recheck
from talas.domains.chat.schemas import RequestId, SocketRequest

MAX_INBOX = 32
MAX_IN_FLIGHT = 256
GRACE_S = 25.0

log = structlog.get_logger()

Work = Coroutine[Any, Any, None]


class OrderedSocket(Member):
    """Subclasses say what requests mean. They are handled in order: while one waits for the
    database, those after it wait in the inbox."""

    __slots__ = (
        "_busy",
        "_frames",
        "_inbox",
        "_patience",
        "_settled",
        "node",
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

    # What subclasses fill in

    def start(self, request: SocketRequest) -> Work | None:
        """Does what can be done at once; what has to wait comes back as work. Raises what the
        client is told."""
        raise NotImplementedError

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
            self.take(self._frames, FRAMES)
        except RateLimited as error:
            self.refuse(error, None)
            return False
        return True

    def binary_received(self) -> None:
        self.refuse(BadFrame("Binary frames mean nothing here; send text frames"), None)

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
            self.entered_at = self.loop.time()
            self.set_expiry()
            if not self.node.hub.enter(self):
                self.close(Close.TOO_MANY_SOCKETS, "too many sockets")
            elif self.node.draining:
                self.close(Close.SHUTTING_DOWN, "shutting down")
            else:
                await self.ask_again()

    # One request after the other

    def _may_handle(self) -> bool:
        return not self._busy and self.in_flight < MAX_IN_FLIGHT

    def _handle(self, text: str) -> None:
        request_id: RequestId = None
        try:
            request = frames.read_request(text)
            request_id = request.id
            work = self.start(request)
        except BadFrame as error:
            self.refuse(error, error.request_id)
        except TalasError as error:
            self.refuse(error, request_id)
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
            self.refuse(error, request_id)
        except Exception as error:
            if is_unavailable(error):
                self.refuse(DatabaseUnavailable(), request_id)
            else:
                log.exception("chat.request_failed")
                self.refuse(TalasError("Something went wrong here"), request_id)
        finally:
            work.close()
            self._busy = False
            self._work_off_inbox()

    def _work_off_inbox(self) -> None:
        while self._inbox and self._may_handle() and self.is_open:
            if len(self._inbox) == MAX_INBOX:
                self.release()
            self._handle(self._inbox.pop(0))

    def settled(self) -> None:
        """Of one of the messages that were sent it is known now what became of it."""
        self.in_flight -= 1
        if self.in_flight == 0 and self._settled is not None:
            self._settled.set_result(None)
            self._settled = None
        self._work_off_inbox()

    async def ask_again(self) -> None:
        """The session may have ended while its row was being read, before its end could be
        announced to this socket. From now on it can."""
        await recheck(self.node, [self])

    # Answers

    def answer(self, kind: str, data: msgspec.Struct, request_id: RequestId) -> None:
        """``data`` has an ``id``, for who wants it back."""
        if request_id is not None:
            data.id = request_id  # type: ignore[attr-defined]
        self.write_answer(encode_frame(kind, data))

    def refuse(self, error: TalasError, request_id: RequestId) -> None:
        REFUSALS.labels(error.code).inc()
        self.write_answer(encode_error(error, request_id))
        if isinstance(error, RateLimited):
            self._patience = self._patience or Patience()
            if self._patience.is_over(self.loop.time()):
                self.close(Close.TOO_FAST, "too fast")

    def take(self, meter: Meter, limit: Limit) -> None:
        """Raises RateLimited."""
        if self.node.limited:
            wait_s = meter.take(limit, self.loop.time())
            if wait_s:
                raise RateLimited(limit.what, wait_s)

    def set_expiry(self) -> None:
        """The grace is for an ``auth`` request with a fresh token."""
        self.expires_at = self.loop.time() + (self.claims.exp - time.time()) + GRACE_S
        self.reschedule()
