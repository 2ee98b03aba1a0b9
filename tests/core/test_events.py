"""Events between processes, and what a listener knows of its own gaps."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest

from talas.core.events import EventListener, publish


async def comes_true(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


@pytest.fixture
async def listener(database_url: str) -> AsyncIterator[EventListener]:
    listener = EventListener(database_url)
    yield listener
    await listener.stop()


async def test_events_arrive_in_the_order_of_commits(
    listener: EventListener, conn: asyncpg.Connection
) -> None:
    heard: list[int] = []
    listener.on("count", lambda event: heard.append(event["number"]))
    listener.on("other", lambda _: heard.append(-1))
    await listener.start()
    assert listener.connected
    for number in range(50):
        await publish(conn, "count", number=number)
    await comes_true(lambda: len(heard) == 50)
    assert heard == list(range(50))


async def test_an_event_goes_out_with_its_transaction(
    listener: EventListener, conn: asyncpg.Connection
) -> None:
    heard: list[str] = []
    listener.on("news", lambda event: heard.append(event["text"]))
    await listener.start()
    transaction = conn.transaction()
    await transaction.start()
    await publish(conn, "news", text="taken back")
    await transaction.rollback()
    async with conn.transaction():
        await publish(conn, "news", text="é 😀 'quoted'")
        await asyncio.sleep(0.05)
        assert heard == []
    await comes_true(lambda: heard)
    assert heard == ["é 😀 'quoted'"]


async def test_a_handler_that_fails_stops_nobody(
    listener: EventListener, conn: asyncpg.Connection
) -> None:
    heard: list[Any] = []

    def broken(_: Any) -> None:
        raise RuntimeError

    listener.on("news", broken)
    listener.on("news", heard.append)
    await listener.start()
    await publish(conn, "news")
    await publish(conn, "news")
    await comes_true(lambda: len(heard) == 2)


async def test_after_a_gap_it_says_so_and_hears_again(
    listener: EventListener, conn: asyncpg.Connection
) -> None:
    heard: list[int] = []
    gaps: list[bool] = []
    listener.on("count", lambda event: heard.append(event["number"]))
    listener.on_gap(lambda: gaps.append(listener.connected))
    await listener.start()
    assert gaps == [True]
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = $1 AND datname = current_database()"
    )
    await conn.execute(end, "talas events")
    await comes_true(lambda: len(gaps) == 2)
    assert gaps == [True, True]
    await publish(conn, "count", number=1)
    await comes_true(lambda: heard == [1])


async def test_without_a_database_it_goes_on_trying() -> None:
    listener = EventListener("postgres://talas@127.0.0.1:1/talas")
    await asyncio.wait_for(listener.start(), 30)
    assert not listener.connected
    await listener.stop()
