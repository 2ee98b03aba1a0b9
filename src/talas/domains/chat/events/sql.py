"""The log of a room or conversation: its messages and all else that took a ``seq`` of it."""

from datetime import datetime
from uuid import UUID

import msgspec

from talas.core.database import Connection, as_rows


class LoggedEvent(msgspec.Struct, frozen=True):
    """A message (``kind`` "message") or another event, in the order of ``seq`` within its place.

    In a room (``room_id``, ``room``) or between ``user_low`` and ``user_high``. ``actor_id`` is who
    did it. ``content`` and what follows are the message's as it is now, where the event is about
    one; ``message_seq`` says where that message stands. ``data`` is JSON of the event's own.
    """

    room_id: int | None
    conversation_id: int | None
    seq: int
    kind: str
    actor_id: int
    username: str
    at: datetime
    message_id: int | None
    data: str | None
    room: str | None
    user_low: int | None
    user_high: int | None
    message_seq: int | None
    content: str | None
    client_id: UUID | None
    reply_to: int | None
    edited_at: datetime | None
    deleted_at: datetime | None
    attachments: str | None
    mentions: list[int] | None
    age_s: float
    """By the database's clock, which also gave ``at``."""
    about: str | None
    """The name of the member whom an event of kind "member" is about, as it is now."""


# S608 below: what is put together are constants of this file.
def _append(place: str, table: str) -> str:
    """The row's lock is held until the transaction ends: order of ``seq`` is order of commit."""
    return f"""
WITH top AS (
    UPDATE {table}
    SET seq = seq + 1
    WHERE id = $1
    RETURNING seq
)
INSERT INTO chat_events ({place}, seq, kind, actor_id, message_id, data)
SELECT $1, top.seq, $2, $3, $4, $5
FROM top
RETURNING seq
"""  # noqa: S608


INSERT_ROOM_EVENT = _append("room_id", "rooms")
INSERT_CONVERSATION_EVENT = _append("conversation_id", "conversations")

_COLUMNS = """
    logged.room_id, logged.conversation_id, logged.seq, logged.kind, logged.actor_id, u.username,
    logged.at, logged.message_id, logged.data, r.name, c.user_low, c.user_high, m.seq, m.content,
    m.client_id, m.reply_to, m.edited_at, m.deleted_at, m.attachments, m.mentions,
    extract(epoch FROM clock_timestamp() - logged.at)::float8, about.username"""


def _select_after(place: str) -> str:
    return f"""
SELECT {_COLUMNS}
FROM unnest($1::int[], $2::bigint[]) AS asked (id, seq)
CROSS JOIN LATERAL (
    (
        SELECT
            said.room_id, said.conversation_id, said.seq, 'message' AS kind,
            said.from_user AS actor_id, said."timestamp" AS at, said.id AS message_id,
            NULL::jsonb AS data
        FROM messages AS said
        WHERE said.{place} = asked.id AND said.seq > asked.seq
        ORDER BY said.seq
        LIMIT $3
    )
    UNION ALL
    (
        SELECT
            e.room_id, e.conversation_id, e.seq, e.kind, e.actor_id, e.created_at, e.message_id,
            e.data
        FROM chat_events AS e
        WHERE e.{place} = asked.id AND e.seq > asked.seq
        ORDER BY e.seq
        LIMIT $3
    )
    ORDER BY seq
    LIMIT $3
) AS logged
JOIN users AS u ON u.id = logged.actor_id
LEFT JOIN rooms AS r ON r.id = logged.room_id
LEFT JOIN conversations AS c ON c.id = logged.conversation_id
LEFT JOIN messages AS m ON m.id = logged.message_id
LEFT JOIN users AS about ON logged.kind = 'member' AND about.id = (logged.data ->> 'user_id')::int
ORDER BY asked.id, logged.seq
"""  # noqa: S608


SELECT_ROOM_EVENTS_AFTER = _select_after("room_id")
SELECT_CONVERSATION_EVENTS_AFTER = _select_after("conversation_id")

SELECT_ROOM_TOPS = """
SELECT id, seq
FROM rooms
WHERE id = ANY($1::int[])
"""

SELECT_MARKS = """
SELECT
    (SELECT coalesce(max(id), 0) FROM messages),
    (SELECT coalesce(max(id), 0) FROM chat_events)
"""

SELECT_CONVERSATIONS_SINCE = """
SELECT c.id, c.user_low, c.user_high, min(new.seq), max(new.seq)
FROM (
    SELECT conversation_id, seq
    FROM messages
    WHERE id > $1 AND conversation_id IS NOT NULL
    UNION ALL
    SELECT conversation_id, seq
    FROM chat_events
    WHERE id > $2 AND conversation_id IS NOT NULL
) AS new
JOIN conversations AS c ON c.id = new.conversation_id
GROUP BY c.id
"""


class ChangedConversation(msgspec.Struct, frozen=True):
    """With the first and the last ``seq`` of what is new in it."""

    id: int
    user_low: int
    user_high: int
    first: int
    last: int


async def insert_room_event(
    conn: Connection,
    room_id: int,
    kind: str,
    actor_id: int,
    message_id: int | None,
    data: str | None,
) -> int | None:
    """Its ``seq``; None where there is no such room. ``data`` is JSON."""
    seq: int | None = await conn.fetchval(
        INSERT_ROOM_EVENT, room_id, kind, actor_id, message_id, data
    )
    return seq


async def insert_conversation_event(
    conn: Connection,
    conversation_id: int,
    kind: str,
    actor_id: int,
    message_id: int | None,
    data: str | None,
) -> int | None:
    """Its ``seq``; None where there is no such conversation. ``data`` is JSON."""
    seq: int | None = await conn.fetchval(
        INSERT_CONVERSATION_EVENT, conversation_id, kind, actor_id, message_id, data
    )
    return seq


async def select_room_events_after(
    conn: Connection, room_ids: list[int], seqs: list[int], limit: int
) -> list[LoggedEvent]:
    """For each room up to ``limit`` of what came after its ``seq``, by room and ``seq``."""
    rows = await conn.fetch(SELECT_ROOM_EVENTS_AFTER, room_ids, seqs, limit)
    return as_rows(LoggedEvent, rows)


async def select_conversation_events_after(
    conn: Connection, conversation_ids: list[int], seqs: list[int], limit: int
) -> list[LoggedEvent]:
    """As ``select_room_events_after``."""
    rows = await conn.fetch(SELECT_CONVERSATION_EVENTS_AFTER, conversation_ids, seqs, limit)
    return as_rows(LoggedEvent, rows)


async def select_room_tops(conn: Connection, room_ids: list[int]) -> dict[int, int]:
    """The newest ``seq`` of each."""
    return {row[0]: row[1] for row in await conn.fetch(SELECT_ROOM_TOPS, room_ids)}


async def select_marks(conn: Connection) -> tuple[int, int]:
    """The newest ids of messages and of events."""
    row = await conn.fetchrow(SELECT_MARKS)
    assert row is not None
    return row[0], row[1]


async def select_conversations_since(
    conn: Connection, message_id: int, event_id: int
) -> list[ChangedConversation]:
    """Conversations with messages or events whose ids are above these."""
    rows = await conn.fetch(SELECT_CONVERSATIONS_SINCE, message_id, event_id)
    return as_rows(ChangedConversation, rows)
