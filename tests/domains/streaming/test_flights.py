"""Work that many wait for and one does."""

import asyncio

import pytest

from talas.domains.streaming.flights import Flights


@pytest.mark.parametrize("how", ["close", "wait_below"])
async def test_what_nobody_wants_any_more_has_ended_afterwards(how: str) -> None:
    """Its process takes a moment to go."""
    flights: Flights[None] = Flights()
    began, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            ended.set()

    listener = asyncio.create_task(flights.join("track/segment", work))
    await began.wait()
    listener.cancel()
    await asyncio.wait({listener})
    assert "track/segment" not in flights
    await (flights.close() if how == "close" else flights.wait_below("track"))
    assert ended.is_set()
