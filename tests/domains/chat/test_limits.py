"""How fast one may ask, and what happens to who asks faster."""

import asyncio
import contextlib
import time
from typing import Any

from tests.builders.chat import ChatProcess, connected
from tests.domains.chat.conftest import MakePerson
from websockets.exceptions import ConnectionClosed

from talas.domains.chat.limits import MESSAGES, Meter, Patience


def test_a_meter_lets_a_burst_through_then_the_rate() -> None:
    meter, now = Meter(), 1000.0
    assert [meter.take(MESSAGES, now) for _ in range(10)] == [0.0] * 10
    assert 0.19 < meter.take(MESSAGES, now) < 0.201
    assert meter.take(MESSAGES, now + 0.1) > 0
    assert meter.take(MESSAGES, now + 0.2001) == 0
    assert meter.take(MESSAGES, now + 0.2) > 0
    assert sum(not meter.take(MESSAGES, now + 100) for _ in range(20)) == 10


def test_patience_ends_with_the_fifty_first_refusal_within_ten_seconds() -> None:
    patience = Patience()
    assert not any(patience.is_over(105.0) for _ in range(50))
    assert patience.is_over(114.0)
    assert not patience.is_over(130.0)


async def test_messages_joins_and_histories_have_limits_of_their_own(
    limited_chat: ChatProcess, make_person: MakePerson
) -> None:
    ann = await make_person()
    async with connected(limited_chat, ann) as a, connected(limited_chat, ann) as other:
        await a.join()
        refused: list[dict[str, Any]] = []
        # Again where the machine slept: after a second all five would be let through.
        for _ in range(3):
            for _ in range(20):
                await a.send(type="message", room="general", content="x")
            await a.receive_kind("error")
            # The limit is the user's, not the socket's.
            for number in range(5):
                await other.send(type="dm", to=ann.id, content="x", id=number)
            answers = [await other.receive() for _ in range(5)]
            refused = [answer["data"] for answer in answers if answer["type"] == "error"]
            if refused:
                break
        assert refused[-1]["code"] == "rate_limited"
        assert refused[-1]["id"] in range(5)
        assert 0 < refused[-1]["retry_after_ms"] <= 200
        await asyncio.sleep(0.5)
        await other.send(type="dm", to=ann.id, content="later")
        assert (await a.receive_kind("dm"))["content"] in ("x", "later")
    async with connected(limited_chat, ann) as fresh:
        for _ in range(30):
            await fresh.send(type="room_history", room="general")
        kinds: list[str] = []
        while len(kinds) < 30:
            # What was said before may still be on its way.
            if (kind := (await fresh.receive())["type"]) != "dm":
                kinds.append(kind)
        assert kinds[:10] == ["room_history"] * 10
        assert "error" in kinds[10:]


async def test_reconnecting_fills_no_meter(
    limited_chat: ChatProcess, make_person: MakePerson
) -> None:
    ann = await make_person()
    began = time.monotonic()
    kept = 0
    for _ in range(2):
        async with connected(limited_chat, ann) as a:
            await a.join()
            for _ in range(35):
                await a.send(type="message", room="general", content="x")
            kinds = [(await a.receive())["type"] for _ in range(35)]
            assert "error" in kinds
            kept += kinds.count("message")
    assert kept <= MESSAGES.burst + MESSAGES.rate * (time.monotonic() - began)


async def test_who_does_not_slow_down_is_closed(
    limited_chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    async with connected(limited_chat, ann) as a, connected(limited_chat, bob) as b:
        closing = asyncio.create_task(a.close_code())
        with contextlib.suppress(ConnectionClosed):
            while not closing.done():
                await a.send(type="ping")
                await asyncio.sleep(0)
        assert await closing == 4013
        await b.join()
