"""How fast to ask, and how long to wait before coming back."""

import asyncio
import random

FIRST_S = 0.5
LONGEST_S = 30.0
_EASE = 0.9
_NO_PACE_S = 0.02


class Backoff:
    """Exponential, with full jitter: clients that lost one server do not come back together."""

    def __init__(self, *, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._failures = 0

    def reset(self) -> None:
        self._failures = 0

    def next_s(self, *, at_least_s: float = 0.0) -> float:
        ceiling = min(self._longest_s, self._first_s * 2 ** min(self._failures, 30))
        self._failures += 1
        return at_least_s + random.uniform(0, ceiling)  # noqa: S311 (spreads load, hides nothing)


class Bucket:
    """A token bucket, so as to stay within a limit that is known."""

    def __init__(self, *, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, burst
        self._full_at = 0.0

    async def take(self) -> None:
        now = asyncio.get_running_loop().time()
        self._full_at = max(self._full_at, now) + 1 / self._rate
        wait_s = self._full_at - now - self._burst / self._rate
        if wait_s > 0:
            await asyncio.sleep(wait_s)


class Pace:
    """Finds the speed that the server allows: as fast as one likes until it refuses, then one
    after the other at the distance that it named, and slowly faster again. Without the distance
    all that were refused would come back at once and be refused again, until the server closes."""

    def __init__(self) -> None:
        self._distance_s = 0.0
        self._next_at = 0.0

    async def turn(self) -> None:
        now = asyncio.get_running_loop().time()
        at = max(now, self._next_at)
        self._next_at = at + self._distance_s
        if at > now:
            await asyncio.sleep(at - now)

    def refused(self, retry_after_s: float) -> None:
        now = asyncio.get_running_loop().time()
        self._distance_s = max(self._distance_s, min(retry_after_s, 1.0))
        self._next_at = max(self._next_at, now + retry_after_s)

    def accepted(self) -> None:
        if self._distance_s:
            self._distance_s *= _EASE
            if self._distance_s < _NO_PACE_S:
                self._distance_s = 0.0
