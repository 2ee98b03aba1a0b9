"""Token buckets: so many a minute for each key, with bursts up to a minute's worth."""

import functools
import ipaddress
import time
from collections.abc import Callable

import msgspec

_SWEEP_AT = 10_000
_KNOWN_ADDRESSES = 10_000


class Bucket(msgspec.Struct):
    tokens: float
    filled_at: float


class RateLimiter:
    """``per_minute`` tokens flow in evenly; ``burst`` is how many may wait."""

    def __init__(
        self,
        per_minute: float,
        *,
        burst: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = per_minute / 60
        self._burst = burst or per_minute
        self._clock = clock
        self._buckets: dict[object, Bucket] = {}

    def take(self, key: object) -> float:
        """0 if one was free, else the seconds until one will be."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            self._sweep(now)
            self._buckets[key] = Bucket(self._burst - 1, now)
            return 0.0
        tokens = min(self._burst, bucket.tokens + (now - bucket.filled_at) * self._rate)
        bucket.filled_at = now
        if tokens < 1:
            bucket.tokens = tokens
            return (1 - tokens) / self._rate
        bucket.tokens = tokens - 1
        return 0.0

    def _sweep(self, now: float) -> None:
        """A bucket that has filled up again says nothing that a new one would not."""
        if len(self._buckets) < _SWEEP_AT:
            return
        full_after = self._burst / self._rate
        for key, bucket in list(self._buckets.items()):
            if now - bucket.filled_at >= full_after:
                del self._buckets[key]
        if len(self._buckets) >= 10 * _SWEEP_AT:
            self._buckets.clear()


@functools.lru_cache(_KNOWN_ADDRESSES)
def address_key(address: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 that one IPv6 connection is given and
    may take any address of. What is no address stands for itself."""
    if ":" not in address:
        return address
    try:
        ip = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(ip), 64), strict=False))
