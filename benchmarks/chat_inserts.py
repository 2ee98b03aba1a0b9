"""What group commit is held against: every message in a transaction of its own, on as many
connections as there are messages under way. Run as a program it prints transactions a second.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

import asyncpg
import uvloop

WARM_UP_S = 0.5
CONTENT = "x" * 64
SELECT_PLACES = """
SELECT r.id, r.name, (SELECT min(id) FROM users)
FROM rooms AS r
WHERE r.name LIKE 'insert-%'
"""
NEXT_SEQ = """
UPDATE rooms
SET seq = seq + 1
WHERE id = $1
RETURNING seq
"""
INSERT = """
INSERT INTO messages (from_user, room, room_id, content, seq)
VALUES ($1, $2, $3, $4, $5)
RETURNING id, "timestamp"
"""

Place = tuple[int, str, int]


async def _insert(conn: asyncpg.Connection, place: Place, numbers: Iterator[int]) -> None:
    room_id, room, user_id = place
    async with conn.transaction():
        await conn.fetchrow(INSERT, user_id, room, room_id, CONTENT, next(numbers))


async def _insert_in_order(conn: asyncpg.Connection, place: Place, _: Iterator[int]) -> None:
    """With the room's next number, as every message of the chat has one."""
    room_id, room, user_id = place
    async with conn.transaction():
        seq = await conn.fetchval(NEXT_SEQ, room_id)
        await conn.fetchrow(INSERT, user_id, room, room_id, CONTENT, seq)


WORK: dict[str, Callable[[asyncpg.Connection, Place, Iterator[int]], Awaitable[None]]] = {
    "alone": _insert,
    "in-order": _insert_in_order,
}


async def measure(url: str, kind: str, *, connections: int, seconds: float) -> float:
    """Transactions a second."""
    conns = [await asyncpg.connect(url, server_settings={"jit": "off"}) for _ in range(connections)]
    places = [tuple(row) for row in await conns[0].fetch(SELECT_PLACES)]
    # Above every number that an earlier run took, and that the rooms themselves count to.
    numbers = itertools.count(time.time_ns())

    async def repeat(number: int, until: float) -> int:
        for count in itertools.count():
            if time.perf_counter() >= until:
                return count
            await WORK[kind](conns[number], places[number % len(places)], numbers)
        raise AssertionError

    for duration in (WARM_UP_S, seconds):
        began = time.perf_counter()
        runs = (repeat(number, began + duration) for number in range(connections))
        total = sum(await asyncio.gather(*runs))
        took = time.perf_counter() - began
    for conn in conns:
        await conn.close()
    return total / took


def main() -> None:
    url, kind, connections, seconds = sys.argv[1:]
    print(uvloop.run(measure(url, kind, connections=int(connections), seconds=float(seconds))))


if __name__ == "__main__":
    main()
