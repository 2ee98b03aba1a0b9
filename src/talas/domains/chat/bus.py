"""What chat processes tell each other: how far rooms have come, who types, reads, comes and goes.

All of it is a hint. What must not be lost is in the database, and whoever notices that something is
missing reads it there.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import structlog

from talas.core.database import Database, is_unavailable
from talas.core.events import CHAT_CHANNEL, NOTIFY_EACH, EventListener

MAX_QUEUED = 10_000
AT_ONCE = 100
RETRY_S = 1.0

log = structlog.get_logger()

Handler = Callable[[dict[str, Any]], None]


class Bus(Protocol):
    carries_tops: bool
    """Whether messages are announced here after their transaction, not by it."""

    def on(self, topic: str, handler: Handler) -> None: ...

    def on_gap(self, handler: Callable[[], None]) -> None:
        """Called after each (re)connection: something may have been missed before."""

    def send(self, topic: str, payload: dict[str, Any]) -> None:
        """To all processes, this one too; soon, or not at all."""

    async def run(self) -> None: ...


class Outbox:
    """Payloads that wait to be sent. Of too many the oldest are dropped."""

    def __init__(self) -> None:
        self._queue: deque[str] = deque(maxlen=MAX_QUEUED)
        self._more = asyncio.Event()

    def put(self, topic: str, payload: dict[str, Any]) -> None:
        self._queue.append(msgspec.json.encode({"topic": topic, **payload}).decode())
        self._more.set()

    async def take(self) -> list[str]:
        """Some that wait; waits for the first."""
        while not self._queue:
            self._more.clear()
            await self._more.wait()
        return [self._queue.popleft() for _ in range(min(AT_ONCE, len(self._queue)))]


class PostgresBus:
    """NOTIFY on the chat's channel; ``events`` listens there."""

    carries_tops = False

    def __init__(self, db: Database, events: EventListener) -> None:
        self._db = db
        self._events = events
        self._outbox = Outbox()

    def on(self, topic: str, handler: Handler) -> None:
        self._events.on(topic, handler)

    def on_gap(self, handler: Callable[[], None]) -> None:
        self._events.on_gap(handler)

    def send(self, topic: str, payload: dict[str, Any]) -> None:
        self._outbox.put(topic, payload)

    async def run(self) -> None:
        while True:
            payloads = await self._outbox.take()
            try:
                async with self._db.connection() as conn:
                    await conn.execute(NOTIFY_EACH, CHAT_CHANNEL, payloads)
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("chat.bus_failed")
                log.warning("chat.bus_not_sent", payloads=len(payloads))
                await asyncio.sleep(RETRY_S)
