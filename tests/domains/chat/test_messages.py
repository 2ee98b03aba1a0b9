"""Joining, sending, direct messages and histories, as the seed's clients see them."""

from collections.abc import Awaitable, Callable

from tests.builders.chat import ChatProcess, Person, connected

MakePerson = Callable[..., Awaitable[Person]]


async def test_two_people_talk_in_a_room(chat: ChatProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(username="ann"), await make_person(username="bob")
    async with connected(chat, ann) as a, connected(chat, bob) as b:
        assert await a.ask(type="join", room="general") == {
            "type": "joined",
            "data": {"room": "general", "status": "ok"},
        }
        await b.join()
        await a.send(type="message", room="general", content="  Hello everyone! ")
        seen = await b.receive()
        assert seen == await a.receive()
        assert seen["type"] == "message"
        data = seen["data"]
        assert list(data) == ["room", "from", "username", "content", "timestamp", "id", "seq"]
        assert data["room"] == "general"
        assert (data["from"], data["username"]) == (ann.id, "ann")
        assert data["content"] == "Hello everyone!"
        assert data["timestamp"].endswith("Z")
        assert data["seq"] == 1

        history = await b.ask(type="room_history", room="general", limit=50)
        assert history == {
            "type": "room_history",
            "data": {"room": "general", "messages": [data]},
        }


async def test_direct_messages_reach_every_socket_of_both(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    async with (
        connected(chat, ann) as ann1,
        connected(chat, ann) as ann2,
        connected(chat, bob) as bob1,
        connected(chat, bob) as bob2,
    ):
        await ann1.send(type="dm", to=bob.id, content="Hi there!")
        at_bob = await bob1.receive()
        assert at_bob == await bob2.receive()
        assert list(at_bob["data"]) == ["from", "username", "content", "timestamp", "id", "seq"]
        at_ann = await ann1.receive()
        assert at_ann == await ann2.receive()
        assert at_ann["data"] == {**at_bob["data"], "to": bob.id}

        answer = await bob1.ask(**{"type": "dm_history", "with": ann.id})
        assert answer["data"] == {"with": ann.id, "messages": [at_ann["data"]]}
