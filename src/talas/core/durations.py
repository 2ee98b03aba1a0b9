"""Durations as Go writes them: ``24h``, ``90m``, ``1h30m``, ``1.5s``."""

import re

_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")


def parse_duration(text: str) -> float:
    """Seconds in a positive Go duration; ValueError says what a right one looks like."""
    seconds, position = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != position:
            break
        seconds += float(part[1]) * _UNIT_SECONDS[part[2]]
        position = part.end()
    if not text or position != len(text) or seconds <= 0:
        raise ValueError(f"{text!r} is not a duration; write it like 24h, 90m or 1h30m")
    return seconds
