"""Connections that break, servers that die: nothing twice, nothing left out, nothing unsaid."""

import asyncio
import random
import time

import asyncpg
import pytest
from tests.builders.chat import ChatProcess, Person, create_room, create_token, unique_name
from tests.client.chaos import ChaosProxy
from tests.client.conftest import MakePerson, Reader, chatting, next_of, running
from tests.domains.chat.conftest import serving_here

from talas.client import (
    Backoff,
    Chat,
    Connected,
    Direct,
    Disconnected,
    Edited,
    Ended,
    Gap,
    MemberChanged,
    Message,
    RoomChanged,
    RoomLost,
    SignedOut,
)
from talas.core.sessions import announce_session_ended
from talas.core.settings import Settings


def is_contiguous(seqs: list[int]) -> bool:
    return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


async def make_room(db: asyncpg.Connection, **fields: object) -> str:
    name = unique_name("room")
    await create_room(db, name, **fields)  # type: ignore[arg-type]
    return name


async def test_what_was_missed_comes_first(
    chat: ChatProcess, proxy: ChaosProxy, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = await make_room(db)
    ann, bob = await make_person(), await make_person()
    async with chatting(chat, ann) as ann_chat, chatting(proxy, bob) as bob_chat:
        await ann_chat.join(room)
        await bob_chat.join(room)
        reader = Reader(bob_chat)
        first = await ann_chat.send(room, "before")
        await reader.until(lambda: reader.of(Message))
        proxy.refuse = True
        proxy.cut()
        await reader.until(lambda: reader.of(Disconnected))
        for number in range(5):
            await ann_chat.send(room, f"missed {number}")
        await ann_chat.edit(first.message_id, "before, edited")
        proxy.refuse = False
        await reader.until(lambda: reader.of(Edited))
        await ann_chat.send(room, "after")
        await reader.until(lambda: len(reader.of(Message)) == 7)
        seqs = [e.seq for e in reader.events if isinstance(e, Message | Edited)]
        assert is_contiguous(seqs)
        assert [m.content for m in reader.of(Message)] == [
            *("before", "missed 0", "missed 1", "missed 2", "missed 3", "missed 4", "after")
        ]
        assert reader.of(Connected) == [Connected(again=False), Connected(again=True)]
        assert reader.of(Gap) == []


async def test_direct_messages_that_were_missed(
    chat: ChatProcess, proxy: ChaosProxy, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    async with chatting(chat, ann) as ann_chat, chatting(proxy, bob) as bob_chat:
        reader = Reader(bob_chat)
        first = await ann_chat.dm(bob.id, "before")
        await reader.until(lambda: reader.of(Direct))
        proxy.refuse = True
        proxy.cut()
        await reader.until(lambda: reader.of(Disconnected))
        for number in range(3):
            await ann_chat.dm(bob.id, f"missed {number}")
        await ann_chat.edit(first.message_id, "before, edited")
        proxy.refuse = False
        await reader.until(lambda: reader.of(Edited))
        await ann_chat.dm(bob.id, "after")
        await reader.until(lambda: len(reader.of(Direct)) == 5)
        seqs = [e.seq for e in reader.events if isinstance(e, Direct | Edited)]
        assert seqs == [1, 2, 3, 4, 5, 6]
        assert {event.peer for event in reader.of(Direct)} == {ann.id}
        assert reader.of(Gap) == []


async def miss(
    db: asyncpg.Connection, chat: Chat, room: str, proxy: ChaosProxy, reader: Reader, count: int
) -> Message:
    """Says something, and ``count`` messages more while the reader is away; the first one."""
    await chat.send(room, "before")
    await reader.until(lambda: reader.of(Message))
    [before] = reader.of(Message)
    proxy.refuse = True
    proxy.cut()
    await reader.until(lambda: reader.of(Disconnected))
    await db.execute(
        "WITH place AS (UPDATE rooms SET seq = seq + $3 WHERE name = $1 RETURNING id, seq) "
        "INSERT INTO messages (from_user, room, room_id, content, seq) "
        "SELECT $2, $1, id, 'missed', seq - $3 + n FROM place, generate_series(1, $3) AS n",
        *(room, chat.user_id, count),
    )
    return before


async def test_too_much_was_missed(
    chat: ChatProcess, proxy: ChaosProxy, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    """More than 300: what is in the history comes, and a gap says that changes are missing."""
    room = await make_room(db)
    ann, bob = await make_person(), await make_person()
    async with chatting(chat, ann) as ann_chat, chatting(proxy, bob) as bob_chat:
        await ann_chat.join(room)
        await bob_chat.join(room)
        reader = Reader(bob_chat)
        before = await miss(db, ann_chat, room, proxy, reader, 350)
        edit = await ann_chat.edit(before.id, "before, edited")
        proxy.refuse = False
        await reader.until(lambda: len(reader.of(Message)) == 351)
        await ann_chat.send(room, "after")
        await reader.until(lambda: len(reader.of(Message)) == 352)
        seqs = [m.seq for m in reader.of(Message)]
        assert seqs == [*range(before.seq, edit.seq), edit.seq + 1]
        [gap] = reader.of(Gap)
        assert gap == Gap(room=room, peer=None, first=before.seq + 1, last=edit.seq, missing=1)


async def test_more_than_is_read_back(
    chat: ChatProcess, proxy: ChaosProxy, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = await make_room(db)
    ann, bob = await make_person(), await make_person()
    async with chatting(chat, ann) as ann_chat, chatting(proxy, bob) as bob_chat:
        await ann_chat.join(room)
        await bob_chat.join(room)
        reader = Reader(bob_chat)
        before = await miss(db, ann_chat, room, proxy, reader, 3000)
        proxy.refuse = False
        await reader.until(lambda: len(reader.of(Message)) == 1001)
        [gap] = reader.of(Gap)
        assert (gap.first, gap.last) == (before.seq + 1, before.seq + 3000)
        assert gap.missing == 2000
        assert reader.of(Message)[-1].seq == gap.last


async def test_sending_goes_through_kills(
    own_chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    """SIGKILL and a restart, again and again, while two talk: each message is kept once, and both
    hear all of it in order."""
    room = await make_room(db)
    people = [await make_person(), await make_person()]
    patient = {"timeout_s": 120.0, "connect_timeout_s": 60.0}
    async with (
        chatting(own_chat, people[0], **patient) as one,
        chatting(own_chat, people[1], **patient) as other,
    ):
        chats = [one, other]
        readers = [Reader(one), Reader(other)]
        for each in chats:
            await each.join(room)
        stop = asyncio.Event()
        sent: list[str] = []
        acked: dict[str, int] = {}

        async def talk(each: Chat, person: Person) -> None:
            while not stop.is_set():
                content = f"{person.username} {len(sent)}"
                sent.append(content)
                acked[content] = (await each.send(room, content)).seq
                await asyncio.sleep(random.uniform(0, 0.02))

        talking = [
            asyncio.create_task(talk(*pair)) for pair in zip(chats * 2, people * 2, strict=True)
        ]
        for kills in range(1, 4):
            await asyncio.sleep(0.7)
            await own_chat.kill()
            await own_chat.start()
            for reader in readers:
                await reader.until(
                    lambda reader=reader, kills=kills: len(reader.of(Connected)) > kills
                )
        await asyncio.sleep(0.7)
        stop.set()
        await asyncio.gather(*talking)
        rows = await db.fetch("SELECT seq, content FROM messages WHERE room = $1", room)
        assert sorted(row["content"] for row in rows) == sorted(sent)
        assert {row["content"]: row["seq"] for row in rows} == acked
        top = max(acked.values())
        for reader in readers:
            await reader.until(lambda reader=reader: reader.of(Message)[-1].seq == top)
            heard = [m for m in reader.events if isinstance(m, Message | MemberChanged)]
            assert is_contiguous([m.seq for m in heard])
            assert {m.content for m in reader.of(Message)} == set(sent)
            assert reader.of(Gap) == []


async def test_cuts_in_the_middle_of_frames(
    chat: ChatProcess, proxy: ChaosProxy, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    room = await make_room(db)
    ann, bob = await make_person(), await make_person()
    proxy.cut_after = 20_000
    patient = {"timeout_s": 120.0, "connect_timeout_s": 60.0}
    async with chatting(proxy, ann, **patient) as one, chatting(proxy, bob, **patient) as other:
        readers = [Reader(one), Reader(other)]
        for each, peer in ((one, bob), (other, ann)):
            await each.join(room)
            assert await each.dm_history(peer.id) == []

        async def talk(each: Chat, peer: Person) -> list[int]:
            seqs = [(await each.send(room, f"{n} " + "x" * 300)).seq for n in range(60)]
            for n in range(20):
                await each.dm(peer.id, f"{n} " + "y" * 200)
            return seqs

        seqs = await asyncio.gather(talk(one, bob), talk(other, ann))
        assert len({*seqs[0], *seqs[1]}) == 120
        assert proxy.connections > 6
        proxy.cut_after = None
        for reader in readers:
            await reader.until(lambda reader=reader: len(reader.of(Message)) == 120)
            await reader.until(lambda reader=reader: len(reader.of(Direct)) == 40)
            heard = [e.seq for e in reader.events if isinstance(e, Message | MemberChanged)]
            assert is_contiguous(heard)
            assert [e.seq for e in reader.of(Direct)] == list(range(1, 41))
            assert reader.of(Gap) == []


async def test_a_link_that_goes_silent(
    chat: ChatProcess, proxy: ChaosProxy, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing closes and nothing comes: the ping finds out."""
    monkeypatch.setattr("talas.client.link.PING_S", 0.3)
    monkeypatch.setattr("talas.client.link.PONG_S", 1.0)
    async with chatting(proxy, await make_person(), answer_timeout_s=5.0) as one:
        await one.join("general")
        reader = Reader(one)
        proxy.stall()
        await reader.until(lambda: reader.of(Disconnected))
        proxy.flow()
        assert (await one.send("general", "there again")).seq
        await reader.until(lambda: reader.of(Message))


async def test_an_answer_that_is_lost(
    chat: ChatProcess, proxy: ChaosProxy, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    """Kept, but the ack never came: sent again it is the same message, and is heard."""
    room = await make_room(db)
    async with chatting(proxy, await make_person()) as one:
        await one.join(room)
        reader = Reader(one)
        await one.ping()
        proxy.swallow = True
        sending = asyncio.create_task(one.send(room, "once"))
        for _ in range(600):
            if await db.fetchval("SELECT count(*) FROM messages WHERE room = $1", room):
                break
            await asyncio.sleep(0.05)
        proxy.swallow = False
        proxy.cut()
        ack = await sending
        assert ack.duplicate
        await reader.until(lambda: reader.of(Message))
        [heard] = reader.of(Message)
        assert (heard.id, heard.seq) == (ack.message_id, ack.seq)
        assert await db.fetchval("SELECT count(*) FROM messages WHERE room = $1", room) == 1


async def test_a_token_that_runs_out_is_renewed(
    chat: ChatProcess, make_person: MakePerson, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talas.client.keeper.RENEW_AHEAD_S", 7.0)
    monkeypatch.setattr("talas.client.keeper.RENEW_AGAIN_S", 0.5)
    monkeypatch.setattr("talas.client.tokens.FRESH_S", 1.0)
    person = await make_person()
    given: list[str] = []

    async def source() -> str:
        given.append(create_token(settings, person, lifetime_s=8 + len(given)))
        return given[-1]

    async with chatting(chat, person, token=source) as one:
        await one.join("general")
        async with asyncio.timeout(30):
            while len(given) < 2:
                await asyncio.sleep(0.1)
        await one.send("general", "still here")
        assert one.user_id == person.id
        first = await anext(one)
        assert first == Connected(again=False)


async def test_a_token_that_has_expired(
    settings: Settings, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed with 4005: who has a source of tokens comes back, who has none is signed out."""
    monkeypatch.setattr("talas.domains.chat.inbox.GRACE_S", 0.1)
    monkeypatch.setattr("talas.client.tokens.FRESH_S", 0.0)
    # Not before it has expired.
    monkeypatch.setattr("talas.client.keeper.RENEW_AGAIN_S", 60.0)
    person = await make_person()
    lifetimes = iter((9, 600))

    async def source() -> str:
        return create_token(settings, person, lifetime_s=next(lifetimes))

    async with serving_here(settings) as chat, chatting(chat, person, token=source) as one:
        with pytest.raises(SignedOut, match="expired") as error:
            async with chatting(
                chat, person, token=create_token(settings, person, lifetime_s=8)
            ) as other:
                await next_of(other, Disconnected)
        assert error.value.code == 4005
        assert (await next_of(one, Disconnected)).code == 4005
        await next_of(one, Connected)
        await one.join("general")


async def test_a_session_that_ends(
    chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    person = await make_person()
    async with chatting(chat, person) as one:
        reader = Reader(one)
        await one.join("general")
        await db.execute("UPDATE sessions SET ended_at = now() WHERE id = $1", person.session_id)
        await announce_session_ended(db, person.session_id)
        await reader.until(lambda: reader.ended)
        assert isinstance(reader.ended, SignedOut)
        assert reader.ended.code == 4500
        with pytest.raises(SignedOut):
            await one.send("general", "hello?")


async def test_too_many_sockets_end_it(chat: ChatProcess, make_person: MakePerson) -> None:
    person = await make_person()
    opened = [Chat(chat.url, token=person.token) for _ in range(10)]
    for each in opened:
        await each.__aenter__()
    async with chatting(chat, person) as one:
        with pytest.raises(Ended, match="as many open sockets") as error:
            await next_of(one, RoomLost)
        assert error.value.code == 4504
    for each in opened:
        await each.close()


async def test_draining_is_come_back_from(settings: Settings, make_person: MakePerson) -> None:
    async with running(settings) as chat, chatting(chat, await make_person()) as one:
        await one.join("general")
        reader = Reader(one)
        await chat.stop()
        await reader.until(lambda: reader.of(Disconnected))
        assert reader.of(Disconnected)[0].code == 4001
        await chat.start()
        assert (await one.send("general", "back")).seq


async def test_a_room_with_a_new_name(
    api: object, chat: ChatProcess, proxy: ChaosProxy, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    old, new = unique_name("old"), unique_name("new")
    client = api.client  # type: ignore[attr-defined]
    client.post("/chat/rooms", json={"name": old}, token=ann.token)
    async with chatting(proxy, bob) as one:
        await one.join(old)
        reader = Reader(one)
        answer = client.put(f"/chat/rooms/{old}", json={"name": new}, token=ann.token)
        assert answer.status_code == 200, answer.text
        await reader.until(lambda: reader.of(RoomChanged))
        assert one.rooms == [new]
        assert (await one.send(new, "hello")).seq
        proxy.cut()
        await reader.until(lambda: len(reader.of(Connected)) == 2)
        assert (await one.send(new, "hello again")).seq


async def test_who_is_removed_loses_the_room(
    api: object, chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    room = unique_name("room")
    client = api.client  # type: ignore[attr-defined]
    client.post("/chat/rooms", json={"name": room}, token=ann.token)
    async with chatting(chat, bob) as one:
        await one.join(room)
        reader = Reader(one)
        answer = client.delete(f"/chat/rooms/{room}/members/{bob.id}", token=ann.token)
        assert answer.status_code == 200, answer.text
        await reader.until(lambda: reader.of(RoomLost))
        [lost] = reader.of(RoomLost)
        assert (lost.room, lost.code) == (room, "removed")
        assert one.rooms == []


async def test_coming_back_waits_longer_each_time_and_never_the_same() -> None:
    backoff = Backoff(first_s=1, longest_s=8)
    waits = [backoff.next_s() for _ in range(200)]
    assert max(waits) <= 8
    assert max(waits[:1]) <= 1
    assert len({round(wait, 6) for wait in waits}) > 150
    backoff.reset()
    assert backoff.next_s(at_least_s=3) <= 4


async def test_closing_takes_no_time_whatever_the_other_side_does(
    chat: ChatProcess, proxy: ChaosProxy, make_person: MakePerson
) -> None:
    one = Chat(proxy.url, token=(await make_person()).token)
    await one.__aenter__()
    proxy.stall()
    started = time.monotonic()
    await one.close()
    assert time.monotonic() - started < 10
