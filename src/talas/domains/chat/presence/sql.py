"""Who is here, as the chat processes say it of their own sockets."""

from uuid import UUID

from talas.core.database import Connection, as_columns

Seat = tuple[int, int]
"""A room (0: any socket at all) and a user."""

UPSERT_NODE = """
INSERT INTO chat_nodes AS n (id, seen_at)
VALUES ($1, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()
RETURNING xmax = 0
"""

# Of two processes that find the same one dead, the second finds nothing.
DELETE_DEAD_NODES = """
WITH dead AS (
    SELECT id
    FROM chat_nodes
    WHERE seen_at < clock_timestamp() - make_interval(secs => $1)
    FOR UPDATE SKIP LOCKED
), seats AS (
    DELETE FROM chat_presence AS p
    USING dead
    WHERE p.node_id = dead.id
    RETURNING p.room_id, p.user_id
), gone AS (
    DELETE FROM chat_nodes AS n
    USING dead
    WHERE n.id = dead.id
)
SELECT room_id, user_id FROM seats
"""

DELETE_NODE = """
DELETE FROM chat_nodes
WHERE id = $1
"""

INSERT_SEATS = """
INSERT INTO chat_presence (node_id, room_id, user_id)
SELECT $1, seat.room_id, seat.user_id
FROM unnest($2::int[], $3::int[]) AS seat (room_id, user_id)
ON CONFLICT DO NOTHING
"""

DELETE_SEATS = """
DELETE FROM chat_presence AS p
USING unnest($2::int[], $3::int[]) AS seat (room_id, user_id)
WHERE p.node_id = $1 AND p.room_id = seat.room_id AND p.user_id = seat.user_id
"""

SELECT_EMPTY_SEATS = """
SELECT seat.room_id, seat.user_id
FROM unnest($1::int[], $2::int[]) AS seat (room_id, user_id)
WHERE NOT EXISTS (
    SELECT FROM chat_presence AS p
    WHERE p.room_id = seat.room_id AND p.user_id = seat.user_id
)
"""

SELECT_ONLINE = """
SELECT DISTINCT user_id
FROM chat_presence
WHERE room_id = $1
"""


async def upsert_node(conn: Connection, node_id: UUID) -> bool:
    """Whether it was not there any more."""
    return bool(await conn.fetchval(UPSERT_NODE, node_id))


async def delete_dead_nodes(conn: Connection, unseen_s: float) -> list[Seat]:
    """What they said of their sockets."""
    return [(row[0], row[1]) for row in await conn.fetch(DELETE_DEAD_NODES, unseen_s)]


async def delete_node(conn: Connection, node_id: UUID) -> None:
    await conn.execute(DELETE_NODE, node_id)


async def insert_seats(conn: Connection, node_id: UUID, seats: list[Seat]) -> None:
    await conn.execute(INSERT_SEATS, node_id, *as_columns(seats))


async def delete_seats(conn: Connection, node_id: UUID, seats: list[Seat]) -> None:
    await conn.execute(DELETE_SEATS, node_id, *as_columns(seats))


async def select_empty_seats(conn: Connection, seats: list[Seat]) -> list[Seat]:
    """Those of them that no process has."""
    rows = await conn.fetch(SELECT_EMPTY_SEATS, *as_columns(seats))
    return [(row[0], row[1]) for row in rows]


async def select_online(conn: Connection, room_id: int) -> list[int]:
    return [row[0] for row in await conn.fetch(SELECT_ONLINE, room_id)]
