"""Several chat processes on one database: each client is shown the same, wherever it is."""

import asyncio
import signal
import uuid
from typing import Any

import asyncpg
import pytest
from tests.builders.chat import (
    ANSWER_S,
    ChatProcess,
    Client,
    Person,
    connected,
    create_room,
    unique_name,
)
from tests.builders.messages import open_room
from tests.domains.chat.conftest import MakePerson, make_chat_settings, serving_here
from tests.domains.chat.several_nodes import Nodes, everywhere, nodes, redis, redis_url
from tests.servers import ApiProcess

from talas.core.settings import Settings
from talas.domains.chat.presence import service as presence

__all__ = ["nodes", "redis", "redis_url"]


async def test_a_message_comes_to_all_of_them_with_the_same_number(
    nodes: Nodes, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = unique_name("room")
    await create_room(db, room)
    people = [await make_person() for _ in range(3)]
    async with everywhere(nodes, people, room) as clients:
        await clients[0].send(type="message", room=room, content="Hello")
        shown = [await client.receive_kind("message") for client in clients]
        assert shown[0] == shown[1] == shown[2]
        assert shown[0]["content"] == "Hello"
        await clients[2].send(type="message", room=room, content="Hello to you")
        shown = [await client.receive_kind("message") for client in clients]
        assert [one["content"] for one in shown] == ["Hello to you"] * 3


async def test_a_direct_message_comes_to_every_socket_of_both(
    nodes: Nodes, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    async with everywhere(nodes, [ann, bob, ann, bob, ann]) as clients:
        await clients[0].send(type="dm", to=bob.id, content="Hello")
        shown = [await client.receive_kind("dm") for client in clients]
        assert {one["content"] for one in shown} == {"Hello"}
        assert [one.get("to") for one in shown] == [bob.id, None, bob.id, None, bob.id]


async def test_what_happens_to_a_message_is_shown_everywhere(
    nodes: Nodes, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = unique_name("room")
    await create_room(db, room)
    ann, bob = await make_person(), await make_person()
    async with everywhere(nodes, [ann, bob, ann, bob, bob], room) as (first, second, *watching):
        await first.send(type="message", room=room, content="First")
        message_id = (await first.receive_kind("message"))["id"]
        for client, change in (
            (first, {"type": "edit", "content": "Second"}),
            (second, {"type": "react", "emoji": "👍"}),
            (second, {"type": "unreact", "emoji": "👍"}),
            (first, {"type": "delete"}),
        ):
            await client.send(message_id=message_id, id=1, **change)
            await client.receive_until("ack", id=1)
        for client in watching:
            frames = await client.receive_until("delete", message_id=message_id)
            changes = [frame for frame in frames if "message_id" in frame["data"]]
            kinds = [frame["type"] for frame in changes]
            assert kinds == ["edit", "react", "unreact", "delete"]
            seqs = [frame["data"]["seq"] for frame in changes]
            assert seqs == list(range(seqs[0], seqs[0] + 4))


async def test_who_types_and_what_was_read_is_shown_everywhere(
    nodes: Nodes, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = unique_name("room")
    await create_room(db, room)
    ann, bob = await make_person(), await make_person()
    async with everywhere(nodes, [ann, bob, ann], room) as (first, other, second):
        await first.send(type="typing", room=room)
        assert (await other.receive_kind("typing"))["username"] == ann.username
        await first.send(type="message", room=room, content="Hello")
        seq = (await first.receive_kind("message"))["seq"]
        await first.send(type="read", room=room, seq=seq)
        assert (await second.receive_kind("read"))["seq"] == seq
        await first.send(type="dm", to=bob.id, content="Hello")
        seq = (await other.receive_kind("dm"))["seq"]
        await other.send(type="typing", to=ann.id)
        assert (await second.receive_kind("typing"))["from"] == bob.id
        await other.send(type="read", seq=seq, **{"with": ann.id})
        read = await second.receive_kind("read")
        assert (read["with"], read["user_id"], read["seq"]) == (bob.id, bob.id, seq)


async def test_who_is_removed_by_http_is_sent_away_on_another_node(
    nodes: Nodes, api: ApiProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, members=[bob])
    async with everywhere(nodes, [ann, bob], room) as (owner, other):
        path = f"/chat/rooms/{room}/members/{bob.id}"
        answer = await asyncio.to_thread(api.client.delete, path, token=ann.token)
        assert answer.status_code == 200
        member = await owner.receive_kind("member")
        assert (member["action"], member["user_id"]) == ("removed", bob.id)
        await other.receive_kind("left")
        await owner.send(type="message", room=room, content="Among ourselves")
        await owner.receive_kind("message")
        assert await other.is_silent()


async def test_presence_is_that_of_all_nodes(
    nodes: Nodes, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = unique_name("room")
    await create_room(db, room)
    ann, bob = await make_person(), await make_person()
    async with everywhere(nodes, [ann]) as (watcher,):
        watching = await Watching.begin(watcher, room)
        await watching.until({ann.id})
        async with connected(nodes[1], bob, version=2, max_queue=None) as other:
            theirs = await Watching.begin(other, room)
            await theirs.until({ann.id, bob.id})
            await watching.until({ann.id, bob.id})
            async with connected(nodes[2], bob, version=2, max_queue=None) as third:
                await (await Watching.begin(third, room)).until({ann.id, bob.id})
            await other.send(type="leave", room=room)
            await watching.until({ann.id})
            await other.send(type="join", room=room)
            await watching.until({ann.id, bob.id})
        await watching.until({ann.id})


async def test_who_moves_to_another_node_stays_present(
    nodes: Nodes, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = unique_name("room")
    await create_room(db, room)
    people = [await make_person() for _ in range(10)]
    ann = await make_person()
    everybody = {ann.id, *(person.id for person in people)}
    async with everywhere(nodes[:1], [ann]) as (watcher,):
        watching = await Watching.begin(watcher, room)
        for place in (1, 2, 1, 2, 0):
            async with everywhere([nodes[place]], people, room):
                await asyncio.sleep(0.3)
        async with everywhere(nodes[1:], people, room):
            await watching.settles(everybody)
        await watching.settles({ann.id})


class Watching:
    """Whom a client takes for present, after all that it was told."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._here: set[int] = set()

    @classmethod
    async def begin(cls, client: Client, room: str) -> "Watching":
        await client.send(type="join", room=room)
        return cls(client)

    async def until(self, people: set[int], within_s: float = ANSWER_S) -> None:
        async with asyncio.timeout(within_s):
            while self._here != people:
                await self._hear(within_s)

    async def settles(self, people: set[int], quiet_s: float = 1) -> None:
        """What is still on its way of earlier moves may say otherwise for a moment."""
        async with asyncio.timeout(2 * ANSWER_S):
            while True:
                await self.until(people)
                try:
                    await self._hear(quiet_s)
                except TimeoutError:
                    return

    async def _hear(self, timeout: float) -> None:
        data = await self._client.receive_kind("presence", timeout)
        if data.get("whole"):
            self._here = set()
        self._here = (self._here | set(data["online"])) - set(data.get("offline", ()))


async def test_a_node_that_is_killed_ceases_to_count(
    settings: Settings,
    redis_url: str | None,
    make_person: MakePerson,
    db: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(presence, "HEARTBEAT_S", 0.3)
    # The one that is killed says every 5 s that it lives.
    monkeypatch.setattr(presence, "UNSEEN_S", 6)
    room = unique_name("room")
    await create_room(db, room)
    ann, bob = await make_person(), await make_person()
    url = settings.database.url or ""
    killed = ChatProcess(make_chat_settings(url, settings.data_dir, redis_url=redis_url))
    await killed.start()
    async with serving_here(settings, redis_url=redis_url) as survivor:
        async with (
            connected(survivor, ann, version=2, max_queue=None) as watcher,
            connected(killed, bob, version=2, max_queue=None) as other,
        ):
            watching = await Watching.begin(watcher, room)
            await other.join(room)
            await watching.until({ann.id, bob.id})
            await killed.kill()
            await watching.until({ann.id})
        async with connected(survivor, ann, version=2, max_queue=None) as again:
            await again.join(room)
            assert (await again.receive_kind("presence"))["online"] == [ann.id]


async def test_processes_share_a_port(
    settings: Settings, redis_url: str | None, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = unique_name("room")
    await create_room(db, room)
    url = settings.database.url or ""
    shared = make_chat_settings(url, settings.data_dir, redis_url=redis_url)
    both = [ChatProcess(shared), ChatProcess(shared)]
    people = [await make_person() for _ in range(40)]
    others = [row[0] for row in await db.fetch("SELECT id FROM chat_nodes")]
    new = "SELECT count(*) FROM chat_nodes WHERE id <> ALL ($1::uuid[])"
    await both[0].start()
    await both[1].start()
    try:
        async with asyncio.timeout(ANSWER_S):
            # Either answers for both.
            while await db.fetchval(new, others) < 2:
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        async with everywhere(both, people, room) as clients:
            async with asyncio.timeout(ANSWER_S):
                while await count_nodes(db, people) < 2:
                    await asyncio.sleep(0.1)
            await clients[0].send(type="message", room=room, content="Hello")
            shown = [await client.receive_kind("message") for client in clients]
            assert {one["content"] for one in shown} == {"Hello"}
            # A node that drains sends its clients to the other one.
            both[1].signal(signal.SIGTERM)
            await both[1].wait()
            gone = await asyncio.gather(*(is_closed(client) for client in clients))
            assert 0 < sum(gone) < len(clients)
    finally:
        await both[0].stop()
        await both[1].stop()


async def count_nodes(db: asyncpg.Connection, people: list[Person]) -> int:
    ids = [person.id for person in people]
    query = "SELECT count(DISTINCT node_id) FROM chat_presence WHERE user_id = ANY($1::int[])"
    return int(await db.fetchval(query, ids))


async def is_closed(client: Client) -> bool:
    try:
        return await client.close_code(5) == 4001
    except TimeoutError:
        return False


async def test_all_see_one_order_when_all_write_at_once(
    nodes: Nodes, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    """Into the same room, and two people into the same conversation from two nodes."""
    room, messages, directs = unique_name("room"), 300, 300
    await create_room(db, room)
    writers = [await make_person() for _ in range(6)]
    ann, bob = await make_person(), await make_person()
    top = len(writers) + messages * len(writers)
    async with (
        everywhere(nodes, writers, room) as clients,
        everywhere(nodes, [ann, bob, bob]) as talking,
    ):
        sending = [send_many(client, messages, room=room) for client in clients]
        sending += [
            send_many(talking[0], directs, to=bob.id),
            send_many(talking[1], directs, to=ann.id),
        ]
        reading = [read_to(client, "message", top) for client in clients]
        reading += [read_to(client, "dm", 2 * directs) for client in talking]
        answers = await asyncio.gather(*sending, *reading)
    seen = answers[len(sending) :]
    for seqs in seen[: len(clients)]:
        # The first events are memberships.
        assert seqs == list(range(seqs[0], top + 1))
        assert len(seqs) >= messages * len(writers)
    for seqs in seen[len(clients) :]:
        assert seqs == list(range(1, 2 * directs + 1))


async def send_many(client: Client, count: int, **where: Any) -> list[int]:
    kind = "message" if "room" in where else "dm"
    for number in range(count):
        client_id = str(uuid.uuid4())
        await client.send(type=kind, content=f"number {number}", client_id=client_id, **where)
        if number % 20 == 19:
            await asyncio.sleep(0.01)
    return []


async def read_to(client: Client, kind: str, top: int) -> list[int]:
    """Of all frames with a ``seq`` but acknowledgements."""
    frames = await client.receive_until(kind, timeout=120, seq=top)
    return [f["data"]["seq"] for f in frames if f["type"] in (kind, "member")]
