"""Waiting for what another process does in its own time."""

import datetime as dt
import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], *, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.02)


def wait_out_midnight(*, left_s: float = 120) -> None:
    """Returns when the day, in UTC, is to last so long at least: for who counts from today."""
    now = dt.datetime.now(dt.UTC)
    midnight = dt.datetime.combine(now.date() + dt.timedelta(1), dt.time(), dt.UTC)
    if (midnight - now).total_seconds() < left_s:
        time.sleep((midnight - now).total_seconds() + 0.1)
