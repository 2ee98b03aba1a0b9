"""Work that many wait for and one does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

ResultT = TypeVar("ResultT")


class Flight(Generic[ResultT]):
    """``listeners`` wait for its outcome. What is made ahead of them begins without any."""

    def __init__(self, key: str, work: Callable[[], Awaitable[ResultT]]) -> None:
        self.key = key
        self.task: asyncio.Task[ResultT] = asyncio.create_task(_awaited(work))
        self.listeners = 0


class Flights(Generic[ResultT]):
    """One for each key. It ends when nobody waits for it any more."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight[ResultT]] = {}
        # Those too that nobody may join any more, until they have ended.
        self._under_way: set[Flight[ResultT]] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    async def join(self, key: str, work: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """What ``work`` returns or raises, begun by whoever came first. Who leaves stops it for
        nobody else."""
        flight = self._flights.get(key) or self.begin(key, work)
        flight.listeners += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.listeners -= 1
            self._end_unwanted(flight)

    def begin(self, key: str, work: Callable[[], Awaitable[ResultT]]) -> Flight[ResultT]:
        """Without a listener; one may come."""
        flight = self._flights[key] = Flight(key, work)
        self._under_way.add(flight)
        flight.task.add_done_callback(lambda _: self._land(flight))
        return flight

    def drop_unwanted(self) -> None:
        """Ends what has no listener."""
        for flight in list(self._flights.values()):
            self._end_unwanted(flight)

    async def wait_below(self, folder: str) -> None:
        """Until all has ended whose key begins with ``folder/``."""
        tasks = [flight.task for flight in self._under_way if flight.key.startswith(f"{folder}/")]
        if tasks:
            await asyncio.wait(tasks)

    async def close(self) -> None:
        for flight in self._flights.values():
            flight.task.cancel()
        if self._under_way:
            await asyncio.wait({flight.task for flight in self._under_way})

    def _end_unwanted(self, flight: Flight[ResultT]) -> None:
        if not flight.listeners and not flight.task.done():
            # Who comes from now on begins anew.
            self._forget(flight)
            flight.task.cancel()

    def _land(self, flight: Flight[ResultT]) -> None:
        self._forget(flight)
        self._under_way.discard(flight)
        if not flight.task.cancelled():
            # A failure that nobody waited for is nobody's: whoever did the work has logged it.
            flight.task.exception()

    def _forget(self, flight: Flight[ResultT]) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]


async def _awaited(work: Callable[[], Awaitable[ResultT]]) -> ResultT:
    return await work()
