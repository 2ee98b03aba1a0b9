"""One timer for all sockets: a task or a timer for each would cost more than the socket."""

import asyncio
import math
from typing import Protocol

import structlog

TICK_S = 0.25

log = structlog.get_logger()


class Visited(Protocol):
    slot: int
    """Where the wheel keeps the socket; only the wheel writes it. -1 is nowhere."""

    def visit(self, now: float) -> float | None:
        """Do what is due, and say when to come next (on the event loop's clock)."""


class Wheel:
    """Visits each socket at the time that it last asked for, to a quarter of a second."""

    def __init__(self) -> None:
        self._slots: dict[int, set[Visited]] = {}
        self._next = 0

    def schedule(self, socket: Visited, at: float) -> None:
        """Replaces the time that was set before."""
        self.forget(socket)
        socket.slot = max(self._next, math.ceil(at / TICK_S))
        self._slots.setdefault(socket.slot, set()).add(socket)

    def forget(self, socket: Visited) -> None:
        slot = self._slots.get(socket.slot)
        if slot is not None:
            slot.discard(socket)
            if not slot:
                del self._slots[socket.slot]
        socket.slot = -1

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        self._next = int(clock() / TICK_S)
        while True:
            await asyncio.sleep(TICK_S)
            due_until = int(clock() / TICK_S)
            while self._next <= due_until:
                due = self._slots.pop(self._next, set())
                self._next += 1
                for socket in due:
                    socket.slot = -1
                for socket in due:
                    # A visit may have rescheduled another one that was due as well.
                    if socket.slot == -1:
                        self._visit(socket, clock())

    def _visit(self, socket: Visited, now: float) -> None:
        try:
            again_at = socket.visit(now)
        except Exception:
            log.exception("chat.visit_failed")
            again_at = now + 1
        if again_at is not None:
            self.schedule(socket, again_at)
