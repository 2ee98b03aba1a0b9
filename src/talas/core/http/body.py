"""A request's body as it comes: no later than a slow but honest line would bring it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from talas.core.errors import InvalidData, TalasError, TooLarge

GRACE_S = 10.0
MIN_BYTES_PER_S = 1024
MAX_SILENCE_S = 60.0

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
