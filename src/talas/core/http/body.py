"""A request's body as it comes: no later than a slow but honest line would bring it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from talas.core.errors import InvalidData, TalasError, TooLarge

GRACE_S = 10.0
MIN_BYTES_PER_S = 1024
MAX_SILENCE_S = 60.0

SHORT_REST_BYTES = 1024 * 1024
REST_S = 1.0

Receive = Callable[[], Awaitable[Any]]


class TooSlow(TalasError):
    status = 408
    code = "too_slow"


class PacedBody:
    """The body's chunks, none of them later than the sender's speed allows."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False
        self._patience_until = time.monotonic() + GRACE_S

    async def next_chunk(self) -> bytes | None:
        """None at the end. Raises TooSlow; InvalidData when the sender has gone."""
        while not self._ended:
            try:
                async with asyncio.timeout(self._patience_until - time.monotonic()):
                    message = await self._receive()
            except TimeoutError:
                raise TooSlow(
                    f"The body must come with at least {MIN_BYTES_PER_S} bytes a second"
                ) from None
            if message["type"] == "http.disconnect":
                raise InvalidData("The body was cut off")
            self._ended = not message.get("more_body", False)
            chunk: bytes = message.get("body", b"")
            if chunk:
                self._patience_until = min(
                    self._patience_until + len(chunk) / MIN_BYTES_PER_S,
                    time.monotonic() + MAX_SILENCE_S,
                )
                return chunk
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self.next_chunk()) is not None:
            yield chunk


async def join_bounded(chunks: AsyncIterator[bytes], *, most: int, what: str) -> bytes:
    """All of it in memory, at most ``most`` bytes: raises TooLarge without reading on."""
    parts, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise too_large(what, most)
        parts.append(chunk)
    return b"".join(parts)


def too_large(what: str, most: int) -> TooLarge:
    return TooLarge(f"{what} must be at most {most} bytes")


class WatchedBody:
    """Knows whether the whole body has come, for an answer that goes out before it has.

    The server would close the connection without a word, and who sends a next request on it
    would get no answer.
    """

    def __init__(self, receive: Receive, headers: Mapping[bytes, bytes]) -> None:
        self._receive = receive
        length = headers.get(b"content-length", b"")
        self.ended = length == b"0" or not (length or b"transfer-encoding" in headers)
        self._missing = int(length) if length.isdigit() else None

    async def receive(self) -> Any:
        message = await self._receive()
        self.ended = not message.get("more_body", False)
        if self._missing is not None:
            self._missing -= len(message.get("body", b""))
        return message

    async def read_short_rest(self) -> bool:
        """Whether the body has ended, if need be after waiting a second for a short rest."""
        if self._missing is not None and self._missing <= SHORT_REST_BYTES:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REST_S):
                    while not self.ended:
                        await self.receive()
        return self.ended
