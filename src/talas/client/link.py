"""One connection: its handshake, its answers matched by ``id``, its end."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    WebSocketException,
)
from websockets.protocol import State

from talas.client.errors import ChatError, Ended, Refused, SignedOut, Unanswered
from talas.client.pace import Bucket

MAX_FRAME = 16 * 1024
PING_S = 20.0
PONG_S = 10.0
CLOSE_S = 2.0
MAX_INCOMING = 8 * 1024 * 1024
# A little below what the server allows a socket, since its clock is not this one's.
FRAMES_PER_S = 18
FRAMES_AT_ONCE = 36

# docs/chat.md; whatever is in neither list is a failure of the network, or of a proxy.
_SIGNED_OUT = {4500: "The session has ended", 4503: "The account is suspended"}
_ENDED = {
    4501: "The server does not understand this client",
    4504: "The account has as many open sockets as there may be",
    1003: "The server does not take this kind of data",
    1007: "What was sent was not UTF-8",
    1008: "The server's policy forbids what was sent",
    1009: "What was sent was too big",
}
TEMPORARY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
_ANSWERS = frozenset(
    ("ack", "joined", "left", "room_history", "dm_history", "authenticated", "pong", "error")
)

Data = dict[str, Any]
_encoder = msgspec.json.Encoder()


class _Frame(msgspec.Struct):
    type: str
    data: Any = None


_decoder = msgspec.json.Decoder(_Frame)


class LinkLost(ChatError):
    """The connection is gone or did not come about; coming back is worth a try.

    ``code`` is the close code, or the HTTP status of a refused handshake.
    """

    def __init__(self, reason: str, code: int | None = None, *, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.code, self.wait_s = reason, code, wait_s


class TokenRefused(LinkLost):
    """401 in the handshake, or closed because the token has expired: a fresh one may help."""


class _Asked(msgspec.Struct):
    answer: "asyncio.Future[Data]"
    heard: Callable[[Data], None] | None


class Link:
    """``lost`` is set as soon as the connection cannot be used any more."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._asked: dict[int, _Asked] = {}
        self._number = 0
        self._bucket = Bucket(rate=FRAMES_PER_S, burst=FRAMES_AT_ONCE)
        self.lost = asyncio.Event()

    @classmethod
    async def open(cls, url: str, token: str, *, timeout_s: float) -> "Link":
        """Raises LinkLost where another try may succeed, TokenRefused, and Ended."""
        try:
            socket = await connect(
                _with_version(url),
                additional_headers={"Authorization": f"Bearer {token}"},
                proxy=None if _is_loopback(url) else True,
                compression=None,
                open_timeout=timeout_s,
                ping_interval=PING_S,
                ping_timeout=PONG_S,
                close_timeout=CLOSE_S,
                max_size=MAX_INCOMING,
            )
        except InvalidStatus as error:
            raise _refusal(error) from error
        except (InvalidURI, ssl.SSLCertVerificationError) as error:
            raise Ended(f"Cannot connect to {url}: {error}") from error
        except (OSError, TimeoutError, EOFError, InvalidHandshake, WebSocketException) as error:
            raise LinkLost(str(error) or type(error).__name__) from error
        return cls(socket)

    async def run(self, handle: Callable[[str, Any], None]) -> ChatError:
        """Calls ``handle`` for each frame that answers nothing, in the order of arrival; returns
        why the connection ended."""
        try:
            async for text in self._socket:
                self._received(text, handle)
        except ConnectionClosed:
            pass
        finally:
            self._lose()
        return self._verdict()

    async def ask(
        self,
        request: Mapping[str, Any],
        timeout_s: float,
        heard: Callable[[Data], None] | None = None,
    ) -> Data:
        """The answer's data. ``heard`` is called with it before anything that came after it.

        Raises Refused, LinkLost, Unanswered.
        """
        await self._bucket.take()
        self._number += 1
        number = self._number
        asked = _Asked(asyncio.get_running_loop().create_future(), heard)
        try:
            async with asyncio.timeout(timeout_s):
                text = encode({**request, "id": number})
                self._asked[number] = asked
                await self._write(text)
                return await asked.answer
        except TimeoutError:
            raise Unanswered(f"No answer to {request['type']} within {timeout_s:g} s") from None
        finally:
            self._asked.pop(number, None)
            if not asked.answer.cancel():
                # Looked at, in case that nobody came to wait for it.
                asked.answer.exception()

    async def tell(self, request: Mapping[str, Any]) -> None:
        """For what has no answer. Raises LinkLost, Refused."""
        await self._bucket.take()
        await self._write(encode(request))

    async def close(self) -> None:
        """Within CLOSE_S, whatever the other side does."""
        try:
            async with asyncio.timeout(CLOSE_S + 1):
                await self._socket.close()
        except TimeoutError:
            self.abort()
        self._lose()

    @property
    def is_closed(self) -> bool:
        return self._socket.state is State.CLOSED

    def abort(self) -> None:
        self._socket.transport.abort()

    async def _write(self, text: str) -> None:
        if self.lost.is_set():
            raise LinkLost("The connection is gone")
        try:
            await self._socket.send(text)
        except ConnectionClosed:
            # Its close code is found out by who reads; only then is it gone for everybody.
            await self.lost.wait()
            raise LinkLost("The connection is gone") from None

    def _received(self, text: str | bytes, handle: Callable[[str, Any], None]) -> None:
        try:
            frame = _decoder.decode(text)
        except (msgspec.MsgspecError, UnicodeError):
            return
        data = frame.data if isinstance(frame.data, dict) else {}
        number = data.get("id")
        # In other frames, as in a message's, it is not the request's.
        is_answer = frame.type in _ANSWERS and type(number) is int
        asked = self._asked.get(number) if is_answer else None  # type: ignore[arg-type]
        if asked is None or asked.answer.done():
            # An answer that nobody waits for any more says nothing.
            if number is None or not is_answer:
                handle(frame.type, frame.data)
        elif frame.type == "error":
            asked.answer.set_exception(_refused(data))
        else:
            if asked.heard is not None:
                asked.heard(data)
            asked.answer.set_result(data)

    def _lose(self) -> None:
        self.lost.set()
        for asked in self._asked.values():
            if not asked.answer.done():
                asked.answer.set_exception(LinkLost("The connection was lost before the answer"))

    def _verdict(self) -> ChatError:
        protocol = self._socket.protocol
        received = protocol.close_rcvd
        if received is None:
            return LinkLost("The connection was lost")
        code, reason = int(received.code), received.reason
        if code in _SIGNED_OUT:
            return SignedOut(_SIGNED_OUT[code], code)
        if code in _ENDED:
            return Ended(_ENDED[code], code)
        if code == 4005:
            return TokenRefused(reason or "token expired", code)
        return LinkLost(reason or "closed", code, wait_s=1.0 if code == 4013 else 0.0)


def encode(request: Mapping[str, Any]) -> str:
    """One frame. Raises Refused for what no server could take, instead of being closed for it."""
    try:
        encoded = _encoder.encode(request)
    except UnicodeEncodeError:
        raise Refused("bad_request", "The text is not valid Unicode") from None
    if len(encoded) > MAX_FRAME:
        raise Refused("bad_request", f"Too long: a frame has at most {MAX_FRAME} bytes")
    return encoded.decode()


def _refused(data: Data) -> Refused:
    code, message, wait = data.get("code"), data.get("message"), data.get("retry_after_ms")
    return Refused(
        code if isinstance(code, str) else "error",
        message if isinstance(message, str) else "The server refused",
        wait if type(wait) is int and wait >= 0 else None,
    )


def _refusal(error: InvalidStatus) -> ChatError:
    status = error.response.status_code
    said = _sentence(bytes(error.response.body or b""))
    if status == 401:
        return TokenRefused(said or "The token is not accepted", status)
    if status in TEMPORARY_STATUSES:
        wait = error.response.headers.get("Retry-After", "0")
        wait_s = float(wait) if wait.isdecimal() and len(wait) < 4 else 0.0
        return LinkLost(said or f"The server answered {status}", status, wait_s=wait_s)
    return Ended(said or f"The server answered {status}: is this the address of a chat?", status)


def _sentence(body: bytes) -> str:
    with contextlib.suppress(msgspec.MsgspecError, UnicodeError):
        answer = msgspec.json.decode(body)
        if isinstance(answer, dict) and isinstance(answer.get("error"), str):
            return str(answer["error"])
    return ""


def _with_version(url: str) -> str:
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "v"]
    return parts._replace(path=parts.path or "/", query=urlencode([*query, ("v", "2")])).geturl()


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
