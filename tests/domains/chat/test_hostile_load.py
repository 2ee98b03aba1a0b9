"""Many who misbehave at the same time, while others chat with a process of its own."""

import asyncio
import contextlib
import socket as sockets
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

import psutil
import pytest
from tests.builders.chat import ChatProcess, Client, Person, connected
from tests.domains.chat.conftest import MakePerson, serving_here
from tests.domains.chat.raw_websocket import (
    ANSWERED,
    ASK,
    MOST,
    code,
    handshake,
    has_ended,
    in_fragments,
    next_frame,
    read_head,
)
from tests.domains.chat.test_hostile import CLOSE, PING, PONG, TEXT, RawSocket, frame, opened
from websockets.exceptions import ConnectionClosed

from talas.core.open_files import allow_many_sockets
from talas.core.settings import Settings
from talas.domains.chat import connection, inbox
from talas.domains.chat.limits import Limit

MB = 2**20
SOCKETS_OF_ONE = 10


@contextlib.asynccontextmanager
async def others_are_served(
    ask: Callable[[], Awaitable[object]], *, pause: float = 0.02
) -> AsyncIterator[None]:
    """Asks again and again; half of the answers come within five seconds, and each within the time
    that ``ask`` gives it.

    Most of the wait is this process's own, which is as busy as the chat, and the machine's."""
    clock = asyncio.get_running_loop().time
    waits: list[float] = []

    async def go_on() -> None:
        while True:
            started = clock()
            await ask()
            waits.append(clock() - started)
            await asyncio.sleep(pause)

    asking = asyncio.create_task(go_on())
    try:
        yield
        while not (waits or asking.done()):
            await asyncio.sleep(0.01)
    finally:
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
    assert sorted(waits)[len(waits) // 2] < 5


def ping(client: Client) -> Callable[[], Awaitable[object]]:
    return lambda: client.ask(type="ping")


def chatting(sender: Client, reader: Client) -> Callable[[], Awaitable[object]]:
    """A message to the room goes round."""

    async def say() -> None:
        await sender.send(type="message", room="general", content="heard?")
        await sender.receive_kind("message")
        await reader.receive_kind("message")

    return say


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def test_a_thousand_handshakes_at_once_are_all_answered(
    settings: Settings, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow_many_sockets()
    # Ten seconds are enough for all of them, but not on a machine that does much else.
    monkeypatch.setattr(connection, "HANDSHAKE_S", 60)
    people = [await make_person() for _ in range(90)]
    tokens = [person.token for person in people for _ in range(SOCKETS_OF_ONE)]

    async def shake(token: str) -> tuple[RawSocket, int | None]:
        reader, writer = await chat.open_raw()
        writer.write(handshake(token))
        answer = read_head(await reader.readuntil(b"\r\n\r\n"))
        return RawSocket(reader, writer), answer.status

    async with serving_here(settings) as chat, connected(chat, await make_person()) as other:
        async with others_are_served(ping(other)), asyncio.timeout(120):
            opened_here = await asyncio.gather(*map(shake, [*tokens, *["nonsense"] * 100]))
        assert [status for _, status in opened_here] == [101] * 900 + [401] * 100
        for raw, _ in opened_here:
            raw.write(frame(TEXT, ASK))
        for raw, status in opened_here:
            if status == 101:
                assert await next_frame(raw) == ANSWERED
            raw.writer.close()


async def test_who_hangs_up_during_the_handshake_leaves_nothing_behind(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    """With a reset, before the answer."""
    process = psutil.Process(chat.pid)
    ann = await make_person()
    async with connected(chat, await make_person()) as other:
        await other.ask(type="ping")
        before = process.num_fds()
        async with others_are_served(ping(other)):
            for _ in range(10):
                pairs = await asyncio.gather(*(chat.open_raw() for _ in range(50)))
                for _, writer in pairs:
                    linger = struct.pack("ii", 1, 0)
                    raw_socket = writer.get_extra_info("socket")
                    raw_socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, linger)
                    writer.write(handshake(ann.token))
                    writer.transport.abort()
        # The pool may have opened connections to the database since.
        await until(lambda: process.num_fds() < before + 20)
        # None of them goes on counting as one of her ten.
        async with asyncio.timeout(60):
            while not await is_let_in(chat, ann):
                await asyncio.sleep(0.05)


async def is_let_in(chat: ChatProcess, person: Person) -> bool:
    async with connected(chat, person) as client:
        try:
            return bool((await client.ask(type="ping"))["type"] == "pong")
        except ConnectionClosed:
            return False


async def test_two_hundred_who_trickle_are_cut_off_and_hold_nobody_up(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    """A byte a second. A handshake has ten seconds; a frame may take longer."""
    people = [await make_person() for _ in range(6)]
    ann, bob, eve, *_ = people
    async with (
        connected(chat, ann) as a,
        connected(chat, bob) as b,
        opened(chat, eve) as slow,
    ):
        await a.join()
        await b.join()
        async with others_are_served(chatting(a, b), pause=0.2), asyncio.timeout(90):
            ends = await asyncio.gather(
                _trickle_a_ping(slow), *(_trickle_a_handshake(chat, eve) for _ in range(200))
            )
        # All of it would take several minutes.
        assert all(seconds > 8 for seconds in ends[1:])


async def _trickle_a_handshake(chat: ChatProcess, person: Person) -> float:
    """How long it took the server to hang up."""
    clock = asyncio.get_running_loop().time
    started = clock()
    reader, writer = await chat.open_raw()
    with contextlib.suppress(ConnectionError):
        for byte in handshake(person.token):
            writer.write(bytes((byte,)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    assert await reader.read() == b""
                    break
    writer.close()
    return clock() - started


async def _trickle_a_ping(raw: RawSocket) -> float:
    for byte in frame(PING):
        raw.write(bytes((byte,)))
        await asyncio.sleep(1)
    assert await next_frame(raw) == (PONG, b"")
    return 0.0


async def send_and_read_close(raw: RawSocket, data: bytes) -> int:
    """All of it, whatever the server says meanwhile."""

    async def send() -> None:
        with contextlib.suppress(ConnectionError):
            raw.write(data)
            await raw.writer.drain()

    sending = asyncio.create_task(send())
    try:
        while True:
            opcode, payload = await next_frame(raw)
            if opcode == CLOSE:
                return int.from_bytes(payload[:2])
    finally:
        await sending


TEN_MEGABYTES = {
    "one frame": bytes((0x81, 0xFF)) + struct.pack("!Q", 10 * MB) + bytes(4 + 10 * MB),
    "fragments of 16 KiB": b"".join(in_fragments(TEXT, [b"*" * MOST] * 640)),
    "fragments of one byte": b"".join(in_fragments(TEXT, [b"*"] * 2000)) * 700,
}


@pytest.mark.parametrize("data", TEN_MEGABYTES.values(), ids=list(TEN_MEGABYTES))
async def test_ten_megabytes_are_refused_and_never_held(
    chat: ChatProcess, make_person: MakePerson, data: bytes
) -> None:
    process = psutil.Process(chat.pid)
    ann = await make_person()
    async with connected(chat, await make_person()) as other:

        async def send(person: Person) -> None:
            async with opened(chat, person) as raw:
                assert await send_and_read_close(raw, data) == 1009

        await send(ann)  # What the process keeps for its next such client.
        before = process.memory_info().rss
        most = before

        async def look() -> None:
            nonlocal most
            await other.ask(type="ping")
            most = max(most, process.memory_info().rss)

        async with others_are_served(look, pause=0.002):
            await asyncio.gather(*(send(ann) for _ in range(5)))
        assert most - before < 8 * MB


async def test_an_endless_header_is_refused_and_never_held(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    process = psutil.Process(chat.pid)
    before = process.memory_info().rss
    async with connected(chat, await make_person()) as other, others_are_served(ping(other)):
        for line in (b"a: b\r\n", b"x" * 4096 + b": y\r\n", b"x"):
            reader, writer = await chat.open_raw()
            writer.write(b"GET / HTTP/1.1\r\n" + line * (10 * MB // len(line)))
            with contextlib.suppress(ConnectionError):
                assert read_head(await reader.readuntil(b"\r\n\r\n")).status == 431
            writer.close()
    assert process.memory_info().rss - before < 8 * MB


async def test_messages_of_a_thousand_fragments_from_many_hold_nobody_up(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    process = psutil.Process(chat.pid)
    text = ASK[:-1] + b" " * (1000 - len(ASK)) + b"}"
    message = b"".join(in_fragments(TEXT, [bytes((byte,)) for byte in text]))
    ann, bob = await make_person(), await make_person()
    async with connected(chat, ann) as a, contextlib.AsyncExitStack() as stack:
        raws = [
            await stack.enter_async_context(opened(chat, person))
            for person in (bob, await make_person())
            for _ in range(SOCKETS_OF_ONE)
        ]
        before = process.memory_info().rss

        async def send(raw: RawSocket) -> None:
            for _ in range(10):
                raw.write(message)
                assert await next_frame(raw) == ANSWERED

        async with others_are_served(ping(a)):
            await asyncio.gather(*map(send, raws))
        assert process.memory_info().rss - before < 8 * MB


async def test_who_sends_too_fast_and_then_closes_gets_its_close_back(
    settings: Settings, make_person: MakePerson, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that none is let through again while these are read.
    monkeypatch.setattr(inbox, "FRAMES", Limit("frames", 0.001, 40))
    async with (
        serving_here(settings, rate_limits=True) as chat,
        opened(chat, await make_person()) as raw,
    ):
        raw.write(frame(TEXT, ASK) * 60, frame(CLOSE, code(1000)))
        answers = [await next_frame(raw) for _ in range(61)]
        assert answers[:40] == [ANSWERED] * 40
        assert all(opcode == TEXT and b"retry_after_ms" in data for opcode, data in answers[40:60])
        assert answers[60] == (CLOSE, code(1000))
        assert await has_ended(raw)
