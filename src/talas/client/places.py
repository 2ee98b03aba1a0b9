"""The order of one room or conversation: what it gives out is 1, 2, 3 …, each once."""

import enum
from collections.abc import Iterable
from typing import cast

from talas.client.events import Event, Gap, Sequenced

MAX_HELD = 2000


class _State(enum.Enum):
    HOLDING = "holding"
    """What comes is kept until it is known what was before."""
    REPLAYING = "replaying"
    """The server sends what was missed, in order."""
    LIVE = "live"


class Place:
    """``last`` is the newest ``seq`` that was given out with everything before it; None where
    nothing is known yet."""

    def __init__(
        self, *, room: str | None = None, peer: int | None = None, last: int | None = None
    ) -> None:
        self.room, self.peer, self.last = room, peer, last
        self._state = _State.HOLDING
        self._until = 0
        self._held: dict[int, Sequenced] = {}

    @property
    def has_hole(self) -> bool:
        """Something came of which the one before has not: it has to be asked for."""
        return self._state is _State.LIVE and bool(self._held)

    @property
    def is_live(self) -> bool:
        return self._state is _State.LIVE

    def hold(self) -> None:
        self._state = _State.HOLDING

    def disconnected(self) -> None:
        """What is held comes again after the next connection, with what was before it."""
        self._state = _State.HOLDING
        self._held.clear()

    def begin(self, top: int | None) -> list[Event]:
        """From here on, after ``top``; without it, with whatever comes first."""
        self._state = _State.LIVE
        if self.last is None:
            self.last = top
        if self.last is None and self._held:
            self.last = min(self._held) - 1
        return self._drain()

    def replay(self, until: int) -> list[Event]:
        """What follows are all after ``last`` up to ``until``, in order, and then live ones."""
        self._until = until
        given = self._drain()
        self._state = _State.REPLAYING if until > self._newest else _State.LIVE
        return given + self._give_up_holes()

    def start_over(self, top: int) -> list[Event]:
        """The server has less than was given out: its database is an older one."""
        was, self.last = self.last, top
        self._state = _State.LIVE
        gap = [] if was is None else [self._gap(top + 1, was, was - top)]
        return [*gap, *self._drain(), *self._give_up_holes()]

    def take(self, event: Sequenced) -> list[Event]:
        """What can be given out now that this has come."""
        seq = cast(int, event.seq)
        if self._state is not _State.HOLDING and self.last is None:
            self.last = seq - 1
        if self.last is not None and seq <= self.last:
            return []
        if len(self._held) < MAX_HELD or seq == self._newest + 1:
            self._held[seq] = event
        if self._state is _State.HOLDING:
            return []
        given = self._drain()
        if self._state is _State.REPLAYING:
            if self._newest < seq:
                given += self._skip_to(seq)
            if self._newest >= self._until:
                self._state = _State.LIVE
        return given

    def fill(self, found: Iterable[Sequenced], top: int) -> list[Event]:
        """What could be read of the history, which had come to ``top``."""
        first = self._newest + 1
        for event in found:
            if cast(int, event.seq) >= first:
                self._held[cast(int, event.seq)] = event
        given: list[Event] = []
        if top >= first:
            known = sorted(seq for seq in self._held if seq <= top)
            missing = top - self._newest - len(known)
            if missing:
                given.append(self._gap(first, top, missing))
            given += [self._held.pop(seq) for seq in known]
            self.last = top
        self._state = _State.LIVE
        return given + self._drain() + self._give_up_holes()

    def _give_up_holes(self) -> list[Event]:
        """It was just asked for what is missing, and there is nothing."""
        return self._skip_to(max(self._held)) if self.has_hole else []

    @property
    def _newest(self) -> int:
        return self.last or 0

    def _drain(self) -> list[Event]:
        given: list[Event] = []
        while self.last is not None and self._newest + 1 in self._held:
            self.last = self._newest + 1
            given.append(self._held.pop(self.last))
        if self.last is not None and self._held and min(self._held) <= self._newest:
            self._held = {seq: event for seq, event in self._held.items() if seq > self._newest}
        return given

    def _skip_to(self, seq: int) -> list[Event]:
        """In a replay what does not come in its turn does not come at all."""
        given: list[Event] = []
        for held in sorted(at for at in self._held if at <= seq):
            if held > self._newest + 1:
                given.append(self._gap(self._newest + 1, held - 1, held - 1 - self._newest))
            self.last = held
            given.append(self._held.pop(held))
        return given + self._drain()

    def _gap(self, first: int, last: int, missing: int) -> Gap:
        return Gap(room=self.room, peer=self.peer, first=first, last=last, missing=missing)
