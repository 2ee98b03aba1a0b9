"""Words in messages of some rooms and conversations."""

import msgspec

from talas.core.database import Connection


class Places(msgspec.Struct, frozen=True):
    """Where to look. ``visible_from`` belongs to ``room_ids``: what has a higher ``seq`` is seen.
    ``size`` is how many messages there are at most."""

    room_ids: list[int]
    visible_from: list[int]
    conversation_ids: list[int]
    size: int


SELECT_ROOMS = """
SELECT r.id, CASE WHEN r.history = 'joining' THEN seat.joined_seq ELSE 0 END, r.seq
FROM room_members AS seat
JOIN rooms AS r ON r.id = seat.room_id
WHERE seat.user_id = $1 AND r.kind <> 'deleted' AND ($2::INT IS NULL OR r.id = $2)
"""

SELECT_CONVERSATIONS = """
SELECT id, seq
FROM conversations
WHERE user_low = $1
UNION
SELECT id, seq
FROM conversations
WHERE user_high = $1
"""


async def select_places(conn: Connection, user_id: int) -> Places:
    """All rooms that the user is a member of, and all conversations of the user's."""
    rooms = await conn.fetch(SELECT_ROOMS, user_id, None)
    talks = await conn.fetch(SELECT_CONVERSATIONS, user_id)
    return Places(
        [row[0] for row in rooms],
        [row[1] for row in rooms],
        [row[0] for row in talks],
        sum(row[-1] for row in (*rooms, *talks)),
    )


async def select_room_place(conn: Connection, user_id: int, room_id: int) -> Places:
    """The one room; nothing for who is no member of it."""
    rooms = await conn.fetch(SELECT_ROOMS, user_id, room_id)
    return Places(
        [row[0] for row in rooms],
        [row[1] for row in rooms],
        [],
        sum(row[2] for row in rooms),
    )


SELECT_CONVERSATION_SIZE = """
SELECT seq
FROM conversations
WHERE id = $1
"""


async def select_conversation_place(conn: Connection, conversation_id: int) -> Places:
    size = await conn.fetchval(SELECT_CONVERSATION_SIZE, conversation_id)
    return Places([], [], [conversation_id], int(size or 0))


# Cut into words as messages are, by the same function. A single character of a script without
# spaces is where a pair begins; such characters have three bytes.
SELECT_TSQUERY = r"""
SELECT string_agg(
  '''' || replace(replace(asked.word, '\', '\\'), '''', '''''') || '''' || asked.ending, ' & '
)
FROM (
  SELECT word, CASE WHEN length(word) = 1 AND octet_length(word) > 2 THEN ':*' ELSE '' END
  FROM unnest(tsvector_to_array(message_words($1))) AS word
  UNION ALL
  SELECT unnest(tsvector_to_array(message_words($2))), ':*'
) AS asked (word, ending)
"""


async def select_tsquery(conn: Connection, words: str, last: str) -> str | None:
    """All of the words, and ones that begin as ``last`` does; None where there is no word."""
    tsquery: str | None = await conn.fetchval(SELECT_TSQUERY, words, last)
    return tsquery


# Each search is planned for its own words: of rare ones the index of words tells all, of common
# ones it is combined with those of places and ids. A walk along the table or its key would cut
# every message on the way into words, which takes longer than all of that.
PLAN_FOR_WORDS = """
SELECT
  set_config('plan_cache_mode', 'force_custom_plan', true),
  set_config('enable_seqscan', 'off', true),
  set_config('enable_indexscan', 'off', true)
"""


async def plan_for_words(conn: Connection) -> None:
    """For the statements of this transaction."""
    await conn.execute(PLAN_FOR_WORDS)


SELECT_TOP = """
SELECT coalesce(max(id), 0)
FROM messages
"""


async def select_top(conn: Connection) -> int:
    """The newest message's id."""
    return int(await conn.fetchval(SELECT_TOP))


SELECT_FOUND = """
SELECT m.id
FROM messages AS m
LEFT JOIN unnest($1::INT[], $2::BIGINT[]) AS seat (room_id, visible_from)
  ON seat.room_id = m.room_id
WHERE m.id >= $5 AND m.id < $6
  AND (m.room_id = ANY($1::INT[]) OR m.conversation_id = ANY($3::INT[]))
  AND message_words(m.content) @@ $4::TSQUERY
  AND m.deleted_at IS NULL
  AND m.seq > coalesce(seat.visible_from, 0)
ORDER BY m.id DESC
LIMIT $7
"""


async def select_found(
    conn: Connection, places: Places, tsquery: str, *, least: int, before: int, limit: int
) -> list[int]:
    """Ids of messages from ``least`` on and below ``before``, newest first."""
    rows = await conn.fetch(
        SELECT_FOUND,
        places.room_ids,
        places.visible_from,
        places.conversation_ids,
        tsquery,
        least,
        before,
        limit,
    )
    return [row[0] for row in rows]
