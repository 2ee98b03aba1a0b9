"""The history checker: what was promised must hold, whatever is killed.

Clients send with ``client_id``, edit, delete, react, retry, drop their connections, freeze, read
slowly, and go on where they were, on any of the nodes, while chat processes are killed with SIGKILL
and restarted, PostgreSQL too, listeners are cut and Redis restarted. Then:

- what was acknowledged is in the history, as acknowledged (``lost``);
- each ``client_id`` is there once (``duplicated``);
- messages and events of every place are 1, 2, 3 …, and what a client was shown through all its
  connections has no hole (``gaps``), nothing twice and nothing late (``out_of_order``), but where
  it was told that it had to read the history;
- nothing was shown that is not there (``ghosts``);
- what every client holds in the end is the history: contents, tombstones, reactions (``diverged``);
- everybody got an answer (``unanswered``).

As a program, with databases of its own:
``python -m tests.domains.chat.history_checker --seconds 120 --clients 60 --nodes 2 --redis``
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
from tests.builders.chat import ChatProcess, create_person, create_room
from tests.builders.redis import RedisServer
from tests.domains.chat.conftest import make_chat_settings
from tests.domains.chat.history_client import KINDS, CheckedClient, end_all
from tests.domains.chat.history_truth import Truth
from tests.domains.chat.history_views import Report, Shown

from talas.core.embedded_postgres import EmbeddedPostgres
from talas.core.migrations import migrate_up

ROOMS = 3
AWAY_S = 15.0
SETTLE_S = 90.0
"""Enough for two comparisons of a node with the database."""
CUT = """
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE application_name = 'talas events' AND datname = current_database()
"""


class Plan(msgspec.Struct):
    """``kills`` of one or more of the ``nodes``, ``restarts`` of PostgreSQL, ``cuts`` of listening
    connections and, with ``redis``, as many restarts of that, spread over ``seconds``. -1: one of
    each in ten seconds, and a restart in thirty."""

    seconds: float = 8
    clients: int = 24
    nodes: int = 1
    redis: bool = False
    kills: int = -1
    restarts: int = -1
    cuts: int = -1
    pause_s: float = 0.1
    seed: int = 1

    def acts(self) -> list[str]:
        def often(count: int, every_s: float) -> int:
            return max(1, round(self.seconds / every_s)) if count < 0 else count

        cuts = often(self.cuts, 10)
        acts = ["kill"] * often(self.kills, 10) + ["cut"] * cuts
        acts += ["restart PostgreSQL"] * often(self.restarts, 30)
        acts += ["restart Redis"] * cuts if self.redis else []
        random.Random(self.seed).shuffle(acts)
        return acts


class HistoryChecker:
    def __init__(
        self, folder: Path, plan: Plan, database: EmbeddedPostgres, redis: RedisServer | None
    ) -> None:
        self._plan, self._database, self._redis = plan, database, redis
        self._random = random.Random(plan.seed)
        url = redis.url if redis else None
        self._log = folder / "chat.log"
        self._nodes = [
            ChatProcess(make_chat_settings(database.url, folder, redis_url=url), log=self._log)
            for _ in range(plan.nodes)
        ]
        self.report = Report()

    async def run(self) -> Report:
        rooms, clients = await self._prepare()
        await asyncio.gather(*(node.start() for node in self._nodes))
        stop, end = asyncio.Event(), asyncio.Event()
        tasks = [asyncio.create_task(client.run(stop, end)) for client in clients]
        try:
            await self._break_things()
            stop.set()
            await self._settle(clients)
            end.set()
            await asyncio.wait(tasks, timeout=10)
            for task in tasks:
                if task.done():
                    task.result()
            async with self._connection() as conn:
                truth = await Truth.read(conn)
                truth.check(clients, self._shown, self.report)
                await truth.check_paging(self._nodes[0], clients[0], rooms, self.report)
        finally:
            await end_all(tasks)
            await asyncio.gather(*(node.stop() for node in self._nodes))
        return self.report

    async def _prepare(self) -> tuple[list[str], list[CheckedClient]]:
        rooms = [f"checked {number}" for number in range(ROOMS)]
        async with self._connection() as conn:
            settings = self._nodes[0].settings
            people = [
                await create_person(conn, settings, lifetime_s=24 * 3600)
                for _ in range(self._plan.clients)
            ]
            for room in rooms:
                await create_room(conn, room)
        self._shown = Shown(self.report)
        clients = [
            CheckedClient(
                self._nodes,
                person,
                [people[place - 1], people[(place + 1) % len(people)]],
                rooms,
                kind=KINDS[place % len(KINDS)],
                pause_s=self._plan.pause_s,
                away_s=min(AWAY_S, self._plan.seconds / 3),
                seed=self._plan.seed,
                report=self.report,
                shown=self._shown,
            )
            for place, person in enumerate(people)
        ]
        return rooms, clients

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        conn = await asyncpg.connect(self._database.url)
        try:
            yield conn
        finally:
            await conn.close()

    # Chaos

    async def _break_things(self) -> None:
        acts = self._plan.acts()
        started = time.monotonic()
        for place, act in enumerate(acts, 1):
            due = started + place * self._plan.seconds / (len(acts) + 1)
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            match act:
                case "kill":
                    await self._kill()
                case "cut":
                    await self._cut()
                case "restart PostgreSQL":
                    self.report.database_restarts += 1
                    await asyncio.to_thread(self._restart_database)
                case "restart Redis":
                    self.report.redis_restarts += 1
                    await asyncio.to_thread(self._restart_redis)
        await asyncio.sleep(max(0.0, started + self._plan.seconds - time.monotonic()))

    async def _kill(self) -> None:
        """One node, or several at once."""
        several = self._random.randint(1, len(self._nodes))
        killed = self._random.sample(self._nodes, several)
        self.report.kills += several
        await asyncio.gather(*(node.kill() for node in killed))
        await asyncio.sleep(self._random.uniform(0, 0.5))
        await asyncio.gather(*(node.start() for node in killed))

    async def _cut(self) -> None:
        async with self._connection() as conn:
            self.report.cuts += await conn.fetchval(CUT)
        if self._redis is not None:
            self.report.cuts += await asyncio.to_thread(self._redis.cut_subscribers)

    def _restart_database(self) -> None:
        self._database.stop(0.0)
        time.sleep(0.3)
        self._database.start()

    def _restart_redis(self) -> None:
        assert self._redis is not None
        self._redis.stop()
        time.sleep(self._random.uniform(0, 2))
        self._redis.start()

    # The end

    async def _settle(self, clients: list[CheckedClient]) -> None:
        """Until everybody has an answer and has been shown all there is."""
        started = time.monotonic()
        behind: list[CheckedClient] = clients
        async with self._connection() as conn:
            while behind and time.monotonic() < started + SETTLE_S:
                await asyncio.sleep(0.25)
                if not all(client.is_settled for client in clients):
                    continue
                tops = await Truth.tops(conn)
                behind = [
                    client
                    for client in clients
                    if any(view.last < tops.get(place, 0) for place, view in client.views.items())
                ]
        self.report.settled_s = round(time.monotonic() - started, 1)
        self.report.unanswered = sum(not client.is_settled for client in clients)


async def check_on_own_databases(folder: Path, plan: Plan) -> Report:
    """PostgreSQL, and Redis where it is asked for, are started for this run."""
    database = EmbeddedPostgres(folder / "data")
    redis = RedisServer(folder / "redis") if plan.redis else None
    await asyncio.to_thread(database.start)
    try:
        if redis is not None:
            redis.start()
        await migrate_up(database.url)
        return await HistoryChecker(folder, plan, database, redis).run()
    finally:
        if redis is not None:
            redis.stop()
        await asyncio.to_thread(database.stop)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for field in msgspec.structs.fields(Plan):
        name = f"--{field.name.removesuffix('_s').replace('_', '-')}"
        if field.type is bool:
            parser.add_argument(name, dest=field.name, action="store_true")
        else:
            parser.add_argument(name, dest=field.name, type=field.type, default=field.default)
    plan = Plan(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="talas-history-") as folder:
        # PostgreSQL runs as another account where this is root.
        Path(folder).chmod(0o755)
        report = asyncio.run(check_on_own_databases(Path(folder), plan))
    for name, value in msgspec.to_builtins(report).items():
        if name != "remarks":
            print(f"{name.replace('_', ' '):20} {value}")
    print(*report.remarks, sep="\n")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
