"""The list of one's conversations."""

from talas.core.database import Connection
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.domains.chat.conversations import sql
from talas.domains.chat.conversations.schemas import Conversation, OtherSide
from talas.domains.chat.schemas import HistoryMessage


async def list_conversations(
    conn: Connection, actor: Actor, page: Page
) -> tuple[list[Conversation], int]:
    """By their newest message, newest first; and how many there are."""
    talks = await sql.select_talks(conn, actor.user_id, limit=page.limit, offset=page.offset)
    conversations = [
        Conversation(
            user=OtherSide(talk.user_id, talk.username, talk.avatar),
            last_message=HistoryMessage.of(newest),
            unread=talk.unread,
            read_seq=talk.read_seq,
            seq=talk.seq,
        )
        for talk, newest in talks
    ]
    return conversations, await sql.count_talks(conn, actor.user_id)
