"""A closed-loop HTTP/1.1 load generator: each connection sends its next request when the
answer to the last one is complete. It parses no more than a load generator must, so that one
process of it is faster than one process of any server measured here.

Run as a program it reads requests, one in hexadecimal a line, from the standard input, and prints
one JSON line: requests, seconds, errors, latencies in milliseconds.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from typing import cast

import uvloop


class _Client(asyncio.Protocol):
    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._head = b""
        self._status = b""
        self._missing = 0
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # All at once would stay in step, and each wait for all others.
        first_s = self._load.pause_s * random.random()
        asyncio.get_running_loop().call_later(first_s, self._send)

    def connection_lost(self, _error: Exception | None) -> None:
        self._load.closed()

    def _send(self) -> None:
        request = next(self._load.requests, None)
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Counts a body without keeping it."""
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            head_end = self._head.find(b"\r\n\r\n")
            if head_end < 0:
                return
            self._status = self._head[9:12]
            self._missing = _body_length(self._head[:head_end]) - (len(self._head) - head_end - 4)
            self._head = b""
        if self._missing:
            return
        if not self._load.answered(self._status, time.perf_counter() - self._sent_at):
            self._transport.close()
        elif self._load.pause_s:
            asyncio.get_running_loop().call_later(self._load.pause_s, self._send)
        else:
            self._send()


def _body_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:")
    return int(head[at + 15 : head.find(b"\r\n", at) if b"\r\n" in head[at:] else None])


class _Load:
    def __init__(
        self, requests: list[bytes], seconds: float, pause_s: float, *, once: bool
    ) -> None:
        self.requests = iter(requests) if once else itertools.cycle(requests)
        self.pause_s = pause_s
        self.latencies: list[float] = []
        self.errors = 0
        self.until = time.perf_counter() + seconds
        self._open = 0
        self.done = asyncio.Event()

    def answered(self, status: bytes, latency_s: float) -> bool:
        self.latencies.append(latency_s)
        if not status.startswith(b"2"):
            self.errors += 1
        return time.perf_counter() < self.until

    def opened(self) -> None:
        self._open += 1

    def closed(self) -> None:
        self._open -= 1
        if not self._open:
            self.done.set()


async def run_load(
    port: int,
    requests: list[bytes],
    *,
    connections: int,
    seconds: float,
    pause_s: float = 0.0,
    once: bool = False,
) -> dict[str, object]:
    """The requests are sent in turn, again and again or ``once``; ``pause_s`` after an answer makes
    the load lighter."""
    loop = asyncio.get_running_loop()
    load = _Load(requests, seconds, pause_s, once=once)
    started = time.perf_counter()
    for _ in range(connections):
        load.opened()
        await loop.create_connection(lambda: _Client(load), "127.0.0.1", port)
    await load.done.wait()
    took = time.perf_counter() - started
    ordered = sorted(load.latencies)
    return {
        "requests": len(ordered),
        "seconds": took,
        "errors": load.errors,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--pause", type=float, default=0.0)
    parser.add_argument("--once", action="store_true", help="send each request once")
    options = parser.parse_args()
    result = uvloop.run(
        run_load(
            options.port,
            [bytes.fromhex(request) for request in sys.stdin],
            connections=options.connections,
            seconds=options.seconds,
            pause_s=options.pause,
            once=options.once,
        )
    )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
