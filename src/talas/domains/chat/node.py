"""What a chat process holds for as long as it lives."""

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any

from talas.core.database import Database
from talas.core.sessions import SessionGuard
from talas.core.settings import Settings
from talas.domains.chat.bus import Bus
from talas.domains.chat.follower import Follower
from talas.domains.chat.hub import Hub
from talas.domains.chat.presence.service import Presence
from talas.domains.chat.wheel import Wheel
from talas.domains.chat.writer import Writer


class Node:
    """``db`` is for reads; the writer, the follower, and what is said of who is here have
    connections of their own, so that no number of readers keeps them waiting."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        own_db: Database,
        guard: SessionGuard,
        bus: Bus,
    ) -> None:
        self.settings = settings
        self.loop = asyncio.get_running_loop()
        self.id = uuid.uuid4()
        self.db = db
        self.guard = guard
        self.bus = bus
        self.hub = Hub()
        self.wheel = Wheel()
        self.writer = Writer(own_db, self.hub, bus, node=str(self.id))
        self.follower = Follower(own_db, self.hub, str(self.id))
        self.presence = Presence(db, own_db, self.hub, bus, self.id)
        self.limited = settings.rate_limits
        self.stopping = False
        """Who asks whether this process is ready hears no; sockets are still taken."""
        self.draining = False
        self.broken = asyncio.Event()
        """Set when a part that should run for as long as the process does has ended."""
        self.leaving = 0
        """How many connections are closed but not gone yet."""
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Runs in the background until it ends; the task is kept from being collected."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
