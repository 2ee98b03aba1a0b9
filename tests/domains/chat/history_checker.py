"""The history checker: what was promised must hold, whatever is killed.

Clients send with ``client_id``, retry, drop their connections, freeze and read slowly, while the
chat process is killed with SIGKILL and restarted, and PostgreSQL too. Then:

- what was acknowledged is in the history, as acknowledged (``lost``);
- each ``client_id`` is there once (``duplicated``);
- ``seq`` is 1, 2, 3 … in every room and conversation (``gaps``);
- what a client saw through one connection is a piece of the history, in its order and without a
  hole (``out_of_order``, ``ghosts``);
- what every client reads in the end is the history (``diverged``).

As a program, on an embedded PostgreSQL of its own:
``python -m tests.domains.chat.history_checker --seconds 120 --clients 60``
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from tests.builders.chat import ChatProcess, Person, create_person, create_room
from tests.domains.chat.conftest import make_chat_settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from talas.core.embedded_postgres import EmbeddedPostgres
from talas.core.migrations import migrate_up

ROOMS = 3
ACK_S = 4.0
QUIET_S = 45.0
Place = tuple[str, Any]


class Plan(msgspec.Struct):
    """``kills`` of the chat process and ``restarts`` of PostgreSQL, spread over ``seconds``."""

    seconds: float = 8
    clients: int = 24
    kills: int = 3
    restarts: int = 1
    pause_s: float = 0.02
    seed: int = 1


class Report(msgspec.Struct):
    sent: int = 0
    attempts: int = 0
    acknowledged: int = 0
    kept: int = 0
    seen: int = 0
    connections: int = 0
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    lost: int = 0
    duplicated: int = 0
    gaps: int = 0
    out_of_order: int = 0
    ghosts: int = 0
    diverged: int = 0
    unanswered: int = 0

    @property
    def broken(self) -> int:
        return (
            self.lost
            + self.duplicated
            + self.gaps
            + self.out_of_order
            + self.ghosts
            + self.diverged
            + self.unanswered
        )


class Pending(msgspec.Struct):
    client_id: str
    frame: dict[str, Any]
    acked: asyncio.Event


class CheckedClient:
    """Sends one message after the other until ``stop``; each again until it is acknowledged."""

    def __init__(
        self, chat: ChatProcess, person: Person, peer: Person, plan: Plan, report: Report, kind: str
    ) -> None:
        self._chat, self._person, self._peer = chat, person, peer
        self._plan, self._report, self._kind = plan, report, kind
        self._random = random.Random(f"{plan.seed} {person.username}")
        self._pending: Pending | None = None
        self.acks: dict[str, tuple[int, int]] = {}
        self.views: list[list[tuple[Place, int, int, str]]] = []

    async def run(self, stop: asyncio.Event) -> None:
        while not (stop.is_set() and self._pending is None):
            try:
                async with connect(
                    f"{self._chat.url}?token={self._person.token}&v=2",
                    compression=None,
                    proxy=None,
                    ping_interval=None,
                    close_timeout=0.2,
                    open_timeout=3,
                ) as socket:
                    self._report.connections += 1
                    await self._talk(socket, stop)
            except (OSError, WebSocketException, TimeoutError, EOFError):
                await asyncio.sleep(self._random.uniform(0.05, 0.4))

    async def _talk(self, socket: ClientConnection, stop: asyncio.Event) -> None:
        self.views.append([])
        reading = asyncio.create_task(self._read(socket, self.views[-1]))
        try:
            for number in range(ROOMS):
                await socket.send(json.dumps({"type": "join", "room": f"checked {number}"}))
            await asyncio.sleep(0.05)
            while not (stop.is_set() and self._pending is None):
                await self._send_one(socket)
                if self._kind == "drops" and self._random.random() < 0.05:
                    socket.transport.abort()
                    return
                await asyncio.sleep(self._random.uniform(0, 2 * self._plan.pause_s))
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await reading

    async def _send_one(self, socket: ClientConnection) -> None:
        if self._pending is None:
            client_id = str(uuid.uuid4())
            frame: dict[str, Any] = {"client_id": client_id, "content": f"says {client_id}"}
            if self._random.random() < 0.2:
                frame.update(type="dm", to=self._peer.id)
            else:
                frame.update(type="message", room=f"checked {self._random.randrange(ROOMS)}")
            self._pending = Pending(client_id, frame, asyncio.Event())
            self._report.sent += 1
        pending = self._pending
        self._report.attempts += 1
        await socket.send(json.dumps({**pending.frame, "id": pending.client_id}))
        try:
            async with asyncio.timeout(ACK_S):
                await pending.acked.wait()
        except TimeoutError:
            return
        if pending.client_id in self.acks:
            self._pending = None
        else:
            pending.acked.clear()
            await asyncio.sleep(self._random.uniform(0.05, 0.3))

    async def _read(
        self, socket: ClientConnection, view: list[tuple[Place, int, int, str]]
    ) -> None:
        async for text in socket:
            frame = json.loads(text)
            data = frame.get("data", {})
            match frame["type"]:
                case "message":
                    place: Place = ("room", data["room"])
                    view.append((place, data["seq"], data["id"], data["content"]))
                case "dm":
                    pair = tuple(sorted((self._person.id, data.get("to", data["from"]))))
                    if data["from"] != self._person.id:
                        pair = tuple(sorted((self._person.id, data["from"])))
                    view.append((("dm", pair), data["seq"], data["id"], data["content"]))
                case "ack":
                    self._acknowledged(data)
                case "error":
                    self._report.errors[data["code"]] += 1
                    if self._pending and data.get("id") == self._pending.client_id:
                        self._pending.acked.set()
            if self._kind == "freezes" and self._random.random() < 0.002:
                await asyncio.sleep(self._random.uniform(0.5, 2))
            elif self._kind == "reads slowly":
                await asyncio.sleep(0.001)

    def _acknowledged(self, data: dict[str, Any]) -> None:
        ack = (data["message_id"], data["seq"])
        known = self.acks.setdefault(data["client_id"], ack)
        if known != ack:
            self._report.duplicated += 1
        if self._pending and self._pending.client_id == data["client_id"]:
            self._pending.acked.set()


class HistoryChecker:
    """``restart_database`` blocks until PostgreSQL runs again."""

    def __init__(
        self, chat: ChatProcess, plan: Plan, restart_database: Callable[[], None] | None = None
    ) -> None:
        self._chat, self._plan, self._restart_database = chat, plan, restart_database
        self.report = Report()

    async def run(self) -> Report:
        """Starts and stops the chat process itself."""
        url = self._chat.settings.database.url
        conn = await asyncpg.connect(url)
        people = [await create_person(conn, self._chat.settings) for _ in range(self._plan.clients)]
        for number in range(ROOMS):
            await create_room(conn, f"checked {number}")
        await conn.close()
        await self._chat.start()
        stop = asyncio.Event()
        kinds = ("retries", "drops", "freezes", "reads slowly")
        clients = [
            CheckedClient(
                self._chat, person, people[place - 1], self._plan, self.report, kinds[place % 4]
            )
            for place, person in enumerate(people)
        ]
        tasks = [asyncio.create_task(client.run(stop)) for client in clients]
        await self._break_things()
        stop.set()
        _, unanswered = await asyncio.wait(tasks, timeout=QUIET_S)
        for task in unanswered:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.report.unanswered = len(unanswered)
        conn = await asyncpg.connect(url)
        await self._compare(conn, clients)
        await self._converge(conn, people)
        await conn.close()
        await self._chat.stop()
        return self.report

    async def _break_things(self) -> None:
        acts = ["kill"] * self._plan.kills + ["restart"] * self._plan.restarts
        random.Random(self._plan.seed).shuffle(acts)
        for act in acts:
            await asyncio.sleep(self._plan.seconds / (len(acts) + 1))
            if act == "kill":
                await self._chat.kill()
                await self._chat.start()
            elif self._restart_database is not None:
                await asyncio.to_thread(self._restart_database)
        await asyncio.sleep(self._plan.seconds / (len(acts) + 1))

    async def _compare(self, conn: asyncpg.Connection, clients: list[CheckedClient]) -> None:
        report = self.report
        rows = await conn.fetch(
            "SELECT m.id, m.seq, m.room, c.user_low, c.user_high, m.content, m.client_id::text "
            "FROM messages AS m LEFT JOIN conversations AS c ON c.id = m.conversation_id"
        )
        history: dict[Place, dict[int, tuple[int, str]]] = defaultdict(dict)
        by_client_id: Counter[str] = Counter()
        kept: dict[str, tuple[int, int]] = {}
        for row in rows:
            place: Place = ("room", row[2]) if row[2] else ("dm", (row[3], row[4]))
            if row[1] in history[place]:
                report.gaps += 1
            history[place][row[1]] = (row[0], row[5])
            by_client_id[row[6]] += 1
            kept[row[6]] = (row[0], row[1])
        report.kept = len(rows)
        report.duplicated += sum(count - 1 for count in by_client_id.values())
        report.gaps += sum(max(seqs) - len(seqs) for seqs in history.values())
        tops = await conn.fetch("SELECT name, seq FROM rooms WHERE name LIKE 'checked %'")
        report.gaps += sum(len(history["room", name]) != seq for name, seq in tops)
        for client in clients:
            report.acknowledged += len(client.acks)
            report.lost += sum(kept.get(key) != ack for key, ack in client.acks.items())
            for view in client.views:
                self._compare_view(view, history)

    def _compare_view(
        self,
        view: list[tuple[Place, int, int, str]],
        history: dict[Place, dict[int, tuple[int, str]]],
    ) -> None:
        newest: dict[Place, int] = {}
        for place, seq, message_id, content in view:
            self.report.seen += 1
            if history[place].get(seq) != (message_id, content):
                self.report.ghosts += 1
            if newest.get(place, seq - 1) != seq - 1:
                self.report.out_of_order += 1
            newest[place] = seq

    async def _converge(self, conn: asyncpg.Connection, people: list[Person]) -> None:
        """Everybody pages back to the first message and must have read what is there."""
        for number in range(ROOMS):
            room = f"checked {number}"
            rows = await conn.fetch("SELECT id FROM messages WHERE room = $1 ORDER BY seq", room)
            person = people[number % len(people)]
            url = f"{self._chat.url}?token={person.token}"
            async with connect(url, proxy=None, max_size=None) as socket:
                read: list[int] = []
                while True:
                    request: dict[str, Any] = {"type": "room_history", "room": room, "limit": 200}
                    if read:
                        request["before"] = read[0]
                    await socket.send(json.dumps(request))
                    messages = json.loads(await socket.recv())["data"]["messages"]
                    if not messages:
                        break
                    read = [message["id"] for message in messages] + read
            self.report.diverged += read != [row[0] for row in rows]


async def check_on_own_database(folder: Path, plan: Plan) -> Report:
    database = EmbeddedPostgres(folder)
    await asyncio.to_thread(database.start)
    try:
        await migrate_up(database.url)

        def restart() -> None:
            database.stop(0.0)
            time.sleep(0.3)
            database.start()

        chat = ChatProcess(make_chat_settings(database.url, folder))
        return await HistoryChecker(chat, plan, restart).run()
    finally:
        await asyncio.to_thread(database.stop)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for field in msgspec.structs.fields(Plan):
        name = f"--{field.name.removesuffix('_s').replace('_', '-')}"
        parser.add_argument(name, dest=field.name, type=field.type, default=field.default)
    plan = Plan(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(check_on_own_database(Path(folder) / "data", plan))
    for name, value in msgspec.to_builtins(report).items():
        print(f"{name:13} {value}")
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
