"""The chat process: fan-out, keeping, latency, idle memory and coming back after a kill.

Every figure with a peer alternates with it on the same machine. Rates are given for a
CPU-second of the chat process too, since its core is shared with PostgreSQL and the load.
"""

import contextlib
import dataclasses
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
from tests.ports import free_port

from benchmarks.chat_accounts import create_accounts, create_rooms
from benchmarks.figures import Figure, limit_figure, rate_figure, ratio_figure
from benchmarks.servers import talas_serve

ROUNDS = 3
SECRET = "only for measuring, on this machine, for minutes"
MEMBERS = 500
UNDER_WAY = 64
MANY_UNDER_WAY = 512
SENDERS = 64
LATENCY_MEMBERS, LATENCY_RATE = 100, 200.0
HIGH_RATE = 1_000.0
IDLE_SOCKETS, SOCKETS_PER_USER = 10_000, 10
PING_ROUND_S = 26.0
SPARE_FILES = 200
RETURNING = 1_000
ROOMS = [f"bench-{number}" for number in range(8)]
INSERT_ROOMS = [f"insert-{number}" for number in range(8)]

Result = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Target:
    """A server to load: ``paths`` has one for each of a thousand users, or for nobody."""

    port: int
    pid: int
    paths: list[str]

    def load(self, kind: str, sockets: int, *, version: int = 1, **plan: Any) -> Result:
        """Runs the load generator in a process of its own."""
        plan |= {"port": self.port, "pid": self.pid, "paths": self.sockets(sockets, version)}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.chat_load", kind],
            input=json.dumps(plan) + "\n",
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        result: Result = json.loads(done.stdout)
        return result

    def sockets(self, count: int, version: int = 1) -> list[str]:
        """The paths of ``count`` sockets, of as many users as there are."""
        suffix = "&v=2" if version == 2 and self.paths[0] != "/" else ""
        return [self.paths[n % len(self.paths)] + suffix for n in range(count)]


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        talas = stack.enter_context(talas_serve(Path(folder) / "data", JWT_SECRET=SECRET))
        users = max(RETURNING, IDLE_SOCKETS // SOCKETS_PER_USER)
        tokens = create_accounts(talas.database_url, SECRET, users)
        create_rooms(talas.database_url, ROOMS + INSERT_ROOMS)
        children = psutil.Process(talas.process.pid).children()
        pid = next(child.pid for child in children if child.cmdline()[-1] == "chat")
        chat = Target(talas.chat_port, pid, [f"/?token={token}" for token in tokens])
        library = stack.enter_context(_bare_server("library"))
        raw = stack.enter_context(_bare_server("raw"))
        yield from _fan_out("bursts", UNDER_WAY, 300_000, chat, library, raw)
        yield from _fan_out("one message at a time", 1, 120_000, chat, library, raw)
        yield from _keep(chat, talas.database_url)
        yield from _latency(chat, library)
        yield from _idle(chat, library)
        yield _return(chat)


@contextlib.contextmanager
def _bare_server(kind: str) -> Iterator[Target]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.broadcast_server", kind, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield Target(port, process.pid, ["/"])
        finally:
            process.kill()


def _fan_out(
    name: str, under_way: int, least: float, chat: Target, library: Target, raw: Target
) -> Iterator[Figure]:
    plan: dict[str, Any] = {"rooms": ROOMS[:1], "window": under_way, "seconds": 2.0}
    alone = raw.load("fan-out", MEMBERS, **plan)
    theirs, ours = [], []
    for _ in range(ROUNDS):
        theirs.append(library.load("fan-out", MEMBERS, **plan))
        ours.append(chat.load("fan-out", MEMBERS, **plan))
    rate, per_core = _median(ours, "rate"), _median(ours, "per_server_cpu_s")
    bare, bare_per_core = _median(theirs, "rate"), _median(theirs, "per_server_cpu_s")
    yield Figure(
        f"chat load generator, {name}",
        "",
        f"{alone['rate']:,.0f} deliveries/s",
        None,
        "from a server that writes the same bytes again and again; "
        f"{alone['per_generator_cpu_s']:,.0f} per CPU-second of the generator",
    )
    yield rate_figure(
        f"chat fan-out, {MEMBERS} members, {name}",
        per_core,
        least=least,
        unit="deliveries/s per core",
        detail=f"{per_core / bare_per_core:.2f} x the library's own broadcast, which keeps "
        f"nothing ({bare_per_core:,.0f} per core); by the wall clock {rate:,.0f} against "
        f"{bare:,.0f} deliveries/s; {under_way} under way",
    )


def _keep(chat: Target, database_url: str) -> Iterator[Figure]:
    inserts: dict[str, list[float]] = {"alone": [], "in-order": []}
    kept: dict[int, list[Result]] = {UNDER_WAY: [], MANY_UNDER_WAY: []}
    for _ in range(ROUNDS):
        for kind, rates in inserts.items():
            rates.append(_insert(database_url, kind))
        for under_way, results in kept.items():
            plan = {"rooms": ROOMS, "window": under_way // SENDERS, "seconds": 2.0}
            results.append(chat.load("keep", SENDERS, version=2, **plan))
    few = [result["rate"] for result in kept[UNDER_WAY]]
    many = [result["rate"] for result in kept[MANY_UNDER_WAY]]
    yield rate_figure(
        f"chat, persisted messages, {UNDER_WAY} under way",
        statistics.median(few),
        least=4000,
        unit="/s",
        detail=f"{_median(kept[UNDER_WAY], 'per_server_cpu_s'):,.0f} per core of the chat",
    )
    alone = statistics.median(inserts["alone"])
    figure = ratio_figure(
        "group commit, same guarantees",
        ours=few,
        theirs=inserts["in-order"],
        least=3,
        unit="messages/s",
        peer="one message with its number per transaction",
    )
    also = f"; bare INSERTs, without order, {alone:,.0f}: {statistics.median(few) / alone:.2f} x"
    yield dataclasses.replace(figure, detail=figure.detail + also)
    yield ratio_figure(
        f"group commit, {MANY_UNDER_WAY} under way",
        ours=many,
        theirs=inserts["alone"],
        least=3,
        unit="messages/s",
        peer=f"one bare INSERT per transaction, {UNDER_WAY} connections",
    )


def _insert(database_url: str, kind: str) -> float:
    command = [sys.executable, "-m", "benchmarks.chat_inserts"]
    command += [database_url, kind, str(UNDER_WAY), "2.0"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def _latency(chat: Target, library: Target) -> Iterator[Figure]:
    plan: dict[str, Any] = {"rooms": ROOMS[:1], "rate": LATENCY_RATE, "seconds": 4.0}
    theirs, ours = [], []
    for _ in range(ROUNDS):
        theirs.append(library.load("latency", LATENCY_MEMBERS, **plan))
        ours.append(chat.load("latency", LATENCY_MEMBERS, version=2, **plan))
    if lost := sum(result["lost"] for result in ours):
        raise RuntimeError(f"{lost} deliveries did not come")
    room = f"{LATENCY_MEMBERS} members, {LATENCY_RATE:g} messages/s"
    for what in ("deliver", "ack"):
        for part, most in (("p50", 5.0), ("p99", 30.0)):
            detail = f"p99.9 {_median(ours, f'{what}_p99.9_ms'):.1f} ms"
            if what == "deliver":
                bare = _median(theirs, f"deliver_{part}_ms")
                detail += f"; the library's broadcast, {part}: {bare:.2f} ms"
            value = _median(ours, f"{what}_{part}_ms")
            name = f"chat, send to {what}, {part}, {room}"
            yield limit_figure(name, value, most=most, unit="ms", detail=detail)
    high = chat.load("latency", LATENCY_MEMBERS, version=2, **{**plan, "rate": HIGH_RATE})
    for what in ("deliver", "ack"):
        yield Figure(
            f"chat, send to {what}, {LATENCY_MEMBERS} members, {HIGH_RATE:,.0f} messages/s",
            "",
            f"p50 {high[f'{what}_p50_ms']:.1f} ms",
            None,
            f"p99 {high[f'{what}_p99_ms']:.1f}, p99.9 {high[f'{what}_p99.9_ms']:.1f} ms",
        )


def _idle(chat: Target, library: Target) -> Iterator[Figure]:
    """Both hold their sockets at once, until each has been pinged."""
    count = min(IDLE_SOCKETS, _most_sockets())
    processes = [psutil.Process(target.pid) for target in (chat, library)]
    before = [(process.memory_info().rss, process.num_fds()) for process in processes]
    with _holding(chat, count), _holding(library, count):
        cpu_before, began = sum(processes[0].cpu_times()[:2]), time.monotonic()
        time.sleep(PING_ROUND_S)
        busy = (sum(processes[0].cpu_times()[:2]) - cpu_before) / (time.monotonic() - began)
        each, held = [], []
        for process, (resident, files) in zip(processes, before, strict=True):
            held.append(process.num_fds() - files)
            each.append((process.memory_info().rss - resident) / held[-1] / 1024)
    if held[0] < 0.99 * count:
        raise RuntimeError(f"only {held[0]} of {count} sockets stayed open")
    fewer = "" if count == IDLE_SOCKETS else "; more files than that may not be open here"
    yield limit_figure(
        f"idle WebSocket, {count:,} on one process",
        each[0],
        most=20,
        unit="KiB resident",
        detail=f"`websockets` alone {each[1]:.1f} KiB; pings take {busy:.1%} of a core{fewer}",
    )


def _most_sockets() -> int:
    """That a process may have open here; the servers and the load generator raise theirs."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if most == resource.RLIM_INFINITY else most - SPARE_FILES


@contextlib.contextmanager
def _holding(target: Target, count: int) -> Iterator[None]:
    plan = {"port": target.port, "pid": target.pid, "paths": target.sockets(count)}
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.chat_load", "idle"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(plan) + "\n")
        process.stdin.flush()
        if process.stdout.readline() != "open\n":
            raise RuntimeError(f"{count} sockets could not be opened")
        yield
        process.stdin.close()
        lost = json.loads(process.stdout.read())["lost"]
    if lost:
        raise RuntimeError(f"{lost} of {count} idle sockets were closed")


def _return(chat: Target) -> Figure:
    result = chat.load("return", RETURNING, rooms=ROOMS[:1])
    return Figure(
        f"chat, from SIGKILL until {RETURNING:,} clients are back",
        "",
        f"{result['last_s']:.1f} s",
        None,
        f"the first after {result['first_s']:.1f} s; {result['attempts']:,.0f} attempts, "
        "each client's by chance within 0.5 s, then within twice as long, 5 s at most",
    )


def _median(results: Sequence[Result], key: str) -> float:
    return statistics.median(result[key] for result in results)
