"""One WebSocket (RFC 6455) on asyncio: the protocol is the ``websockets`` library's, without its
task, queue and futures for each connection, which an idle socket does not need.
"""

import asyncio
import enum
import logging
import random
from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from websockets.exceptions import ProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import SEND_EOF, State
from websockets.server import ServerProtocol
from websockets.typing import BytesLike

from talas.domains.chat.frames import ping_frame
from talas.domains.chat.metrics import CLOSES
from talas.domains.chat.wheel import Wheel

MAX_MESSAGE = 16 * 1024
MAX_FRAGMENTS = 1024
MAX_HANDSHAKE = 16 * 1024
HANDSHAKE_S = 10.0
CLOSE_S = 2.0
PING_S = 25.0
PONG_S = 8.0
MAX_UNSENT = 1024 * 1024
STALL_S = 10.0

_SLICE = 4096
_HIGH_WATER = 64 * 1024
_SLOW_CHECK_S = 1.0
_PING = ping_frame(b"")

# The library logs at INFO for every handshake.
_log = logging.getLogger("talas.chat.websocket")
_log.setLevel(logging.WARNING)


class Close(enum.IntEnum):
    """Below 4500 a client should come back, from 4500 on it should not."""

    SHUTTING_DOWN = 4001
    TOKEN_EXPIRED = 4005
    TOO_SLOW = 4008
    NO_PONG = 4012
    TOO_FAST = 4013
    TOKEN_ENDED = 4500
    SUSPENDED = 4503
    TOO_MANY_SOCKETS = 4504


class _Frames(ServerProtocol):
    """Hands over each frame before it reads the next. The library does so only once it has read,
    and answered, all control frames that came along: after a close, what came before it could not
    be answered any more.
    """

    def __init__(self, received: Callable[[Frame], None]) -> None:
        # Pings within a fragmented message do not count, so the message is measured here.
        super().__init__(max_size=(None, MAX_MESSAGE), logger=_log)
        self._received = received

    def recv_frame(self, frame: Frame) -> None:
        if self.state is State.CONNECTING:
            raise ProtocolError("a client waits for the answer to its handshake")
        if frame.opcode is Opcode.CLOSE:
            # It may stand within a fragmented message, as any control frame (section 5.4).
            self.current_size = None
        super().recv_frame(frame)
        self.events.clear()
        self._received(frame)


class Connection(asyncio.Protocol):
    """Subclasses say what requests and messages mean.

    ``is_open`` holds from the accepted handshake until either side closes; only then may
    ``write`` be called, with whole frames. ``is_slow`` says that the client reads slower than
    it is written to; then ``write`` drops it once too much waits.
    """

    __slots__ = (
        "_backlog",
        "_drained",
        "_fragments",
        "_holds",
        "_message",
        "_offered",
        "_opcode",
        "_own_answer",
        "_progress_at",
        "_pumping",
        "_received",
        "_request",
        "_was_open",
        "_wheel",
        "expires_at",
        "is_open",
        "is_slow",
        "loop",
        "ping_at",
        "pong_by",
        "protocol",
        "slot",
        "transport",
    )

    def __init__(self, wheel: Wheel, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.slot = -1
        self.is_open = False
        self.is_slow = False
        self.expires_at: float | None = None
        self.ping_at = 0.0
        self.pong_by: float | None = None
        self.protocol = _Frames(self._frame_received)
        self.transport: asyncio.Transport | None = None
        self._wheel = wheel
        self._was_open = False
        self._backlog = b""
        self._pumping = False
        self._holds = 0
        self._received = 0
        self._request: Request | None = None
        self._message: bytearray | None = None
        self._opcode: Opcode | None = None
        self._fragments = 0
        self._offered = self._drained = 0
        self._own_answer = 0
        self._progress_at = 0.0

    # What subclasses fill in

    def request_received(self, request: Request) -> None:
        """The handshake's request; answer with ``respond``, now or later."""

    def allow_frame(self) -> bool:
        """Called for each message, at its first frame, and for each ping and pong."""
        return True

    def text_received(self, text: str) -> None: ...

    def binary_received(self) -> None: ...

    def left(self) -> None:
        """Called once when an open connection starts to close."""

    def gone(self) -> None:
        """Called once when a connection that was open is closed."""

    # What subclasses and the hub call

    def respond(self, response: Response | None) -> bool:
        """Answers the handshake: None accepts it. Whether the connection is open then."""
        if self.transport is None or self.protocol.state is not State.CONNECTING:
            return False
        request, self._request = cast(Request, self._request), None
        self.protocol.send_response(response or self.protocol.accept(request))
        self._flush()
        if self.protocol.eof_sent:
            return False
        self.is_open = self._was_open = True
        self.ping_at = self.loop.time() + _jittered_ping_s(0.1, 1)
        self.reschedule()
        self.release()
        return True

    def write(self, frames: bytes) -> None:
        """Whole frames, to an open connection."""
        transport = cast(asyncio.Transport, self.transport)
        if self.is_slow:
            self._offered += len(frames)
        transport.write(frames)
        if self.is_slow and transport.get_write_buffer_size() > MAX_UNSENT + self._own_answer:
            self.close(Close.TOO_SLOW, "too slow")

    def write_answer(self, frames: bytes) -> None:
        """As ``write``, for what the client asked for: it may be large, and then waits unsent
        without anybody being slow."""
        if self.is_open:
            self._own_answer += len(frames)
            self.write(frames)
            if not self.is_slow:
                self._own_answer = 0

    def close(self, code: int, reason: str) -> None:
        """Starts the closing handshake; the client has two seconds for its part."""
        if self.protocol.state is State.OPEN:
            self.protocol.send_close(code, reason)
            self._flush()
            self._has_left()
        elif self.protocol.state is State.CONNECTING:
            self.abort()

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def hold(self) -> None:
        """Read nothing more until as many ``release`` calls."""
        self._holds += 1
        if self._holds == 1 and self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def release(self) -> None:
        if self._holds > 0:
            self._holds -= 1
            if self._holds == 0:
                self._pump_soon()

    def unsent(self) -> int:
        """Bytes that wait for the client to read."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def peer_address(self) -> str:
        peer = self.transport.get_extra_info("peername") if self.transport else None
        return str(peer[0]) if peer else ""

    def reschedule(self) -> None:
        """After ``ping_at`` or ``expires_at`` changed."""
        self._wheel.schedule(self, self._next_visit())

    def visit(self, now: float) -> float | None:
        """See Wheel."""
        if not self.is_open:
            self.abort()
        elif self.is_slow and self._is_stalled(now):
            self.close(Close.TOO_SLOW, "too slow")
        elif self.expires_at is not None and now >= self.expires_at:
            self.close(Close.TOKEN_EXPIRED, "token expired")
        elif self.pong_by is not None and now >= self.pong_by and not self._holds:
            self.close(Close.NO_PONG, "no pong")
        if not self.is_open:
            return None
        if self._holds and self.pong_by is not None:
            # The pong may be among what is not read yet.
            self.pong_by = now + PONG_S
        elif self.pong_by is None and now >= self.ping_at:
            self.pong_by = now + PONG_S
            self.ping_at = now + _jittered_ping_s(0.9, 1.1)
            self.write(_PING)
        return self._next_visit() if self.is_open else None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._close_by(HANDSHAKE_S)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._has_left()
        self.transport = None
        self._backlog = b""
        self._wheel.forget(self)
        if self._was_open:
            self.gone()

    def eof_received(self) -> None:
        self.protocol.receive_eof()
        self._flush()
        self._has_left()

    def data_received(self, data: bytes) -> None:
        self._backlog = self._backlog + data if self._backlog else data
        if not self._pumping and not self._holds:
            self._pump()

    def pause_writing(self) -> None:
        self.is_slow = True
        self._offered = cast(asyncio.Transport, self.transport).get_write_buffer_size()
        self._drained = 0
        self._progress_at = self.loop.time()
        # Who does not read its answers asks for no more of them.
        self.hold()
        if self.is_open:
            self.reschedule()

    def resume_writing(self) -> None:
        self.is_slow = False
        self._own_answer = 0
        self.release()

    # Within

    def _pump_soon(self) -> None:
        if not self._pumping:
            self._pumping = True
            self.loop.call_soon(self._pump)

    def _pump(self) -> None:
        """A slice at a time: a chunk of tiny frames must not hold up the other sockets."""
        self._pumping = False
        data = self._backlog
        if self.transport is None or self.transport.is_closing() or self._holds:
            return
        if len(data) > _SLICE:
            self._backlog = data[_SLICE:]
            self.transport.pause_reading()
            self._pump_soon()
            self._receive(data[:_SLICE])
            return
        self._backlog = b""
        self.transport.resume_reading()
        if data:
            self._receive(data)

    def _receive(self, data: bytes) -> None:
        protocol = self.protocol
        if protocol.eof_sent:
            return
        if protocol.state is State.CONNECTING:
            self._receive_handshake(data)
            return
        protocol.receive_data(data)
        self._flush()
        if protocol.state is not State.OPEN:
            self._has_left()

    def _receive_handshake(self, data: bytes) -> None:
        protocol = self.protocol
        self._received += len(data)
        if self._received > MAX_HANDSHAKE:
            sentence = f"A handshake has at most {MAX_HANDSHAKE} bytes.\n"
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            protocol.send_response(protocol.reject(status, sentence))
        else:
            protocol.receive_data(data)
        if protocol.writes == [SEND_EOF]:
            # The library hangs up on what is no handshake; section 4.2.1 wants an answer.
            answer = protocol.reject(HTTPStatus.BAD_REQUEST, "This is no WebSocket handshake.\n")
            protocol.writes.insert(0, answer.serialize())
        self._flush()
        for event in protocol.events_received():
            if isinstance(event, Request) and not protocol.eof_sent:
                self._request = event
                self.hold()
                self.request_received(event)

    def _frame_received(self, frame: Frame) -> None:
        self._flush()
        if not self.is_open:
            return
        if frame.opcode is Opcode.CLOSE:
            self._has_left()
        elif frame.opcode is Opcode.CONT:
            self._continue_message(frame)
        else:
            self._begin_message(frame, allowed=self.allow_frame())

    def _begin_message(self, frame: Frame, *, allowed: bool) -> None:
        if frame.opcode is Opcode.PONG:
            self.pong_by = None
        elif frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
            self._opcode = frame.opcode if allowed else None
            if frame.fin:
                self._message_received(frame.data)
            else:
                self._message, self._fragments = bytearray(frame.data), 1

    def _continue_message(self, frame: Frame) -> None:
        message = cast(bytearray, self._message)
        message += frame.data
        self._fragments += 1
        if len(message) > MAX_MESSAGE:
            self._fail(CloseCode.MESSAGE_TOO_BIG, f"more than {MAX_MESSAGE} bytes")
        elif frame.fin:
            self._message = None
            self._message_received(message)
        elif self._fragments >= MAX_FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")

    def _message_received(self, data: BytesLike) -> None:
        if self._opcode is Opcode.BINARY:
            self.binary_received()
        elif self._opcode is Opcode.TEXT:
            try:
                text = str(data, "utf-8")
            except UnicodeDecodeError:
                self._fail(CloseCode.INVALID_DATA, "not UTF-8")
            else:
                self.text_received(text)

    def _fail(self, code: CloseCode, reason: str) -> None:
        """RFC 6455 section 7.1.7: what follows is not read any more."""
        self.protocol.fail(code, reason)
        self._flush()
        self._has_left()

    def _flush(self) -> None:
        transport = self.transport
        if not self.protocol.writes or transport is None:
            return
        for data in self.protocol.data_to_send():
            if transport.is_closing():
                return
            if data:
                transport.write(data)
            else:
                # Closing at once would reset the connection, and with it what is on its way.
                transport.write_eof()
                self._close_by(CLOSE_S)

    def _has_left(self) -> None:
        if self.is_open:
            self.is_open = False
            closed = self.protocol.close_sent
            if closed is not None and not self.protocol.close_rcvd_then_sent:
                CLOSES.labels(str(closed.code)).inc()
            # The answer to a close may stand behind what was not read.
            self._holds = 0
            self._pump_soon()
            self._close_by(CLOSE_S)
            self.left()

    def _close_by(self, seconds: float) -> None:
        self._wheel.schedule(self, self.loop.time() + seconds)

    def _is_stalled(self, now: float) -> bool:
        transport = cast(asyncio.Transport, self.transport)
        drained = self._offered - transport.get_write_buffer_size()
        if drained > self._drained:
            self._drained, self._progress_at = drained, now
        return now - self._progress_at >= STALL_S

    def _next_visit(self) -> float:
        due = self.ping_at if self.pong_by is None else self.pong_by
        if self.expires_at is not None:
            due = min(due, self.expires_at)
        return min(due, self.loop.time() + _SLOW_CHECK_S) if self.is_slow else due


def _jittered_ping_s(least: float, most: float) -> float:
    return PING_S * random.uniform(least, most)  # noqa: S311 (spreads load, hides nothing)
