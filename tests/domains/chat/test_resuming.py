"""Going on after a break: everything that was missed, nothing twice, and nothing from outside."""

import asyncio
import contextlib
import itertools
import random
from typing import Any

import asyncpg
import pytest
from tests.builders.chat import (
    ChatProcess,
    Client,
    Person,
    connected,
    create_room,
    create_token,
    keep_direct_unannounced,
    keep_unannounced,
    unique_name,
)
from tests.builders.messages import act, block, open_room, say
from tests.domains.chat.conftest import MakePerson, serving_here
from tests.servers import ApiProcess
from websockets.exceptions import ConnectionClosed

from talas.core.settings import Settings
from talas.domains.chat import inbox

MAX_MISSED = 300
_ids = itertools.count(1)


async def resume(client: Client, room: str, since: int) -> dict[str, Any]:
    """The data of ``joined``, and under ``frames`` what came with it."""
    number = next(_ids)
    await client.send(type="join", room=room, since=since, id=number)
    [*before, joined] = await client.receive_until("joined", id=number)
    assert "message" not in [frame["type"] for frame in before]
    await client.send(type="ping", id=number)
    frames = await client.receive_until("pong")
    data: dict[str, Any] = joined["data"]
    hints = ("presence", "pong")
    return {**data, "frames": [frame for frame in frames if frame["type"] not in hints]}


def numbers(frames: list[dict[str, Any]]) -> list[int]:
    return [frame["data"]["seq"] for frame in frames]


def contents(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["data"].get("content", frame["type"]) for frame in frames]


@pytest.fixture
async def room(db: asyncpg.Connection) -> str:
    name = unique_name("room")
    await create_room(db, name)
    return name


async def fill(db: asyncpg.Connection, room: str, author: Person, count: int) -> int:
    """The room's ``seq`` after so many messages by somebody who is a member."""
    return int(
        await db.fetchval(
            """
            WITH place AS (SELECT id, seq FROM rooms WHERE name = $1), said AS (
                INSERT INTO messages (from_user, room, room_id, content, seq)
                SELECT $2, $1, place.id, 'said ' || n, place.seq + n
                FROM place, generate_series(1, $3::int) AS n
            )
            UPDATE rooms SET seq = seq + $3 WHERE name = $1 RETURNING seq
            """,
            room,
            author.id,
            count,
        )
    )


async def join_quietly(db: asyncpg.Connection, room: str, person: Person) -> None:
    await db.execute(
        "INSERT INTO room_members (room_id, user_id, joined_seq) "
        "SELECT id, $2, seq FROM rooms WHERE name = $1",
        room,
        person.id,
    )


@pytest.fixture
async def ann(db: asyncpg.Connection, room: str, make_person: MakePerson) -> Person:
    """A member of the room."""
    person = await make_person()
    await join_quietly(db, room, person)
    return person


@pytest.mark.parametrize(
    ("kept", "since", "recovered", "first"),
    [
        (0, 0, True, None),
        (5, 0, True, 1),
        (5, 5, True, None),
        (5, 4, True, 5),
        (5, -1, True, 1),
        (5, -(2**70), True, 1),
        (5, 6, False, None),
        (5, 2**62, False, None),
        (5, 2**63, False, None),
        (5, 2**70, False, None),
        (MAX_MISSED, 0, True, 1),
        (MAX_MISSED + 1, 1, True, 2),
        (MAX_MISSED + 1, 0, False, None),
        (1000, 0, False, None),
    ],
)
async def test_what_came_after_is_shown_whole_or_not_at_all(
    chat: ChatProcess,
    db: asyncpg.Connection,
    room: str,
    ann: Person,
    kept: int,
    since: int,
    recovered: bool,
    first: int | None,
) -> None:
    top = await fill(db, room, ann, kept) if kept else 0
    async with connected(chat, ann, version=2, max_queue=None) as client:
        joined = await resume(client, room, since)
        assert (joined["recovered"], joined["seq"]) == (recovered, top)
        expected = list(range(first, top + 1)) if first else []
        assert numbers(joined["frames"]) == expected
        await client.send(type="message", room=room, content="Now")
        assert (await client.receive_kind("message"))["seq"] == top + 1


@pytest.mark.parametrize("since", ["5", 1.5, True, [], {}])
async def test_since_is_a_whole_number(
    chat: ChatProcess, room: str, ann: Person, since: object
) -> None:
    async with connected(chat, ann, version=2) as client:
        answer = await client.ask(type="join", room=room, since=since)
        assert (answer["type"], answer["data"]["code"]) == ("error", "bad_request")
        assert "since" in answer["data"]["message"]


async def test_a_first_protocol_socket_resumes_too_and_hears_only_messages(
    chat: ChatProcess, api: ApiProcess, db: asyncpg.Connection, make_person: MakePerson
) -> None:
    ann = await make_person()
    room = await asyncio.to_thread(open_room, api, ann)
    message = await asyncio.to_thread(say, api, ann, room, "one")
    await asyncio.to_thread(act, api, ann, "PUT", message["id"], "/reactions/👍")
    await asyncio.to_thread(say, api, ann, room, "two")
    async with connected(chat, ann) as client:
        joined = await resume(client, room, 0)
        assert joined["recovered"] is True
        assert contents(joined["frames"]) == ["one", "two"]
        top = await db.fetchval("SELECT seq FROM rooms WHERE name = $1", room)
        assert joined["seq"] == top


async def test_changes_are_told_with_the_message_as_it_is_now(
    chat: ChatProcess, api: ApiProcess, make_person: MakePerson
) -> None:
    ann = await make_person()
    room = await asyncio.to_thread(open_room, api, ann)
    said = [await asyncio.to_thread(say, api, ann, room, text) for text in ("a", "b", "c")]
    since = said[0]["seq"]
    for method, message, what, more in (
        ("PUT", said[0], "", {"json": {"content": "A"}}),
        ("PUT", said[1], "", {"json": {"content": "B"}}),
        ("PUT", said[1], "/reactions/👍", {}),
        ("DELETE", said[1], "/reactions/👍", {}),
        ("PUT", said[1], "/pin", {}),
        ("DELETE", said[2], "", {}),
    ):
        answer = await asyncio.to_thread(act, api, ann, method, message["id"], what, **more)
        assert answer.status_code == 200, answer.text
    async with connected(chat, ann, version=2) as client:
        frames = (await resume(client, room, since))["frames"]
    assert [frame["type"] for frame in frames] == [
        "message",
        "message",
        "edit",
        "edit",
        "react",
        "unreact",
        "pin",
        "delete",
    ]
    assert numbers(frames) == list(range(since + 1, since + 9))
    b, c, *changes = (frame["data"] for frame in frames)
    assert (b["content"], "edited_at" in b) == ("B", True)
    assert (c["content"], c["deleted"]) == ("", True)
    assert [change["message_id"] for change in changes] == [
        *(said[place]["id"] for place in (0, 1, 1, 1, 1, 2))
    ]
    assert (changes[0]["content"], changes[1]["content"]) == ("A", "B")
    assert changes[2]["emoji"] == "👍"
    assert "content" not in changes[5]


async def test_resuming_a_room_that_one_is_in_starts_over_from_there(
    chat: ChatProcess, db: asyncpg.Connection, room: str, ann: Person
) -> None:
    await fill(db, room, ann, 3)
    async with connected(chat, ann, version=2) as client:
        await client.join(room)
        joined = await resume(client, room, 1)
        assert numbers(joined["frames"]) == [2, 3]
        joined = await resume(client, room, 3)
        assert joined["frames"] == []
        await client.send(type="message", room=room, content="Once")
        frames = await client.receive_until("ack")
        await client.send(type="ping")
        frames += await client.receive_until("pong")
        assert contents([f for f in frames if f["type"] == "message"]) == ["Once"]


async def test_hundreds_resume_while_others_write_and_each_gets_all_once(
    chat: ChatProcess, db: asyncpg.Connection, make_person: MakePerson, room: str
) -> None:
    """Each from somewhere else, and goes on live; changes come in between."""
    writers = [await make_person() for _ in range(4)]
    reader = await make_person()
    for person in [*writers, reader]:
        await join_quietly(db, room, person)
    top = await fill(db, room, writers[0], 250)
    writing = asyncio.Event()
    writing.set()
    tasks = [asyncio.create_task(keep_writing(chat, one, room, writing)) for one in writers]
    draw = random.Random(7)
    resumed = failed = 0
    try:
        async with connected(chat, reader, version=2, max_queue=None) as client:
            await client.send(type="join", room=room, since=top)
            last = await follow(client, top, until="joined")
            for round_ in range(300):
                since = last - draw.randrange(0, 150)
                await client.send(type="join", room=room, since=since, id=round_)
                last = await follow(client, last, until="joined", since=since, number=round_)
                resumed += last >= 0
                if last < 0:
                    failed += 1
                    last = await db.fetchval("SELECT seq FROM rooms WHERE name = $1", room)
    finally:
        writing.clear()
        sent = sum(await asyncio.gather(*tasks))
    assert sent > 500
    assert (resumed, failed) == (300, 0)


async def follow(
    client: Client, last: int, *, until: str, since: int | None = None, number: int | None = None
) -> int:
    """Reads up to the answer, then what was missed and a little more; the last ``seq``. Everything
    must follow on what came before. -1 for what was not recovered."""
    async with asyncio.timeout(20):
        while True:
            frame = await client.receive(20)
            data = frame.get("data", {})
            if frame["type"] == until and data.get("id") == number:
                break
            if "seq" in data and frame["type"] not in ("joined", "ack"):
                assert data["seq"] == last + 1, (frame, last)
                last = data["seq"]
        if not data["recovered"]:
            return -1
        last, top = (last if since is None else since), data["seq"] + 5
        while last < top:
            frame = await client.receive(20)
            data = frame.get("data", {})
            if "seq" in data and frame["type"] != "ack":
                assert data["seq"] == last + 1, (frame, last)
                last = data["seq"]
    return last


async def keep_writing(chat: ChatProcess, person: Person, room: str, on: asyncio.Event) -> int:
    """As fast as what was sent is acknowledged, five at a time; now and then a change."""
    count = 0
    async with connected(chat, person, version=2, max_queue=None) as client:
        await client.join(room)
        newest = 0
        while on.is_set():
            for _ in range(5):
                count += 1
                await client.send(type="message", room=room, content=f"number {count}")
            for _ in range(5):
                newest = (await client.receive_kind("ack", 20))["message_id"]
            if count % 15 == 0:
                await client.send(type="edit", message_id=newest, content=f"edited {count}")
                await client.send(type="react", message_id=newest, emoji="👍")
                for _ in range(2):
                    await client.receive_kind("ack", 20)
    return count


async def test_who_is_removed_while_resuming_gets_nothing_after_that(
    chat: ChatProcess, api: ApiProcess, db: asyncpg.Connection, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, private=True)
    draw = random.Random(3)
    writing = asyncio.Event()
    writing.set()
    task = asyncio.create_task(keep_writing(chat, ann, room, writing))
    after: list[dict[str, Any]] = []
    try:
        for _ in range(25):
            path = f"/chat/rooms/{room}/members"
            answer = await asyncio.to_thread(
                api.client.post, path, token=ann.token, json={"user_id": bob.id}
            )
            assert answer.status_code == 201, answer.text
            since = await db.fetchval("SELECT seq FROM rooms WHERE name = $1", room)
            async with connected(chat, bob, version=2, max_queue=None) as client:
                removing = asyncio.create_task(
                    asyncio.to_thread(api.client.delete, f"{path}/{bob.id}", token=ann.token)
                )
                frames = []
                for _ in range(draw.randrange(1, 4)):
                    await client.send(type="join", room=room, since=since - draw.randrange(5))
                    await asyncio.sleep(draw.uniform(0, 0.01))
                assert (await removing).status_code == 200
                await asyncio.sleep(0.1)
                await client.send(type="ping")
                frames = await client.receive_until("pong")
            removed = await db.fetchval(
                "SELECT max(e.seq) FROM chat_events AS e JOIN rooms AS r ON r.id = e.room_id "
                "WHERE r.name = $1 AND e.kind = 'member' AND e.data->>'action' = 'removed'",
                room,
            )
            told = [f for f in frames if f["type"] not in ("joined", "ack", "left")]
            after += [f for f in told if f.get("data", {}).get("seq", 0) > removed]
    finally:
        writing.clear()
        assert await task > 100
    assert after == []


async def test_who_joins_where_the_past_is_hidden_learns_nothing_of_it(
    chat: ChatProcess, api: ApiProcess, db: asyncpg.Connection, make_person: MakePerson
) -> None:
    """Neither by resuming from before, nor from what happens to older messages."""
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, private=True)
    await db.execute("UPDATE rooms SET history = 'joining' WHERE name = $1", room)
    old = [await asyncio.to_thread(say, api, ann, room, f"secret {n}") for n in range(3)]
    path = f"/chat/rooms/{room}/members"
    await asyncio.to_thread(api.client.post, path, token=ann.token, json={"user_id": bob.id})
    await asyncio.to_thread(act, api, ann, "PUT", old[0]["id"], json={"content": "another secret"})
    await asyncio.to_thread(act, api, ann, "PUT", old[1]["id"], "/reactions/👎")
    async with connected(chat, bob, version=2) as client:
        joined = await resume(client, room, 0)
        assert joined["recovered"] is True
        kinds = [frame["type"] for frame in joined["frames"]]
        assert kinds == ["edit", "react"]
        assert numbers(joined["frames"]) == [joined["seq"] - 1, joined["seq"]]
        await asyncio.to_thread(
            act, api, ann, "PUT", old[2]["id"], json={"content": "a third secret"}
        )
        await asyncio.to_thread(say, api, ann, room, "Welcome")
        frames = joined["frames"] + await client.receive_until("message", content="Welcome")
    assert "secret" not in str(frames)
    assert "👎" not in str(frames)


async def test_who_left_and_came_back_stays(
    chat: ChatProcess, db: asyncpg.Connection, room: str, ann: Person, make_person: MakePerson
) -> None:
    """Where the process learns of both only after that."""
    bob = await make_person()
    async with connected(chat, ann, version=2, max_queue=None) as first:
        await first.join(room)
        for action in ("left", "joined"):
            await db.execute(
                "WITH top AS (UPDATE rooms SET seq = seq + 1 WHERE name = $1 RETURNING id, seq) "
                "INSERT INTO chat_events (room_id, seq, kind, actor_id, data) "
                "SELECT id, seq, 'member', $2, jsonb_build_object("
                "'action', $3::text, 'user_id', $2::int, 'name', 'bob') FROM top",
                room,
                bob.id,
                action,
            )
        await join_quietly(db, room, bob)
        for version in (1, 2):
            async with connected(chat, bob, version=version, max_queue=None) as other:
                await other.join(room)
                await first.send(type="message", room=room, content=f"Hello {version}")
                frames = await other.receive_until("message", content=f"Hello {version}")
                assert "left" not in [frame["type"] for frame in frames]
                await other.send(type="message", room=room, content="Here")
                await other.receive_until("message", content="Here")


async def test_what_is_removed_is_not_found(
    chat: ChatProcess, api: ApiProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, private=True)
    async with connected(chat, bob, version=2) as client:
        for since in (0, 1, 2**40, -1):
            answer = await client.ask(type="join", room=room, since=since)
            assert answer["data"]["message"] == "Room not found"


async def test_a_room_is_renamed_while_it_is_written_to(
    chat: ChatProcess, api: ApiProcess, make_person: MakePerson
) -> None:
    """Its members go on by the old name and the new one; none of what is said is lost."""
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, members=[bob])
    async with (
        connected(chat, ann, version=2, max_queue=None) as writer,
        connected(chat, bob, version=2, max_queue=None) as reader,
    ):
        await writer.join(room)
        await reader.join(room)
        name = room
        for turn in range(5):
            new = unique_name("renamed ")
            for number in range(10):
                await writer.send(type="message", room=room, content=f"{turn} {number}", id=number)
            renamed = await asyncio.to_thread(
                api.client.put, f"/chat/rooms/{name}", token=ann.token, json={"name": new}
            )
            assert renamed.status_code == 200, renamed.text
            for number in range(10, 20):
                await writer.send(type="message", room=room, content=f"{turn} {number}", id=number)
            # The new one is known as soon as the event has come.
            await writer.receive_until("room", name=new)
            await writer.send(type="message", room=new, content=f"{turn} 20", id=20)
            frames = await reader.receive_until("message", content=f"{turn} 20")
            said = [frame for frame in frames if frame["type"] == "message"]
            assert contents(said) == [f"{turn} {number}" for number in range(21)]
            assert said[-1]["data"]["room"] == new
            name = new


async def test_a_room_is_deleted_while_it_is_written_to(
    chat: ChatProcess, api: ApiProcess, db: asyncpg.Connection, make_person: MakePerson
) -> None:
    """What was acknowledged came to the members; then all are told, and the rest is refused."""
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, members=[bob])
    async with (
        connected(chat, bob, version=2, max_queue=None) as writer,
        connected(chat, ann, version=2, max_queue=None) as reader,
    ):
        await writer.join(room)
        await reader.join(room)
        deleting = asyncio.create_task(
            asyncio.to_thread(api.client.delete, f"/chat/rooms/{room}", token=ann.token)
        )
        refused = None
        acknowledged = 0
        for number in range(2000):
            await writer.send(type="message", room=room, content=f"number {number}", id=number)
            while True:
                frame = await writer.receive()
                if frame.get("data", {}).get("id") == number:
                    break
            if frame["type"] == "error":
                refused = frame["data"]
                break
            acknowledged += 1
        assert (await deleting).status_code == 200
        assert refused is not None
        assert refused["message"] in ("Room not found", "Join the room first")
        frames = await reader.receive_until("left")
        said = [frame for frame in frames if frame["type"] == "message"]
        assert contents(said) == [f"number {number}" for number in range(acknowledged)]
        answer = await writer.ask(type="join", room=room, since=0)
        if answer["type"] != "error":
            await writer.receive_until("error")


async def test_somebody_is_suspended_in_mid_sentence(
    chat: ChatProcess, db: asyncpg.Connection, room: str, ann: Person, make_person: MakePerson
) -> None:
    """The socket closes; of what was sent the acknowledged part was kept, in order and whole."""
    bob = await make_person()
    async with (
        connected(chat, bob, version=2, max_queue=None) as reader,
        connected(chat, ann, version=2, max_queue=None) as writer,
    ):
        await reader.join(room)
        await writer.join(room)
        for number in range(200):
            await writer.send(type="message", room=room, content=f"number {number}", id=number)
            if number == 100:
                await db.execute("UPDATE users SET status = 'suspended' WHERE id = $1", ann.id)
                await db.execute(
                    "SELECT pg_notify('talas', $1)",
                    f'{{"topic": "user.changed", "user_id": {ann.id}}}',
                )
        assert await writer.close_code(10) == 4503
        kept = await db.fetch(
            "SELECT content FROM messages WHERE from_user = $1 ORDER BY seq", ann.id
        )
        said = [row[0] for row in kept]
        assert said == [f"number {number}" for number in range(len(said))]
        if said:
            frames = await reader.receive_until("message", content=said[-1])
            shown = contents([frame for frame in frames if frame["type"] == "message"])
            assert shown == said


async def test_a_token_expires_while_its_bearer_writes(
    settings: Settings,
    db: asyncpg.Connection,
    room: str,
    ann: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was acknowledged is kept, and with a fresh token all that was missed is shown."""
    monkeypatch.setattr(inbox, "GRACE_S", 0.0)
    async with serving_here(settings) as here:
        ann.token = create_token(settings, ann, lifetime_s=2)
        async with connected(here, ann, version=2, max_queue=None) as client:
            await client.join(room)
            acknowledged = await write_until_closed(client, room)
            assert client.socket.close_code == 4005
        ann.token = create_token(settings, ann)
        assert acknowledged == list(range(1, len(acknowledged) + 1))
        since = max(0, len(acknowledged) - 10)
        async with connected(here, ann, version=2, max_queue=None) as client:
            joined = await resume(client, room, since)
            top = joined["seq"]
            assert numbers(joined["frames"]) == list(range(since + 1, top + 1))
            # Of the last one it was not to be known any more whether it would be kept.
            assert top - len(acknowledged) in (0, 1)
            assert top == await db.fetchval("SELECT seq FROM rooms WHERE name = $1", room)


async def write_until_closed(client: Client, room: str) -> list[int]:
    """The numbers of what was acknowledged."""
    acknowledged: list[int] = []
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.send(type="message", room=room, content="On and on")
            acknowledged.append((await client.receive_kind("ack"))["seq"])
    return acknowledged


# Conversations


@pytest.fixture
async def pair(make_person: MakePerson) -> tuple[Person, Person]:
    return await make_person(), await make_person()


@pytest.mark.parametrize(
    ("kept", "since", "recovered", "first"),
    [
        (0, 0, True, None),
        (0, 5, False, None),
        (5, 0, True, 1),
        (5, 3, True, 4),
        (5, 5, True, None),
        (5, -7, True, 1),
        (5, 6, False, None),
        (5, 2**63, False, None),
        (5, 2**70, False, None),
        (MAX_MISSED, 0, True, 1),
        (MAX_MISSED + 1, 0, False, None),
    ],
)
async def test_a_conversation_is_resumed_by_its_history(
    chat: ChatProcess,
    db: asyncpg.Connection,
    pair: tuple[Person, Person],
    kept: int,
    since: int,
    recovered: bool,
    first: int | None,
) -> None:
    ann, bob = pair
    for number in range(kept):
        await keep_direct_unannounced(db, ann, bob, f"number {number}")
    async with connected(chat, bob, version=2, max_size=None) as client:
        await client.send(type="dm_history", since=since, **{"with": ann.id})
        data = await client.receive_kind("dm_history")
        assert (data["recovered"], data["seq"]) == (recovered, kept)
        expected = list(range(first, kept + 1)) if first else []
        assert [message["seq"] for message in data["messages"]] == expected


async def test_a_conversations_changes_come_beside_its_messages(
    chat: ChatProcess, pair: tuple[Person, Person]
) -> None:
    ann, bob = pair
    async with connected(chat, ann, version=2, max_queue=None) as client:
        for text in ("one", "two", "three"):
            await client.send(type="dm", to=bob.id, content=text)
        ids = [(await client.receive_kind("ack"))["message_id"] for _ in range(3)]
        for change in (
            {"type": "edit", "message_id": ids[0], "content": "ONE"},
            {"type": "react", "message_id": ids[1], "emoji": "👍"},
            {"type": "delete", "message_id": ids[2]},
        ):
            await client.send(**change)
            await client.receive_kind("ack")
    async with connected(chat, bob, version=2) as client:
        await client.send(type="dm_history", since=1, **{"with": ann.id})
        data = await client.receive_kind("dm_history")
        assert [(m["seq"], m["content"]) for m in data["messages"]] == [(2, "two"), (3, "")]
        assert [event["type"] for event in data["events"]] == ["edit", "react", "delete"]
        assert numbers(data["events"]) == [4, 5, 6]
        assert data["events"][0]["data"]["content"] == "ONE"
        assert (data["seq"], data["recovered"]) == (6, True)


async def test_a_stranger_learns_nothing_by_resuming_with_somebody(
    chat: ChatProcess, db: asyncpg.Connection, api: ApiProcess, make_person: MakePerson
) -> None:
    ann, bob, eve = [await make_person() for _ in range(3)]
    await keep_direct_unannounced(db, ann, bob, "a secret")
    await asyncio.to_thread(block, api, ann, eve)
    async with connected(chat, eve, version=2) as client:
        for who in (ann, bob):
            await client.send(type="dm_history", since=0, **{"with": who.id})
            data = await client.receive_kind("dm_history")
            assert (data["messages"], data["seq"]) == ([], 0)


async def test_a_history_says_what_the_room_had_come_to(
    chat: ChatProcess, db: asyncpg.Connection, room: str, ann: Person, make_person: MakePerson
) -> None:
    """Under full load: going on from that ``seq`` repeats nothing and leaves nothing out."""
    writers = [await make_person() for _ in range(3)]
    for writer in writers:
        await join_quietly(db, room, writer)
    writing = asyncio.Event()
    writing.set()
    tasks = [asyncio.create_task(keep_writing(chat, one, room, writing)) for one in writers]
    try:
        for _ in range(40):
            async with connected(chat, ann, version=2, max_queue=None, max_size=None) as client:
                await client.send(type="room_history", room=room, limit=200)
                data = await client.receive_kind("room_history")
                newest = max((m["seq"] for m in data["messages"]), default=0)
                assert newest <= data["seq"]
                await client.send(type="join", room=room, since=data["seq"])
                await follow(client, data["seq"], until="joined", since=data["seq"])
    finally:
        writing.clear()
        await asyncio.gather(*tasks)


async def test_what_nobody_announced_is_there_when_one_resumes(
    chat: ChatProcess, db: asyncpg.Connection, room: str, ann: Person
) -> None:
    async with connected(chat, ann, version=2) as client:
        await client.join(room)
        for number in range(3):
            await keep_unannounced(db, room, ann, f"number {number}")
        joined = await resume(client, room, 0)
        assert contents(joined["frames"]) == ["number 0", "number 1", "number 2"]
