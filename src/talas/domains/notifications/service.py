"""Who is notified of what, and what they see of it."""

from collections.abc import Callable, Sequence

import msgspec

from talas.core.database import Connection
from talas.core.errors import NotFound
from talas.core.events import CHAT_CHANNEL, EPHEMERAL, publish_each
from talas.core.http.pagination import Page
from talas.core.sessions import Actor
from talas.domains.notifications import sql
from talas.domains.notifications.schemas import Notification

MAX_UNREAD = 1_000
KEPT_DAYS = 90
MAX_BIG_ID = 2**63 - 1
_AT_ONCE = 5_000


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
    """Of being invited to a room, or added to it; wherever the user is. Who is invited again before
    having read of it is not told twice."""
    notification_id = await sql.insert_invitation(
        conn, user_id, actor_id=actor.user_id, room_id=room_id
    )
    if notification_id is not None:
        await _announce(conn, [(notification_id, user_id)])


async def show(conn: Connection, notification_ids: Sequence[int]) -> list[Notification]:
    """Those that still exist, by id; each as far as its user may see it now."""
    return [Notification.of(row) for row in await sql.select_shown(conn, list(notification_ids))]


async def list_notifications(
    conn: Connection, user_id: int, page: Page, *, unread: bool
) -> tuple[list[Notification], int]:
    """Newest first, and how many there are; with ``unread`` those that were not read."""
    rows = await sql.select_page(conn, user_id, unread=unread, limit=page.limit, offset=page.offset)
    total = await sql.count_notifications(conn, user_id, unread=unread)
    return [Notification.of(row) for row in rows], total


async def count_unread(conn: Connection, user_id: int) -> int:
    """MAX_UNREAD means so many or more."""
    return await sql.count_unread(conn, user_id, at_most=MAX_UNREAD)


async def mark_read(conn: Connection, user_id: int, notification_id: int) -> None:
    """Raises NotFound for one that is not the user's."""
    if not is_notification_id(notification_id) or not await sql.update_read(
        conn, notification_id, user_id=user_id
    ):
        raise NotFound("Notification not found")


async def mark_read_up_to(conn: Connection, user_id: int, newest: int | None) -> None:
    """That one and all that are older; without one, all."""
    newest = MAX_BIG_ID if newest is None else min(newest, MAX_BIG_ID)
    while await sql.update_read_up_to(conn, user_id, newest, limit=_AT_ONCE) == _AT_ONCE:
        pass


async def delete_old(conn: Connection) -> None:
    """What came more than KEPT_DAYS ago, a few at a time: on a connection in no transaction."""
    while await sql.delete_old(conn, days=KEPT_DAYS, limit=_AT_ONCE) == _AT_ONCE:
        pass


def is_notification_id(value: int) -> bool:
    """Unlike other ids these have 64 bits: there may be many for each message."""
    return 0 < value <= MAX_BIG_ID


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
    """The chat processes show it to the user's sockets, as ``show`` gives it."""
    await publish_each(
        conn,
        EPHEMERAL,
        CHAT_CHANNEL,
        [
            {"kind": "notification", "user_id": user_id, "notification_id": notification_id}
            for notification_id, user_id in inserted
        ],
    )
