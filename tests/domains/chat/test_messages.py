"""Joining, sending, direct messages and histories, as clients see them."""

import asyncio
import uuid

import asyncpg
import pytest
from tests.builders.chat import ChatProcess, connected, create_room, unique_name
from tests.domains.chat.conftest import MakePerson


async def test_two_people_talk_in_a_room(chat: ChatProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()
    async with connected(chat, ann) as a, connected(chat, bob) as b:
        assert await a.ask(type="join", room="general") == {
            "type": "joined",
            "data": {"room": "general", "status": "ok"},
        }
        await b.join()
        await a.send(type="message", room="general", content="  Hello <b>everyone</b>! 👋\n")
        seen = await b.receive()
        assert seen == await a.receive()
        assert seen["type"] == "message"
        data = seen["data"]
        assert list(data) == ["room", "from", "username", "content", "timestamp", "id", "seq"]
        assert (data["room"], data["from"], data["username"]) == ("general", ann.id, ann.username)
        assert data["content"] == "Hello <b>everyone</b>! 👋"
        assert data["timestamp"].endswith("Z")

        history = await b.ask(type="room_history", room="general", limit=1)
        assert history == {
            "type": "room_history",
            "data": {"room": "general", "messages": [data]},
        }


async def test_direct_messages_reach_every_socket_of_both(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    async with (
        connected(chat, ann) as ann1,
        connected(chat, ann) as ann2,
        connected(chat, bob) as bob1,
        connected(chat, bob) as bob2,
        connected(chat, eve) as other,
    ):
        await ann1.send(type="dm", to=bob.id, content="Hi there!")
        at_bob = await bob1.receive()
        assert at_bob == await bob2.receive()
        assert list(at_bob["data"]) == ["from", "username", "content", "timestamp", "id", "seq"]
        at_ann = await ann1.receive()
        assert at_ann == await ann2.receive()
        assert at_ann["data"] == {**at_bob["data"], "to": bob.id}
        await bob1.send(type="dm", to=ann.id, content="Hello!")
        assert (await bob2.receive())["data"]["seq"] == 2

        answer = await ann2.ask(**{"type": "dm_history", "with": bob.id})
        answer = answer if answer["type"] == "dm_history" else await ann2.receive()
        assert answer["data"]["with"] == bob.id
        assert [(m["from"], m["to"]) for m in answer["data"]["messages"]] == [
            (ann.id, bob.id),
            (bob.id, ann.id),
        ]
        assert answer["data"]["messages"][0] == at_ann["data"]
        assert await other.is_silent()


async def test_a_note_to_oneself(chat: ChatProcess, make_person: MakePerson) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        await a.send(type="dm", to=ann.id, content="remember")
        assert (await a.receive())["data"]["to"] == ann.id
        assert await a.is_silent()


async def test_who_left_hears_no_more(chat: ChatProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()
    async with connected(chat, ann) as a, connected(chat, bob) as b:
        await a.join("General")
        await b.join()
        assert await a.ask(type="leave", room="GENERAL", id=7) == {
            "type": "left",
            "data": {"room": "general", "id": 7},
        }
        await b.send(type="message", room="general", content="still there?")
        await b.receive()
        assert await a.is_silent()
        refused = await a.ask(type="message", room="general", content="no")
        assert refused["data"]["message"] == "Join the room first"


async def test_leaving_the_socket_leaves_the_room(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    async with connected(chat, ann) as a:
        await a.join()
        async with connected(chat, bob) as b:
            await b.join()
        for _ in range(3):
            await a.send(type="message", room="general", content="alone")
            assert (await a.receive())["type"] == "message"


async def test_a_private_room_exists_only_for_its_members(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, eve = await make_person(), await make_person()
    room = unique_name("secret")
    room_id = await create_room(db, room, private=True, members=(ann.id,))
    async with connected(chat, ann) as a, connected(chat, eve) as e:
        await a.join(room)
        for frame in (
            {"type": "join", "room": room},
            {"type": "room_history", "room": room},
        ):
            hidden = await e.ask(**frame)
            missing = await e.ask(**{**frame, "room": "no such room"})
            assert hidden == missing
            assert hidden["data"] == {"message": "Room not found", "code": "room_not_found"}
        # Who is no longer a member writes no more, though the socket was let in before.
        await db.execute("DELETE FROM room_members WHERE room_id = $1", room_id)
        refused = await a.ask(type="message", room=room, content="am I still here?")
        assert refused["data"]["message"] == "Room not found"
    assert await db.fetchval("SELECT count(*) FROM messages WHERE room_id = $1", room_id) == 0


async def test_joining_a_public_room_makes_a_member(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    room = unique_name("open")
    room_id = await create_room(db, room)
    async with connected(chat, ann) as a:
        await a.join(room)
        await a.join(room)
        await a.ask(type="leave", room=room)
    count = "SELECT count(*) FROM room_members WHERE room_id = $1 AND user_id = $2"
    assert await db.fetchval(count, room_id, ann.id) == 1


async def test_histories_page_backwards_by_id_and_by_instant(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    room = unique_name("pages")
    await create_room(db, room)
    async with connected(chat, ann) as a:
        await a.join(room)
        for number in range(10):
            await a.send(type="message", room=room, content=str(number))
        sent = [(await a.receive())["data"] for _ in range(10)]
        # The first event of the room was that she came.
        assert [data["seq"] for data in sent] == list(range(2, 12))
        assert [data["content"] for data in sent] == [str(number) for number in range(10)]

        async def contents(**options: object) -> list[str]:
            answer = await a.ask(type="room_history", room=room, **options)
            return [message["content"] for message in answer["data"]["messages"]]

        assert await contents() == [str(number) for number in range(10)]
        assert await contents(limit=3) == ["7", "8", "9"]
        assert await contents(limit=3, before=sent[7]["id"]) == ["4", "5", "6"]
        assert await contents(limit=3, before=str(sent[7]["id"])) == ["4", "5", "6"]
        assert await contents(limit=3, before=sent[7]["timestamp"]) == ["4", "5", "6"]
        assert await contents(before=sent[0]["id"]) == []
        assert await contents(before="2020-01-01T00:00:00Z") == []
        assert len(await contents(before="2999-01-01")) == 10
        assert len(await contents(before=10**12)) == 10


async def test_a_retry_is_kept_once(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    client_id = str(uuid.uuid4())
    frame = {"type": "message", "room": "general", "content": "once", "client_id": client_id}
    async with connected(chat, ann) as a, connected(chat, bob) as b:
        await a.join()
        await b.join()
        first = await a.ask(**frame)
        assert first["data"]["client_id"] == client_id
        assert await a.ask(**frame) == first
        assert await b.receive() == first
        assert await b.is_silent()
        # Somebody else's messages have ids of their own.
        other = await b.ask(**frame)
        assert other["data"]["id"] != first["data"]["id"]
    count = "SELECT count(*) FROM messages WHERE client_id = $1 AND from_user = $2"
    assert await db.fetchval(count, uuid.UUID(client_id), ann.id) == 1


async def test_version_2_hears_what_became_of_each_message(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    client_id = str(uuid.uuid4())
    async with connected(chat, ann, version=2) as a, connected(chat, bob) as b:
        await a.join()
        await b.join()
        frame = {"type": "message", "room": "general", "content": "x", "client_id": client_id}
        await a.send(**frame, id="one")
        message = await a.receive_kind("message")
        ack = await a.receive_kind("ack")
        assert ack == {
            "id": "one",
            "client_id": client_id,
            "message_id": message["id"],
            "seq": message["seq"],
            "duplicate": False,
        }
        await a.send(**frame, id="two")
        assert await a.receive_kind("ack") == {**ack, "id": "two", "duplicate": True}
        assert (await b.receive())["data"] == message
        assert await b.is_silent()
        # Twice in one breath is still once.
        twice = {**frame, "client_id": str(uuid.uuid4())}
        await asyncio.gather(a.send(**twice), a.send(**twice))
        acks = [await a.receive_kind("ack"), await a.receive_kind("ack")]
        assert sorted(ack["duplicate"] for ack in acks) == [False, True]
        assert acks[0]["message_id"] == acks[1]["message_id"]


async def test_an_answer_names_a_message_of_the_same_place(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    elsewhere = unique_name("elsewhere")
    await create_room(db, elsewhere)
    async with connected(chat, ann) as a:
        await a.join()
        await a.join(elsewhere)
        first = (await a.ask(type="message", room="general", content="question"))["data"]
        answer = await a.ask(type="message", room="general", content="answer", reply_to=first["id"])
        assert answer["data"]["reply_to"] == first["id"]
        for refused in (
            {"type": "message", "room": elsewhere, "reply_to": first["id"]},
            {"type": "message", "room": "general", "reply_to": 2**31 - 1},
            {"type": "message", "room": "general", "reply_to": 10**30},
            {"type": "message", "room": "general", "reply_to": -1},
            {"type": "dm", "to": bob.id, "reply_to": first["id"]},
        ):
            answer = await a.ask(**refused, content="?")
            assert answer["type"] == "error", refused
            assert "reply_to" in answer["data"]["message"]


@pytest.mark.parametrize("status", ["suspended", "deleted"])
async def test_nobody_writes_to_a_closed_account(
    chat: ChatProcess, make_person: MakePerson, status: str
) -> None:
    ann, gone = await make_person(), await make_person(status=status)
    async with connected(chat, ann) as a:
        for to in (gone.id, 2**31 - 1, 0, -5, 10**30):
            answer = await a.ask(type="dm", to=to, content="hello?")
            assert answer["data"] == {"message": "User not found", "code": "user_not_found"}
        for peer in (gone.id, 2**31 - 1, 0, 10**30):
            answer = await a.ask(**{"type": "dm_history", "with": peer})
            assert answer["data"]["message"] == "User not found"


async def test_a_history_holds_what_was_sent_before_it(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        await a.send(type="join", room="general")
        await a.send(type="message", room="general", content="just now")
        await a.send(type="room_history", room="general", limit=1)
        assert (await a.receive())["type"] == "joined"
        message = await a.receive()
        history = await a.receive()
        assert history["data"]["messages"] == [message["data"]]


async def test_the_longest_message_there_is(chat: ChatProcess, make_person: MakePerson) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        await a.join()
        for content in ("x" * 4000, "𝄞" * 3900):
            await a.socket.send(
                '{"type":"message","room":"general","content":"%s"}' % content  # noqa: UP031
            )
            assert (await a.receive())["data"]["content"] == content


async def test_who_cannot_see_a_message_cannot_answer_it(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    """Nor learn that its id stands in this room."""
    ann, bob = await make_person(), await make_person()
    room = unique_name("past")
    await create_room(db, room)
    await db.execute("UPDATE rooms SET history = 'joining' WHERE name = $1", room)
    async with connected(chat, ann) as a, connected(chat, bob) as b:
        await a.join(room)
        await a.send(type="message", room=room, content="before")
        old = (await a.receive())["data"]["id"]
        await b.join(room)
        for reply_to in (old, old + 1000):
            refused = await b.ask(type="message", room=room, content="?", reply_to=reply_to)
            assert refused["data"]["message"].startswith("reply_to must be the id of a message")
        seen = await a.ask(type="message", room=room, content="after", reply_to=old)
        answer = await b.receive()
        assert seen == answer
        await b.send(type="message", room=room, content="!", reply_to=answer["data"]["id"])
        assert (await b.receive())["data"]["reply_to"] == answer["data"]["id"]
