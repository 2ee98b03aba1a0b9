"""Joining, sending and reading, through a real chat process."""

import asyncio
import signal

import asyncpg
import pytest
from tests.builders.chat import ChatProcess, create_room, unique_name
from tests.client.conftest import MakePerson, Reader, chatting, next_of, running
from tests.ports import free_port

from talas.client import (
    CannotConnect,
    Chat,
    Connected,
    Deleted,
    Direct,
    Disconnected,
    Edited,
    Message,
    NotReading,
    Pinned,
    Presence,
    Reacted,
    Read,
    Refused,
    SignedOut,
    Typing,
    Unanswered,
)
from talas.core.settings import Settings


async def test_a_message_is_acknowledged_and_heard(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    async with chatting(chat, ann) as ann_chat, chatting(chat, bob) as bob_chat:
        assert await ann_chat.join("General") == "general"
        await bob_chat.join("general")
        sent = await ann_chat.send("general", "hello")
        assert not sent.duplicate
        for one in (ann_chat, bob_chat):
            heard = await next_of(one, Message)
            assert (heard.id, heard.seq, heard.content) == (sent.message_id, sent.seq, "hello")
            assert (heard.from_user, heard.username) == (ann.id, ann.username)
        answer = await bob_chat.send("general", "hello yourself", reply_to=sent.message_id)
        assert (await next_of(ann_chat, Message)).reply_to == sent.message_id
        assert answer.seq > sent.seq
        assert [m.content for m in await ann_chat.history("general", limit=2)] == [
            "hello",
            "hello yourself",
        ]
        [first] = await ann_chat.history("general", limit=1, before=answer.message_id)
        assert first.id == sent.message_id


async def test_the_first_event_tells_of_the_connection(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    async with chatting(chat, await make_person()) as one:
        assert await anext(one) == Connected(again=False)


async def test_direct_messages_name_the_other_one(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    async with chatting(chat, ann) as ann_chat, chatting(chat, bob) as bob_chat:
        sent = await ann_chat.dm(bob.id, "psst")
        mine, theirs = await next_of(ann_chat, Direct), await next_of(bob_chat, Direct)
        assert (mine.peer, theirs.peer) == (bob.id, ann.id)
        assert mine.id == theirs.id == sent.message_id
        await bob_chat.dm(ann.id, "yes?")
        assert (await next_of(ann_chat, Direct)).peer == bob.id
        assert [m.peer for m in await ann_chat.dm_history(bob.id)] == [bob.id, bob.id]


async def test_changes_of_messages(chat: ChatProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()
    async with chatting(chat, ann) as ann_chat, chatting(chat, bob) as bob_chat:
        await ann_chat.join("general")
        await bob_chat.join("general")
        sent = await ann_chat.send("general", "helo")
        ack = await ann_chat.edit(sent.message_id, "hello")
        edited = await next_of(bob_chat, Edited)
        assert (edited.message_id, edited.content) == (sent.message_id, "hello")
        assert edited.seq == ack.seq
        await bob_chat.react(sent.message_id, "👍")
        await bob_chat.unreact(sent.message_id, "👍")
        given = await next_of(ann_chat, Reacted)
        assert (given.emoji, given.added, given.from_user) == ("👍", True, bob.id)
        assert not (await next_of(ann_chat, Reacted)).added
        direct = await ann_chat.dm(bob.id, "one")
        await ann_chat.pin(direct.message_id)
        pinned = await next_of(bob_chat, Pinned)
        assert (pinned.message_id, pinned.room, pinned.peer) == (direct.message_id, None, ann.id)
        await ann_chat.delete(sent.message_id)
        assert (await next_of(bob_chat, Deleted)).message_id == sent.message_id
        [shown] = await bob_chat.history("general", limit=1)
        assert (shown.deleted, shown.content) == (True, "")


async def test_who_types_and_who_reads(chat: ChatProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()
    async with chatting(chat, ann) as ann_chat, chatting(chat, bob) as bob_chat:
        await ann_chat.join("general")
        await bob_chat.join("general")
        for _ in range(3):
            await ann_chat.typing("general")
        assert (await next_of(bob_chat, Typing)).from_user == ann.id
        await ann_chat.dm(bob.id, "read me")
        await next_of(bob_chat, Direct)
        await bob_chat.read(ann.id)
        read = await next_of(ann_chat, Read)
        assert (read.user_id, read.seq) == (bob.id, 1)


async def test_who_is_here(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = unique_name("room")
    await create_room(db, room)
    ann, bob = await make_person(), await make_person()
    async with chatting(chat, ann) as ann_chat:
        await ann_chat.join(room)
        assert ann.id in (await next_of(ann_chat, Presence)).online
        async with chatting(chat, bob) as bob_chat:
            await bob_chat.join(room)
            while ann_chat.presence(room) != {ann.id, bob.id}:
                await next_of(ann_chat, Presence)
        while ann_chat.presence(room) != {ann.id}:
            await next_of(ann_chat, Presence)


async def test_refusals(chat: ChatProcess, make_person: MakePerson) -> None:
    async with chatting(chat, await make_person()) as one:
        with pytest.raises(Refused, match="Room not found"):
            await one.join("no such room")
        with pytest.raises(Refused, match="Join the room first"):
            await one.send("general", "hello")
        await one.join("general")
        with pytest.raises(Refused) as error:
            await one.send("general", "x" * 5000)
        assert error.value.code == "invalid_data"
        for content in ("é" * 16_000, "\ud800"):
            with pytest.raises(Refused):
                await one.send("general", content)
        with pytest.raises(Refused) as error:
            await one.edit(2**31 - 1, "mine")
        assert error.value.code == "message_not_found"
        await one.leave("general")
        with pytest.raises(Refused, match="Join the room first"):
            await one.send("general", "hello")
        await one.ping()
        assert one.rooms == []


async def test_a_bad_token_ends_it(chat: ChatProcess, make_person: MakePerson) -> None:
    person = await make_person()
    with pytest.raises(SignedOut) as error:
        async with chatting(chat, person, token="nonsense"):
            pass
    assert error.value.code == 401
    asked = 0

    async def source() -> str:
        nonlocal asked
        asked += 1
        return "nonsense" if asked == 1 else person.token

    async with chatting(chat, person, token=source) as one:
        await one.ping()
    assert asked == 2


async def test_nobody_answers() -> None:
    with pytest.raises(CannotConnect, match="Cannot connect to ws://"):
        async with Chat(f"ws://127.0.0.1:{free_port()}", token="x", connect_timeout_s=0.5):
            pass


async def test_who_does_not_read_is_told_so(chat: ChatProcess, make_person: MakePerson) -> None:
    async with chatting(chat, await make_person(), max_events=5) as one:
        await one.join("general")
        with pytest.raises(NotReading, match="listen=False"):
            await asyncio.gather(*(one.send("general", f"{number}") for number in range(40)))
        with pytest.raises(NotReading):
            [event async for event in one]
    async with chatting(chat, await make_person(), max_events=5, listen=False) as one:
        await one.join("general")
        for number in range(10):
            await one.send("general", f"{number}")


async def test_after_closing(chat: ChatProcess, make_person: MakePerson) -> None:
    person = await make_person()
    async with chatting(chat, person) as one:
        await one.join("general")
        reader = Reader(one)
    with pytest.raises(Exception, match="closed"):
        await one.send("general", "too late")
    await asyncio.sleep(0.05)
    assert reader.ended is None
    assert [event async for event in one] == []


async def test_rate_limits_are_kept_to(settings: Settings, make_person: MakePerson) -> None:
    """Twenty at once are more than a server with limits takes; it closes for none of them."""
    async with (
        running(settings, rate_limits=True) as chat,
        chatting(chat, await make_person(), max_in_flight=20) as one,
    ):
        await one.join("general")
        reader = Reader(one)
        acks = await asyncio.gather(*(one.send("general", f"{n}") for n in range(20)))
        assert len({ack.message_id for ack in acks}) == 20
        await reader.until(lambda: len(reader.of(Message)) == 20)
        assert not reader.of(Disconnected)


async def test_time_runs_out(chat: ChatProcess, make_person: MakePerson) -> None:
    person = await make_person()
    async with chatting(chat, person) as one:
        await one.join("general")
        chat.signal(signal.SIGSTOP)
        try:
            with pytest.raises(Unanswered, match="may have been done"):
                await one.send("general", "anybody?", timeout_s=0.5)
        finally:
            chat.signal(signal.SIGCONT)
