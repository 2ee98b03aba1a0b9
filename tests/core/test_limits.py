import pytest

from talas.core import limits
from talas.core.limits import RateLimiter, address_key


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_tokens_flow_in_evenly() -> None:
    clock = Clock()
    limiter = RateLimiter(60, clock=clock)
    assert [limiter.take("a") for _ in range(60)] == [0.0] * 60
    assert limiter.take("a") == 1.0
    clock.now += 0.75
    assert limiter.take("a") == 0.25
    clock.now += 0.25
    assert limiter.take("a") == 0.0
    assert limiter.take("a") == 1.0


def test_keys_do_not_share() -> None:
    limiter = RateLimiter(60, burst=1, clock=Clock())
    assert limiter.take("a") == 0.0
    assert limiter.take("b") == 0.0
    assert limiter.take("a") > 0


def test_no_more_waits_than_the_burst() -> None:
    clock = Clock()
    limiter = RateLimiter(60, burst=2, clock=clock)
    limiter.take("a")
    clock.now += 3600
    assert [limiter.take("a") > 0 for _ in range(3)] == [False, False, True]


def test_being_refused_costs_nothing() -> None:
    clock = Clock()
    limiter = RateLimiter(60, burst=1, clock=clock)
    limiter.take("a")
    for _ in range(100):
        assert limiter.take("a") > 0
    clock.now += 1
    assert limiter.take("a") == 0.0


def test_full_buckets_are_forgotten() -> None:
    clock = Clock()
    limiter = RateLimiter(60, clock=clock)
    for number in range(limits._SWEEP_AT):
        limiter.take(number)
    clock.now += 61
    limiter.take("one more")
    assert len(limiter._buckets) == 1


def test_memory_is_bounded_whatever_comes() -> None:
    limiter = RateLimiter(60, clock=Clock())
    for number in range(10 * limits._SWEEP_AT + 1000):
        limiter._buckets[number] = limits.Bucket(0, 1000.0)
    limiter.take("one more")
    assert len(limiter._buckets) == 1


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("unknown", "unknown"),
        ("not:an:address", "not:an:address"),
        ("", ""),
    ],
)
def test_one_ipv6_connection_is_one_place(address: str, key: str) -> None:
    assert address_key(address) == key
