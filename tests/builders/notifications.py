"""Messages in the database, and those whom they concern told of it."""

from typing import Any
from uuid import uuid4

import asyncpg

from talas.domains.notifications.service import MessageNews, notify_messages

INSERT_CONVERSATION = """
    INSERT INTO conversations (user_low, user_high) VALUES (least($1::int, $2), greatest($1, $2))
    ON CONFLICT (user_low, user_high) DO UPDATE SET seq = conversations.seq
    RETURNING id
"""
INSERT_MESSAGE = """
    WITH room AS (
        UPDATE rooms SET seq = seq + 1 WHERE id = $3 RETURNING name, seq
    ), conversation AS (
        UPDATE conversations SET seq = seq + 1 WHERE id = $4 RETURNING seq
    )
    INSERT INTO messages (from_user, to_user, room_id, conversation_id, content, room, seq)
    SELECT $1, $2, $3, $4, $5, (SELECT name FROM room),
        coalesce((SELECT seq FROM room), (SELECT seq FROM conversation))
    RETURNING id
"""


async def say(
    conn: asyncpg.Connection,
    author_id: int,
    content: str = "Hello",
    *,
    to_user: int | None = None,
    room_id: int | None = None,
    mentions: tuple[int, ...] = (),
    replied_to: int | None = None,
) -> MessageNews:
    """A message that is kept; nobody is told of it yet."""
    conversation_id = None
    if to_user is not None:
        conversation_id = await conn.fetchval(INSERT_CONVERSATION, author_id, to_user)
    message_id = await conn.fetchval(
        INSERT_MESSAGE, author_id, to_user, room_id, conversation_id, content
    )
    return MessageNews(message_id, author_id, to_user, room_id, [*mentions], replied_to)


async def tell(
    conn: asyncpg.Connection,
    *news: MessageNews,
    online: tuple[int, ...] = (),
    in_room: tuple[tuple[int, int], ...] = (),
) -> None:
    """As the process does that keeps them; ``online`` and ``in_room`` have sockets of its own."""
    async with conn.transaction():
        await notify_messages(
            conn,
            news,
            is_online_here=lambda user_id: user_id in online,
            is_in_room_here=lambda user_id, room_id: (user_id, room_id) in in_room,
        )


async def say_and_tell(conn: asyncpg.Connection, *said: Any, **more: Any) -> MessageNews:
    news = await say(conn, *said, **more)
    await tell(conn, news)
    return news


async def notified(conn: asyncpg.Connection, user_id: int) -> list[str]:
    """The kinds of what the user was notified of, in order."""
    rows = await conn.fetch(
        "SELECT kind FROM notifications WHERE user_id = $1 ORDER BY id", user_id
    )
    return [row[0] for row in rows]


async def be_present(
    conn: asyncpg.Connection, user_id: int, *, room_id: int = 0, seen_s_ago: float = 0
) -> None:
    """A socket of the user's in some chat process, as that one last said so long ago."""
    node_id = uuid4()
    await conn.execute(
        "INSERT INTO chat_nodes VALUES ($1, now() - make_interval(secs => $2))", node_id, seen_s_ago
    )
    await conn.execute("INSERT INTO chat_presence VALUES ($1, $2, $3)", node_id, room_id, user_id)
