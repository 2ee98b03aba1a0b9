"""The chat's load generator: a program that reads its plan as one JSON line and prints its result
as another. ``fan-out``, ``keep`` and ``latency`` measure; ``idle`` holds sockets until its input
ends; ``return`` kills the chat process and waits for its clients to be back.
"""

import asyncio
import gc
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import psutil
import uvloop

from benchmarks.chat_client import Client, join, join_room, open_client, open_clients
from talas.core.open_files import allow_many_sockets

WARM_UP_S = 0.5
LATE_S = 30.0
# For who comes and goes to be told.
SETTLE_S = 0.7
SEEN = 1
_CONTENT = "x" * 64
_RECONNECT_S = 0.5
_RECONNECT_MOST_S = 5.0

Result = dict[str, float]


class Plan(msgspec.Struct):
    """``paths``: what to connect to, one socket each. ``pid``: the server's process.
    ``other_port`` is where every second one connects, if it is not 0."""

    port: int
    pid: int
    paths: list[str]
    other_port: int = 0
    rooms: list[str] = []
    window: int = 1
    rate: float = 0.0
    seconds: float = 3.0


class _Clock:
    """Wall time, and CPU time of the server and of this process, user's and system's."""

    def __init__(self, pid: int) -> None:
        self._server = psutil.Process(pid)
        self._began = self._read()

    def _read(self) -> tuple[float, float, float]:
        times = self._server.cpu_times()
        return time.perf_counter(), times.user + times.system, time.process_time()

    def rates(self, count: int) -> Result:
        taken = (now - then for now, then in zip(self._read(), self._began, strict=True))
        names = ("rate", "per_server_cpu_s", "per_generator_cpu_s")
        return {name: count / max(spent, 1e-9) for name, spent in zip(names, taken, strict=True)}


class _Sender:
    """Keeps ``window`` messages under way until the time is over: the next one is sent when
    one is seen, which is when ``is_seen`` holds for a payload."""

    def __init__(
        self, client: Client, room: str, *, window: int, is_seen: Callable[[bytes], bool]
    ) -> None:
        self._client = client
        self._room = room
        self._window = window
        self._is_seen = is_seen

    async def run(self, seconds: float) -> int:
        """How many were sent and seen."""
        self.sent = self.seen = 0
        self._until = time.perf_counter() + seconds
        self._done = asyncio.get_running_loop().create_future()
        self._client.hear = self._hear
        for _ in range(self._window):
            self._send()
        try:
            await asyncio.wait_for(self._done, seconds + LATE_S)
        finally:
            self._client.hear = None
        return self.seen

    def _send(self) -> None:
        self.sent += 1
        self._client.send(type="message", room=self._room, content=_CONTENT, id=self.sent)

    def _hear(self, payload: bytes) -> None:
        if payload.startswith(b'{"type":"error"'):
            raise RuntimeError(payload.decode())
        if self._is_seen(payload):
            self.seen += 1
            if time.perf_counter() < self._until:
                self._send()
            elif self.seen == self.sent and not self._done.done():
                self._done.set_result(None)


async def fan_out(plan: Plan) -> Result:
    """One member sends and takes apart what comes; the others must be sent the same bytes."""
    clients = await open_clients(plan.port, plan.paths)
    await join(clients, plan.rooms)
    witness = clients[0]
    sender = _Sender(
        witness,
        plan.rooms[0],
        window=plan.window,
        is_seen=lambda payload: payload.startswith(b'{"type":"message"'),
    )
    await _shown_to_all(sender, clients, WARM_UP_S)
    clock = _Clock(plan.pid)
    messages = await _shown_to_all(sender, clients, plan.seconds)
    return clock.rates(messages * len(clients))


async def _shown_to_all(sender: _Sender, clients: list[Client], seconds: float) -> int:
    for client in clients:
        client.received = 0
    messages = await sender.run(seconds)
    late_at = time.perf_counter() + LATE_S
    for client in clients[1:]:
        while client.received < clients[0].received:
            if time.perf_counter() > late_at:
                raise TimeoutError(f"{clients[0].received - client.received} bytes are missing")
            await asyncio.sleep(0.001)
    return messages


async def keep(plan: Plan) -> Result:
    """Every client has ``window`` messages under way, and sends the next one when one of them
    is acknowledged."""
    clients = await open_clients(plan.port, plan.paths)
    await join(clients, plan.rooms)
    senders = [
        _Sender(
            client,
            plan.rooms[number % len(plan.rooms)],
            window=plan.window,
            is_seen=lambda payload: payload.startswith(b'{"type":"ack"'),
        )
        for number, client in enumerate(clients)
    ]
    await asyncio.gather(*(sender.run(WARM_UP_S) for sender in senders))
    clock = _Clock(plan.pid)
    kept = await asyncio.gather(*(sender.run(plan.seconds) for sender in senders))
    return clock.rates(sum(kept))


async def latency(plan: Plan) -> Result:
    """``rate`` messages a second, by members chosen by chance, at times that know nothing of
    the answers. Milliseconds from the write to when a member has it (those at ``other_port``, who
    send nothing, counted apart), and the sender its ack."""
    clients = await open_clients(plan.port, plan.paths[::2] if plan.other_port else plan.paths)
    elsewhere = await open_clients(plan.other_port, plan.paths[1::2]) if plan.other_port else []
    await join(clients + elsewhere, plan.rooms)
    await asyncio.sleep(SETTLE_S)
    sent_at: list[float] = []
    shown: list[float] = []
    shown_elsewhere: list[float] = []
    acknowledged: list[float] = []

    def hear(latencies: list[float], payload: bytes) -> None:
        now = time.perf_counter()
        if payload.startswith(b'{"type":"message"'):
            number = payload.partition(b'"content":"')[2].partition(b"x")[0]
            latencies.append(now - sent_at[int(number)])
        elif payload.startswith(b'{"type":"ack"'):
            acknowledged.append(now - sent_at[json.loads(payload)["data"]["id"]])
        elif payload.startswith(b'{"type":"error"'):
            raise RuntimeError(payload.decode())

    for client in clients:
        client.hear = partial(hear, shown)
    for client in elsewhere:
        client.hear = partial(hear, shown_elsewhere)
    chance = random.Random(7)
    due = began = time.perf_counter()
    while due < began + plan.seconds:
        due += chance.expovariate(plan.rate)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        client, number = chance.choice(clients), len(sent_at)
        sent_at.append(time.perf_counter())
        client.send(type="message", room=plan.rooms[0], content=f"{number}{_CONTENT}", id=number)
    await asyncio.sleep(1)
    expected = len(sent_at) * (len(clients) + len(elsewhere))
    lost = expected - len(shown) - len(shown_elsewhere)
    tails = {"deliver": shown, "elsewhere": shown_elsewhere, "ack": acknowledged}
    result: Result = {"messages": len(sent_at), "lost": lost}
    for name, seconds in tails.items():
        result |= _tails(name, seconds) if seconds else {}
    return result


def _tails(name: str, seconds: list[float]) -> Result:
    ordered = sorted(seconds)
    return {
        f"{name}_{label}_ms": ordered[int(len(ordered) * part)] * 1000
        for label, part in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))
    }


async def idle(plan: Plan) -> Result:
    """Says ``open`` when all sockets are open, and then how many have been lost."""
    clients = await open_clients(plan.port, plan.paths)
    lost: list[Client] = []
    for client in clients:
        client.hear = lambda _payload: None
        client.lost = partial(lost.append, client)
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    return {"lost": len(lost)}


async def come_back(plan: Plan) -> Result:
    """Seconds from the kill until the first and the last client are in their room again, having
    asked for what they missed. A client waits by chance up to half a second, twice as long after
    each attempt that failed, five seconds at most."""
    clients = await open_clients(plan.port, plan.paths)
    await join(clients, plan.rooms)
    tasks: list[asyncio.Task[float]] = []
    attempts = 0

    async def reconnect(path: str, number: int) -> float:
        nonlocal attempts
        longest = _RECONNECT_S
        while True:
            await asyncio.sleep(random.uniform(0, longest))
            longest = min(_RECONNECT_MOST_S, 2 * longest)
            attempts += 1
            try:
                again = await open_client(plan.port, path, number)
            except OSError:
                continue
            await join_room(again, plan.rooms[0], since=SEEN)
            return time.perf_counter()

    def lost(path: str, number: int) -> None:
        tasks.append(asyncio.create_task(reconnect(path, number)))

    for number, client in enumerate(clients):
        client.lost = partial(lost, plan.paths[number], number)
    killed_at = time.perf_counter()
    os.kill(plan.pid, signal.SIGKILL)
    while len(tasks) < len(clients):
        await asyncio.sleep(0.01)
    back_at = await asyncio.gather(*tasks)
    return {
        "first_s": min(back_at) - killed_at,
        "last_s": max(back_at) - killed_at,
        "attempts": attempts,
    }


def main() -> None:
    measures: dict[str, Any] = {
        "fan-out": fan_out,
        "keep": keep,
        "latency": latency,
        "idle": idle,
        "return": come_back,
    }
    plan = msgspec.json.decode(sys.stdin.readline(), type=Plan)
    allow_many_sockets()
    # The pauses of this process are not the server's.
    gc.disable()
    print(json.dumps(uvloop.run(measures[sys.argv[1]](plan))))


if __name__ == "__main__":
    main()
