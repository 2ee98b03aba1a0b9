"""Who types and who has read: what costs nothing to send must not be a way to pester."""

import asyncio

import asyncpg
from tests.builders.chat import ChatProcess, Client, connected, create_room, unique_name
from tests.builders.messages import close, mute
from tests.domains.chat.conftest import MakePerson

SHOWN_S = 0.5


async def shown(watching: Client, kind: str) -> int:
    """How many frames of this kind have come within a moment."""
    await asyncio.sleep(SHOWN_S)
    await watching.send(type="ping", id="end")
    frames = await watching.receive_until("pong", id="end")
    return sum(frame["type"] == kind for frame in frames)


async def test_who_may_say_nothing_is_not_shown_to_type(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    room = unique_name("room")
    await create_room(db, room, members=(ann.id, bob.id, eve.id))
    async with (
        connected(chat, ann, version=2) as watching,
        connected(chat, bob, version=2) as muted,
        connected(chat, eve, version=2) as late,
    ):
        for client in (watching, muted, late):
            await client.join(room)
        await mute(db, room, bob)
        await muted.send(type="typing", room=room)
        assert await shown(watching, "typing") == 0
        await late.send(type="typing", room=room)
        assert (await watching.receive_kind("typing"))["from"] == eve.id
        await close(db, room)
        await watching.send(type="typing", room=room)
        assert await shown(late, "typing") == 0


async def test_what_was_read_before_is_told_once(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    async with (
        connected(chat, ann, version=2) as writing,
        connected(chat, bob, version=2) as reading,
    ):
        for number in range(2):
            await writing.send(type="dm", to=bob.id, content=str(number))
            seq = (await reading.receive_kind("dm"))["seq"]
        for again in (seq, seq, seq - 1, 0, 10**30):
            await reading.send(type="read", seq=again, **{"with": ann.id})
        assert (await writing.receive_kind("read"))["seq"] == seq
        assert await shown(writing, "read") == 0
        # The socket that said it knows it.
        assert await shown(reading, "read") == 0


async def test_all_of_ones_sockets_hear_what_was_read(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = unique_name("room")
    await create_room(db, room, members=(ann.id, bob.id))
    async with (
        connected(chat, ann, version=2) as writing,
        connected(chat, bob, version=2) as reading,
        connected(chat, bob, version=2) as elsewhere,
    ):
        await writing.join(room)
        # One that hears of it, though it has not joined the room: it may show what is unread.
        await elsewhere.ask(type="ping")
        for in_room in (False, True):
            if in_room:
                await reading.join(room)
            await writing.send(type="message", room=room, content="hello")
            seq = (await writing.receive_kind("message"))["seq"]
            await reading.send(type="read", room=room, seq=seq)
            assert await elsewhere.receive_kind("read") == {
                "user_id": bob.id,
                "seq": seq,
                "room": room,
            }
        assert await shown(writing, "read") == 0
