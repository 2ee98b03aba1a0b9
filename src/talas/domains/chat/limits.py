"""How fast one user, and one socket, may ask."""

import msgspec


class Limit(msgspec.Struct, frozen=True):
    """``rate`` a second, and ``burst`` at once after a rest."""

    what: str
    rate: float
    burst: int


MESSAGES = Limit("messages", 5, 10)
JOINS = Limit("joins", 10, 50)
HISTORIES = Limit("histories", 2, 10)
FRAMES = Limit("frames", 20, 40)

PATIENCE = 50
PATIENCE_S = 10.0


class Meter:
    """A token bucket that is one number: the generic cell rate algorithm (ITU-T I.371).

    ``full_at`` is when the bucket will be full again.
    """

    __slots__ = ("full_at",)

    def __init__(self) -> None:
        self.full_at = 0.0

    def take(self, limit: Limit, now: float) -> float:
        """0 if one was free, else the seconds until one will be."""
        after = max(self.full_at, now) + 1 / limit.rate
        wait_s = after - now - limit.burst / limit.rate
        if wait_s > 1e-9:
            return wait_s
        self.full_at = after
        return 0.0


class Patience:
    """Counts refusals: who goes on after many within a short time is shown the door."""

    __slots__ = ("_refused", "_since")

    def __init__(self) -> None:
        self._since = 0.0
        self._refused = 0

    def is_over(self, now: float) -> bool:
        """Called at each refusal."""
        if now - self._since > PATIENCE_S:
            self._since, self._refused = now, 0
        self._refused += 1
        return self._refused > PATIENCE
