"""What messages mention."""

from talas.core.database import Connection

# Who is no member of a room that shows only what came after joining sees nothing of it yet.
SELECT_MENTIONED = """
SELECT asked.room_id, asked.name, u.id
FROM unnest($1::INT[], $2::TEXT[]) AS asked (room_id, name)
JOIN users AS u ON lower(u.username) = asked.name AND u.status = 'active'
JOIN rooms AS r ON r.id = asked.room_id
WHERE (NOT r.is_private AND r.history = 'start')
  OR EXISTS (SELECT FROM room_members AS m WHERE m.room_id = r.id AND m.user_id = u.id)
"""


async def select_mentioned(
    conn: Connection, asked: list[tuple[int, str]]
) -> dict[tuple[int, str], int]:
    """For pairs of a room and a username in small letters: those active users who may read what is
    said there now."""
    rows = await conn.fetch(
        SELECT_MENTIONED, [room_id for room_id, _ in asked], [name for _, name in asked]
    )
    return {(row[0], row[1]): row[2] for row in rows}


# A retry finds them there; in the order of the key, as all who write many.
INSERT_MENTIONS = """
INSERT INTO message_mentions (user_id, message_id)
SELECT new.user_id, new.message_id
FROM unnest($1::INT[], $2::INT[]) AS new (user_id, message_id)
ORDER BY new.user_id, new.message_id
ON CONFLICT (user_id, message_id) DO NOTHING
"""


async def insert_mentions(conn: Connection, user_ids: list[int], message_ids: list[int]) -> None:
    await conn.execute(INSERT_MENTIONS, user_ids, message_ids)
