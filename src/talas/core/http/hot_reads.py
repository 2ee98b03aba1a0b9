"""Answers to hot reads, kept for a second: what many ask for at once is computed once."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from talas.core.sessions import Actor

MAX_AGE_S = 1.0
MAX_ANSWER = 256 * 1024
MAX_BYTES = 32 * 1024 * 1024
# What a kept answer costs beside its body: keys, headers, objects.
_ENTRY_BYTES = 1024

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
# Whom it was computed for (None: for everybody), the path and the raw query.
Key = tuple[Actor | None, str, bytes]


class _Answer(msgspec.Struct, frozen=True):
    headers: list[tuple[bytes, bytes]]
    body: bytes
    good_until: float

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


class _Flight:
    """An answer that is being computed; ``answer`` stays None if it cannot be shared."""

    def __init__(self, good_until: float) -> None:
        self.good_until = good_until
        self.ended = asyncio.Event()
        self.answer: _Answer | None = None


class HotReads:
    """Holds an answer for at most a second from when its computation began.

    Only whole answers with status 200 are held. Who asks while one is being computed waits for
    it. ``forget_all`` ends both: what was begun before is handed to nobody who asks afterwards.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, _Answer] = OrderedDict()
        self._flights: dict[Key, _Flight] = {}
        self._bytes = 0

    @property
    def held_bytes(self) -> int:
        """At most ``MAX_BYTES``."""
        return self._bytes

    def forget_all(self) -> None:
        self._kept.clear()
        self._flights.clear()
        self._bytes = 0

    async def answer(
        self, key: Key, compute: Callable[[Send], Awaitable[None]], send: Send
    ) -> None:
        """Sends what is held under ``key``, or what ``compute`` sends."""
        now = time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and now < kept.good_until:
            await kept.send(send)
            return
        flight = self._flights.get(key)
        if flight is None or now >= flight.good_until:
            await self._lead(key, now + MAX_AGE_S, compute, send)
            return
        await flight.ended.wait()
        if flight.answer is None:
            await compute(send)
        else:
            await flight.answer.send(send)

    async def _lead(
        self, key: Key, good_until: float, compute: Callable[[Send], Awaitable[None]], send: Send
    ) -> None:
        flight = self._flights[key] = _Flight(good_until)
        headers: list[tuple[bytes, bytes]] | None = None

        async def watch(message: Message) -> None:
            nonlocal headers
            if message["type"] == "http.response.start":
                headers = message["headers"] if message["status"] == 200 else None
            elif message.get("more_body"):
                headers = None
            elif headers is not None:
                flight.answer = _Answer(headers, message["body"], good_until)
                self._land(key, flight)
            await send(message)

        try:
            await compute(watch)
        finally:
            self._land(key, flight)

    def _land(self, key: Key, flight: _Flight) -> None:
        """A flight that is no longer listed was crossed by a write: it serves who waited for it,
        and is not kept."""
        flight.ended.set()
        if self._flights.get(key) is flight:
            del self._flights[key]
            if flight.answer is not None:
                self._keep(key, flight.answer)

    def _keep(self, key: Key, answer: _Answer) -> None:
        size = _size(key, answer)
        if size > MAX_ANSWER:
            return
        self._drop(key)
        now = time.monotonic()
        while self._kept:
            oldest_key, oldest = next(iter(self._kept.items()))
            if oldest.good_until > now and self._bytes + size <= MAX_BYTES:
                break
            self._drop(oldest_key)
        self._kept[key] = answer
        self._bytes += size

    def _drop(self, key: Key) -> None:
        answer = self._kept.pop(key, None)
        if answer is not None:
            self._bytes -= _size(key, answer)


def _size(key: Key, answer: _Answer) -> int:
    return len(answer.body) + len(key[2]) + _ENTRY_BYTES
