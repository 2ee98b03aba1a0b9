"""What was said in a room or a conversation, newest first."""

from datetime import datetime

from talas.core.database import Connection, as_rows
from talas.domains.chat.sql import SELECT_MESSAGES, Message

ANY_ID = 2**31
"""Above every id: the bound of a history that starts at its newest message."""

SELECT_ROOM_HISTORY = f"""
{SELECT_MESSAGES}
WHERE m.room_id = $1
  AND m.id < $2::bigint
ORDER BY m.id DESC
LIMIT $3
"""

SELECT_ROOM_HISTORY_BEFORE = f"""
{SELECT_MESSAGES}
WHERE m.room_id = $1
  AND m."timestamp" < $2
ORDER BY m."timestamp" DESC, m.id DESC
LIMIT $3
"""

SELECT_CONVERSATION_HISTORY = f"""
{SELECT_MESSAGES}
WHERE m.conversation_id = $1
  AND m.id < $2::bigint
ORDER BY m.id DESC
LIMIT $3
"""

SELECT_CONVERSATION_HISTORY_BEFORE = f"""
{SELECT_MESSAGES}
WHERE m.conversation_id = $1
  AND m."timestamp" < $2
ORDER BY m."timestamp" DESC, m.id DESC
LIMIT $3
"""


async def select_room_history(
    conn: Connection, room_id: int, before: int | datetime, limit: int
) -> list[Message]:
    """Newest first."""
    if isinstance(before, datetime):
        rows = await conn.fetch(SELECT_ROOM_HISTORY_BEFORE, room_id, before, limit)
    else:
        rows = await conn.fetch(SELECT_ROOM_HISTORY, room_id, before, limit)
    return as_rows(Message, rows)


async def select_conversation_history(
    conn: Connection, conversation_id: int, before: int | datetime, limit: int
) -> list[Message]:
    """Newest first."""
    if isinstance(before, datetime):
        rows = await conn.fetch(SELECT_CONVERSATION_HISTORY_BEFORE, conversation_id, before, limit)
    else:
        rows = await conn.fetch(SELECT_CONVERSATION_HISTORY, conversation_id, before, limit)
    return as_rows(Message, rows)
