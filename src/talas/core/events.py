"""Events between processes: PostgreSQL LISTEN and NOTIFY.

An event is a hint, sent when its transaction commits. Who was not listening reads the
database: after each reconnection the ``on_gap`` handlers are told that events may be missing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
import structlog

from talas.core.database import Connection, is_unavailable, open_connection

CHANNEL = "talas"
CHAT_CHANNEL = "talas_chat"
"""What only the chat processes need to hear: it is much, and would wake the others."""

EPHEMERAL = "chat.ephemeral"
"""For the chat processes, ``{kind, …}``: typing, read, presence and notification, shown to who is
there and not kept."""

PING_S = 10.0
MAX_BACKOFF_S = 5.0
NOTIFY = "SELECT pg_notify($1, $2)"
NOTIFY_EACH = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"

log = structlog.get_logger()

Handler = Callable[[dict[str, Any]], None]


async def publish(conn: Connection, topic: str, channel: str = CHANNEL, **payload: Any) -> None:
    """Tell every listening process when the transaction of ``conn`` commits.

    The whole must stay below PostgreSQL's 8,000 bytes: send ids, not contents.
    """
    await conn.execute(NOTIFY, channel, msgspec.json.encode({"topic": topic, **payload}).decode())


async def publish_each(
    conn: Connection, topic: str, channel: str, payloads: Sequence[Mapping[str, Any]]
) -> None:
    """As ``publish``, for several events with one statement, and none without any."""
    encoded = [msgspec.json.encode({"topic": topic, **payload}).decode() for payload in payloads]
    if encoded:
        await conn.execute(NOTIFY_EACH, channel, encoded)


class EventListener:
    """Listens on a connection of its own and calls handlers in the order of commits.

    ``connected`` is False while events may be missed: caches must not be trusted then.
    """

    def __init__(self, url: str, *, channels: Sequence[str] = (CHANNEL,)) -> None:
        self._url = url
        self._channels = channels
        self._handlers: dict[str, list[Handler]] = {}
        self._any_handlers: list[Callable[[], None]] = []
        self._gap_handlers: list[Callable[[], None]] = []
        self._task: asyncio.Task[None] | None = None
        self._lost = asyncio.Event()
        self.connected = False

    def on(self, topic: str, handler: Handler) -> None:
        self._handlers.setdefault(topic, []).append(handler)

    def on_any(self, handler: Callable[[], None]) -> None:
        """Called after the handlers of each event, whatever its topic."""
        self._any_handlers.append(handler)

    def on_gap(self, handler: Callable[[], None]) -> None:
        """Called after each (re)connection, the first included."""
        self._gap_handlers.append(handler)

    async def start(self) -> None:
        """Connects in the background; returns once it listens, or after a first failure."""
        first_try = asyncio.Event()
        self._task = asyncio.create_task(self._run(first_try))
        await first_try.wait()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, first_try: asyncio.Event) -> None:
        backoff = 0.1
        while True:
            try:
                conn = await open_connection(self._url, application_name="talas events")
            except Exception as error:
                first_try.set()
                log.warning("events.connect_failed", error=str(error))
                await asyncio.sleep(backoff)
                backoff = min(MAX_BACKOFF_S, backoff * 2)
                continue
            backoff = 0.1
            try:
                await self._listen(conn, first_try)
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("events.failed")
                log.warning("events.connection_lost")
            finally:
                self.connected = False
                conn.terminate()

    async def _listen(self, conn: asyncpg.Connection, first_try: asyncio.Event) -> None:
        self._lost.clear()
        conn.add_termination_listener(self._connection_lost)
        for channel in self._channels:
            await conn.add_listener(channel, self._received)
        self.connected = True
        for gap_handler in self._gap_handlers:
            gap_handler()
        first_try.set()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), PING_S)
            if self._lost.is_set():
                log.warning("events.connection_lost")
                return
            await conn.execute("SELECT 1", timeout=PING_S / 2)

    def _connection_lost(self, _conn: object) -> None:
        self.connected = False
        self._lost.set()

    def _received(self, _conn: object, _pid: int, _channel: str, payload: object) -> None:
        event = msgspec.json.decode(str(payload), type=dict[str, Any])
        for handler in self._handlers.get(event.pop("topic", ""), ()):
            try:
                handler(event)
            except Exception:
                log.exception("events.handler_failed")
        for any_handler in self._any_handlers:
            any_handler()
