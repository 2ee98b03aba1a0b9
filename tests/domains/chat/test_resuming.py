"""Going on after a break: everything that was missed, nothing twice."""

import asyncio
import random

import asyncpg
import pytest
from tests.builders.chat import (
    ChatProcess,
    Client,
    Person,
    connected,
    create_room,
    keep_direct_unannounced,
    keep_unannounced,
    unique_name,
)
from tests.builders.messages import act, block, open_room, say
from tests.builders.resuming import contents, fill, join_quietly, keep_writing, numbers, resume
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess

MAX_MISSED = 300


@pytest.fixture
async def room(db: asyncpg.Connection) -> str:
    name = unique_name("room")
    await create_room(db, name)
    return name


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
    async with asyncio.timeout(60):
        while True:
            frame = await client.receive()
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
            frame = await client.receive()
            data = frame.get("data", {})
            if "seq" in data and frame["type"] != "ack":
                assert data["seq"] == last + 1, (frame, last)
                last = data["seq"]
    return last


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


async def test_a_name_in_the_log_is_the_name_of_today(
    chat: ChatProcess, api: ApiProcess, db: asyncpg.Connection, make_person: MakePerson
) -> None:
    """The log says who came; what they are called it says as it is, also when they are gone."""
    ann, bob = await make_person(), await make_person()
    room = await asyncio.to_thread(open_room, api, ann, private=False)
    async with connected(chat, bob, version=2) as b:
        await b.join(room)
    await db.execute("UPDATE users SET username = $2 WHERE id = $1", bob.id, f"gone-{bob.id}")
    async with connected(chat, ann, version=2) as a:
        resumed = await resume(a, room, 0)
    names = [f["data"].get("name") for f in resumed["frames"] if f["type"] == "member"]
    assert names[-1] == f"gone-{bob.id}"
    assert bob.username not in str(resumed["frames"])
