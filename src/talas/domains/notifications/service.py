"""Who is notified of what, and what they see of it."""

from collections.abc import Callable, Sequence

import msgspec

from talas.core.database import Connection
from talas.core.events import CHAT_CHANNEL, publish_each
from talas.core.sessions import Actor
from talas.domains.notifications import sql
from talas.domains.notifications.schemas import Notification

EPHEMERAL = "chat.ephemeral"
"""Heard by the chat processes: ``{kind: "notification", user_id, notification_id}``, to be shown
to the user's sockets as ``show`` gives it."""


class MessageNews(msgspec.Struct, frozen=True):
    """A message that has just been kept: for ``to_user``, or in a room. ``replied_to_author`` wrote
    what it answers, where it answers something."""

    message_id: int
    author_id: int
    to_user: int | None
    room_id: int | None
    mentions: list[int]
    replied_to_author: int | None


class _Candidate(msgspec.Struct, frozen=True):
    user_id: int
    kind: str


async def notify_messages(
    conn: Connection,
    news: Sequence[MessageNews],
    *,
    is_online_here: Callable[[int], bool],
    is_in_room_here: Callable[[int, int], bool],
) -> None:
    """In the transaction that keeps the messages: one statement where somebody may have to be
    notified, none where nobody has.

    Whoever has a socket (of a direct message) or has joined the room with one (of a mention, of an
    answer) sees the message by itself; the two callables answer for sockets of this process,
    by user and by user and room. Nobody is notified of what they wrote, what they may not read, or
    what someone wrote whom they have blocked. Calling it again for the same message does no harm.
    """
    found = [
        (message, candidate)
        for message in news
        for candidate in _candidates(message)
        if not (
            is_online_here(candidate.user_id)
            if message.room_id is None
            else is_in_room_here(candidate.user_id, message.room_id)
        )
    ]
    if not found:
        return
    inserted = await sql.insert_notifications(
        conn,
        user_ids=[candidate.user_id for _, candidate in found],
        kinds=[candidate.kind for _, candidate in found],
        actor_ids=[message.author_id for message, _ in found],
        room_ids=[message.room_id for message, _ in found],
        message_ids=[message.message_id for message, _ in found],
    )
    # Who is notified of a direct message has no socket that could show it.
    await _announce(conn, [(row.id, row.user_id) for row in inserted if row.kind != "dm"])


async def notify_invitation(conn: Connection, *, user_id: int, actor: Actor, room_id: int) -> None:
    """Of being invited to a room, or added to it; wherever the user is."""
    notification_id = await sql.insert_invitation(
        conn, user_id, actor_id=actor.user_id, room_id=room_id
    )
    await _announce(conn, [(notification_id, user_id)])


async def show(conn: Connection, notification_ids: Sequence[int]) -> list[Notification]:
    """Those that still exist, by id; each as far as its user may see it now."""
    return [Notification.of(row) for row in await sql.select_shown(conn, list(notification_ids))]


def _candidates(message: MessageNews) -> list[_Candidate]:
    """A mention counts for more than an answer."""
    if message.room_id is None:
        people = {} if message.to_user is None else {message.to_user: "dm"}
    else:
        people = dict.fromkeys(message.mentions, "mention")
        if message.replied_to_author is not None:
            people.setdefault(message.replied_to_author, "reply")
    people.pop(message.author_id, None)
    return [_Candidate(user_id, kind) for user_id, kind in people.items()]


async def _announce(conn: Connection, inserted: Sequence[tuple[int, int]]) -> None:
    await publish_each(
        conn,
        EPHEMERAL,
        CHAT_CHANNEL,
        [
            {"kind": "notification", "user_id": user_id, "notification_id": notification_id}
            for notification_id, user_id in inserted
        ],
    )
