"""A client of the history checker: it writes, changes what was written, loses its connection and
goes on where it was."""

import asyncio
import contextlib
import json
import random
import uuid
from typing import Any

import msgspec
from tests.builders.chat import ChatProcess, Person
from tests.domains.chat.history_views import Frame, Place, Report, Shown, View
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

ACK_S = 4.0
KINDS = ("retries", "drops", "freezes", "reads slowly", "stays away")
EMOJI = ("👍", "🎉", "🔥")
_PAGE = 200


class Pending(msgspec.Struct):
    """A request that waits for its acknowledgement."""

    frame: Frame
    answered: asyncio.Event
    done: bool = False

    @property
    def id(self) -> str:
        name: str = self.frame["id"]
        return name


class Interrupted(Exception):
    """The server could not answer; the client connects again."""


class CheckedClient:
    """Sends one message after the other until ``stop``, each again until it is acknowledged, and
    listens until ``end``."""

    def __init__(
        self,
        nodes: list[ChatProcess],
        person: Person,
        peers: list[Person],
        rooms: list[str],
        *,
        kind: str,
        pause_s: float,
        away_s: float,
        seed: int,
        report: Report,
        shown: Shown,
    ) -> None:
        self.person = person
        self._nodes, self._peers, self._rooms = nodes, peers, rooms
        self._kind, self._pause_s, self._away_s = kind, pause_s, away_s
        self._report = report
        self._random = random.Random(f"{seed} {person.username}")
        self._pending: Pending | None = None
        self._mine: list[int] = []
        self.acks: dict[str, tuple[int, int]] = {}
        self.changes: list[tuple[str, int, int]] = []
        """Kind, message and ``seq`` of what was acknowledged to have changed."""
        places: list[Place] = [("room", room) for room in rooms]
        places += [("dm", self._pair(peer.id)) for peer in peers]
        self.views = {
            place: View(place, f"{person.username} ({kind})", report, shown) for place in places
        }

    @property
    def is_settled(self) -> bool:
        return self._pending is None

    def _pair(self, other: int) -> tuple[int, int]:
        return min(self.person.id, other), max(self.person.id, other)

    async def run(self, stop: asyncio.Event, end: asyncio.Event) -> None:
        while not end.is_set():
            url = self._random.choice(self._nodes).url
            try:
                async with connect(
                    f"{url}?token={self.person.token}&v=2",
                    compression=None,
                    proxy=None,
                    ping_interval=None,
                    close_timeout=0.2,
                    open_timeout=3,
                    max_size=None,
                ) as socket:
                    self._report.connections += 1
                    await self._talk(socket, stop, end)
            except (OSError, WebSocketException, TimeoutError, EOFError, Interrupted):
                pass
            away_s = self._random.uniform(0.05, 0.4)
            if self._kind == "stays away" and not stop.is_set():
                away_s = self._random.uniform(1, self._away_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), away_s)

    async def _talk(
        self, socket: ClientConnection, stop: asyncio.Event, end: asyncio.Event
    ) -> None:
        for place, view in self.views.items():
            view.connected(waiting=place[0] == "dm")
        reading = asyncio.create_task(self._read(socket))
        writing = asyncio.create_task(self._write(socket, stop))
        ending = asyncio.create_task(end.wait())
        try:
            await self._resume(socket)
            await asyncio.wait({reading, writing, ending}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done() and not writing.exception() and writing.result():
                await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, writing, ending):
                task.cancel()
            ended = await asyncio.gather(reading, writing, ending, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _resume(self, socket: ClientConnection) -> None:
        for (kind, name), view in self.views.items():
            since = view.last
            if kind == "room":
                await self._send(socket, type="join", room=name, since=since, id=f"join {name}")
            else:
                await self._ask_directs(socket, name, since=since)

    async def _ask_directs(
        self, socket: ClientConnection, pair: tuple[int, int], **more: int
    ) -> None:
        other = pair[0] if pair[1] == self.person.id else pair[1]
        await self._send(socket, type="dm_history", id=f"dm {other}", **{"with": other}, **more)

    async def _send(self, socket: ClientConnection, **frame: Any) -> None:
        await socket.send(json.dumps(frame))

    # Writing

    async def _write(self, socket: ClientConnection, stop: asyncio.Event) -> bool:
        """True once there is nothing more to say; False to be disconnected."""
        await asyncio.sleep(0.1)
        while not (stop.is_set() and self._pending is None):
            if self._pending is None and self._random.random() < 0.3:
                await self._change_something(socket)
            else:
                await self._say_something(socket)
            if self._kind in ("drops", "stays away") and self._random.random() < 0.03:
                socket.transport.abort()
                return False
            await asyncio.sleep(self._random.uniform(0, 2 * self._pause_s))
        return True

    async def _say_something(self, socket: ClientConnection) -> None:
        if self._pending is None:
            client_id = str(uuid.uuid4())
            frame: Frame = {"id": client_id, "client_id": client_id}
            frame["content"] = f"says {client_id}"
            if self._random.random() < 0.25:
                frame.update(type="dm", to=self._random.choice(self._peers).id)
            else:
                frame.update(type="message", room=self._random.choice(self._rooms))
            self._pending = Pending(frame, asyncio.Event())
            self._report.sent += 1
        pending = self._pending
        if await self._ask(socket, pending):
            if self._random.random() < 0.03:
                # As if the answer had been lost.
                await self._ask(socket, Pending(pending.frame, asyncio.Event()))
            self._pending = None
        else:
            await asyncio.sleep(self._random.uniform(0.05, 0.3))

    async def _ask(self, socket: ClientConnection, pending: Pending) -> bool:
        self._report.attempts += 1
        self._pending, before = pending, self._pending
        pending.answered.clear()
        try:
            await self._send(socket, **pending.frame)
            async with asyncio.timeout(ACK_S):
                await pending.answered.wait()
        except TimeoutError:
            return False
        finally:
            self._pending = before
        return pending.done

    async def _change_something(self, socket: ClientConnection) -> None:
        """Not tried again: whether it happened, the events tell."""
        draw = self._random
        frame: Frame = {"id": str(uuid.uuid4())}
        if draw.random() < 0.5 and self._mine:
            frame["message_id"] = draw.choice(self._mine[-20:])
            if draw.random() < 0.7:
                frame.update(type="edit", content=f"changed {frame['id']}")
            else:
                frame["type"] = "delete"
        else:
            view = draw.choice(list(self.views.values()))
            if not view.messages:
                return
            frame["message_id"] = draw.choice(list(view.messages)[-30:])
            frame["type"] = draw.choice(("react", "react", "unreact"))
            frame["emoji"] = draw.choice(EMOJI)
        self._report.changes += 1
        await self._ask(socket, Pending(frame, asyncio.Event()))
        self._pending = None

    # Reading

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            await self._received(socket, json.loads(text))
            if self._kind == "freezes" and self._random.random() < 0.001:
                await asyncio.sleep(self._random.uniform(0.5, 2))
            elif self._kind == "reads slowly":
                await asyncio.sleep(0.001)

    async def _received(self, socket: ClientConnection, frame: Frame) -> None:
        data = frame.get("data", {})
        match frame["type"]:
            case "joined":
                await self._joined(socket, data)
            case "room_history":
                self.views["room", data["room"]].load(data)
            case "dm_history":
                await self._directs_read(socket, data)
            case "ack":
                self._acknowledged(data)
            case "error":
                self._refused(data)
            case _ if "seq" in data and frame["type"] != "read":
                view = self.views.get(self._place_of(data))
                if view is not None:
                    view.take(frame)

    def _place_of(self, data: dict[str, Any]) -> Place:
        if "room" in data:
            return "room", data["room"]
        other = data["from"] if data["from"] != self.person.id else data["to"]
        return "dm", self._pair(other)

    async def _joined(self, socket: ClientConnection, data: dict[str, Any]) -> None:
        if data["recovered"]:
            self._report.resumed += 1
            return
        self._report.not_recovered += 1
        self.views["room", data["room"]].wait()
        await self._send(
            socket,
            type="room_history",
            room=data["room"],
            limit=_PAGE,
            id=f"history {data['room']}",
        )

    async def _directs_read(self, socket: ClientConnection, data: dict[str, Any]) -> None:
        place = "dm", self._pair(data["with"])
        view = self.views[place]
        if "recovered" not in data:
            view.load(data)
        elif data["recovered"]:
            self._report.resumed += 1
            messages = [{"type": "dm", "data": message} for message in data["messages"]]
            view.replay([*messages, *data.get("events", ())], data["seq"])
        else:
            self._report.not_recovered += 1
            await self._ask_directs(socket, place[1], limit=_PAGE)

    def _acknowledged(self, data: dict[str, Any]) -> None:
        pending = self._pending
        if data["client_id"] is None:
            if pending is not None and pending.id == data["id"] and not data["duplicate"]:
                change = pending.frame["type"], data["message_id"], data["seq"]
                self.changes.append(change)
        else:
            ack = (data["message_id"], data["seq"])
            if self.acks.setdefault(data["client_id"], ack) != ack:
                self._report.duplicated += 1
                self._report.remark(f"{data['client_id']} was acknowledged as two: {data}")
            self._mine.append(data["message_id"])
        if pending is not None and pending.id == data["id"]:
            pending.done = True
            pending.answered.set()

    def _refused(self, data: dict[str, Any]) -> None:
        self._report.errors[data["code"]] += 1
        if str(data.get("id")).startswith(("join ", "dm ", "history ")):
            raise Interrupted(data["message"])
        if self._pending is not None and self._pending.id == data.get("id"):
            self._pending.answered.set()


async def end_all(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks, return_exceptions=True)
