"""What has happened and was not read yet."""

import asyncio
from collections import deque

from talas.client.errors import ChatClosed, Ended, NotReading
from talas.client.events import Event


class Inbox:
    """Holds ``max_events`` at most, none with 0; the one after is dropped, and ``overflow`` says
    so."""

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        self._events: deque[Event] = deque()
        self._more = asyncio.Event()
        self._ended: Ended | None = None
        self.overflow: NotReading | None = None

    def put(self, event: Event) -> None:
        if not self._max_events or self.overflow is not None:
            return
        if len(self._events) < self._max_events:
            self._events.append(event)
            self._more.set()
        else:
            self.overflow = NotReading(
                f"{self._max_events} events wait unread: iterate over the chat, or say listen=False"
            )

    def end(self, error: Ended) -> None:
        self._ended = error
        self._more.set()

    async def take(self) -> Event:
        """Raises StopAsyncIteration after this side has closed, otherwise why it is over; both
        after what came before."""
        while not self._events:
            if isinstance(self._ended, ChatClosed):
                raise StopAsyncIteration
            if self._ended is not None:
                raise self._ended
            self._more.clear()
            await self._more.wait()
        return self._events.popleft()
