"""Rooms, conversations and messages as PostgreSQL keeps them."""

from datetime import datetime
from uuid import UUID

import msgspec

from talas.core.database import Connection, as_row, as_rows


class RoomRow(msgspec.Struct, frozen=True):
    """A room as one user sees it; ``seq`` is the number of its newest event. ``role`` is None for
    who is no member; ``removed`` says that a moderator removed the user."""

    id: int
    name: str
    kind: str
    is_private: bool
    history: str
    seq: int
    closed: bool
    role: str | None
    joined_seq: int
    removed: bool

    @property
    def is_member(self) -> bool:
        return self.role is not None

    @property
    def visible_from(self) -> int:
        """The user sees what has a higher ``seq`` than this."""
        return self.joined_seq if self.history == "joining" else 0


class MessageRow(msgspec.Struct, frozen=True):
    """A message and where it stands: in a room, or between ``from_user`` and ``to_user``."""

    id: int
    seq: int
    room_id: int | None
    conversation_id: int | None
    from_user: int
    to_user: int | None
    content: str
    edited_at: datetime | None
    deleted_at: datetime | None
    pinned_at: datetime | None


class LockedRoom(msgspec.Struct, frozen=True):
    id: int
    name: str
    is_private: bool
    seq: int
    closed: bool
    slow_mode_s: int
    history: str


class Speaker(msgspec.Struct, frozen=True):
    """A member as far as it matters for speaking; ``muted_until`` is None when it is over, and
    ``spoke_s_ago`` where nothing is kept of it."""

    role: str
    joined_seq: int
    muted_until: datetime | None
    muted_for_s: float
    spoke_s_ago: float | None


class LockedConversation(msgspec.Struct, frozen=True):
    """``blocked_by_low``: the one with the lower id has blocked the other."""

    id: int
    user_low: int
    user_high: int
    seq: int
    blocked_by_low: bool
    blocked_by_high: bool


class Peer(msgspec.Struct, frozen=True):
    """The other side of a conversation; None as long as nobody has said anything in it. ``seq`` is
    the number of its newest event."""

    user_id: int
    status: str
    conversation_id: int | None
    seq: int


class Message(msgspec.Struct, frozen=True):
    """In a room (``room_id``, ``room``) or a conversation (``conversation_id``, ``to_user``)."""

    id: int
    seq: int
    room_id: int | None
    conversation_id: int | None
    room: str | None
    from_user: int
    username: str
    to_user: int | None
    content: str
    timestamp: datetime
    client_id: UUID | None
    reply_to: int | None
    edited_at: datetime | None
    deleted_at: datetime | None
    pinned_at: datetime | None
    attachments: str | None
    """JSON, as it is shown."""
    mentions: list[int] | None


class NewMessage(msgspec.Struct, frozen=True):
    from_user: int
    to_user: int | None
    room: str | None
    room_id: int | None
    conversation_id: int | None
    content: str
    seq: int
    client_id: UUID | None
    reply_to: int | None
    attachments: str | None
    mentions: list[int] | None


class InsertedMessage(msgspec.Struct, frozen=True):
    id: int
    room_id: int | None
    conversation_id: int | None
    seq: int
    timestamp: datetime


class Replied(msgspec.Struct, frozen=True):
    id: int
    room_id: int | None
    conversation_id: int | None
    from_user: int
    seq: int


_ROOM = """
SELECT
    r.id, r.name, r.kind, r.is_private, r.history, r.seq, r.closed_at IS NOT NULL, m.role,
    coalesce(m.joined_seq, r.seq),
    EXISTS (SELECT FROM room_removals AS g WHERE g.room_id = r.id AND g.user_id = $2)
FROM rooms AS r
LEFT JOIN room_members AS m ON m.room_id = r.id AND m.user_id = $2
"""

SELECT_ROOM = f"""
{_ROOM}
WHERE r.name_key = $1
  AND r.kind <> 'deleted'
"""

SELECT_ROOM_BY_ID = f"""
{_ROOM}
WHERE r.id = $1
  AND r.kind <> 'deleted'
"""

LOCK_ROOM = """
SELECT seq
FROM rooms
WHERE id = $1
FOR NO KEY UPDATE
"""

SELECT_MESSAGE = """
SELECT
    m.id, m.seq, m.room_id, m.conversation_id, m.from_user, m.to_user, m.content, m.edited_at,
    m.deleted_at, m.pinned_at
FROM messages AS m
WHERE m.id = $1
"""

SELECT_IS_BLOCKED = """
SELECT EXISTS (SELECT FROM user_blocks WHERE blocker_id = $1 AND blocked_id = $2)
"""

INSERT_MEMBER = """
INSERT INTO room_members (room_id, user_id, role)
VALUES ($1, $2, $3)
ON CONFLICT (room_id, user_id) DO NOTHING
"""

# By the database's clock, which is one for all processes.
SELECT_SPEAKERS = """
SELECT
    m.room_id, m.user_id, m.role, m.joined_seq,
    CASE WHEN m.muted_until > clock_timestamp() THEN m.muted_until END,
    coalesce(extract(epoch FROM m.muted_until - clock_timestamp()), 0)::float8,
    extract(epoch FROM clock_timestamp() - m.spoke_at)::float8
FROM unnest($1::int[], $2::int[]) AS asked (room_id, user_id)
JOIN room_members AS m ON m.room_id = asked.room_id AND m.user_id = asked.user_id
"""

UPDATE_SPOKE_AT = """
UPDATE room_members AS m
SET spoke_at = clock_timestamp()
FROM unnest($1::int[], $2::int[]) AS spoke (room_id, user_id)
WHERE m.room_id = spoke.room_id AND m.user_id = spoke.user_id
"""

# Rooms before conversations, each by id: whoever locks several does it in this order.
LOCK_ROOMS = """
SELECT id, name, is_private, seq, closed_at IS NOT NULL, slow_mode_s, history
FROM rooms
WHERE id = ANY($1::int[])
  AND kind <> 'deleted'
ORDER BY id
FOR NO KEY UPDATE
"""

INSERT_CONVERSATIONS = """
INSERT INTO conversations (user_low, user_high)
SELECT asked.low, asked.high
FROM unnest($1::int[], $2::int[]) AS asked (low, high)
ORDER BY asked.low, asked.high
ON CONFLICT (user_low, user_high) DO NOTHING
"""

LOCK_CONVERSATIONS = """
SELECT
    c.id, c.user_low, c.user_high, c.seq,
    EXISTS (
        SELECT FROM user_blocks AS b
        WHERE b.blocker_id = c.user_low AND b.blocked_id = c.user_high
    ),
    EXISTS (
        SELECT FROM user_blocks AS b
        WHERE b.blocker_id = c.user_high AND b.blocked_id = c.user_low
    )
FROM conversations AS c
JOIN unnest($1::int[], $2::int[]) AS asked (low, high)
  ON c.user_low = asked.low AND c.user_high = asked.high
ORDER BY c.id
FOR NO KEY UPDATE OF c
"""

SELECT_ACTIVE_NAMES = """
SELECT id, username
FROM users
WHERE id = ANY($1::int[])
  AND status = 'active'
"""

SELECT_IS_SUSPENDED = """
SELECT EXISTS (SELECT FROM users WHERE id = $1 AND status = 'suspended')
"""

SELECT_PEER = """
SELECT u.id, u.status, c.id, coalesce(c.seq, 0)
FROM users AS u
LEFT JOIN conversations AS c
  ON c.user_low = least($1::int, $2::int) AND c.user_high = greatest($1::int, $2::int)
    AND c.seq > 0
WHERE u.id = $2
"""

SELECT_REPLIED = """
SELECT id, room_id, conversation_id, from_user, seq
FROM messages
WHERE id = ANY($1::int[])
"""

INSERT_MESSAGES = """
WITH room_tops AS (
    UPDATE rooms AS r
    SET seq = top.seq
    FROM unnest($1::int[], $2::bigint[]) AS top (id, seq)
    WHERE r.id = top.id
), conversation_tops AS (
    UPDATE conversations AS c
    SET seq = top.seq
    FROM unnest($3::int[], $4::bigint[]) AS top (id, seq)
    WHERE c.id = top.id
)
INSERT INTO messages (
    from_user, to_user, room, room_id, conversation_id, content, seq, client_id, reply_to,
    attachments, mentions, "timestamp"
)
SELECT
    new.from_user, new.to_user, new.room, new.room_id, new.conversation_id, new.content,
    new.seq, new.client_id, new.reply_to, new.attachments, new.mentions::int[], clock_timestamp()
FROM unnest(
    $5::int[], $6::int[], $7::text[], $8::int[], $9::int[], $10::text[], $11::bigint[],
    $12::uuid[], $13::int[], $14::jsonb[], $15::text[]
) WITH ORDINALITY AS new (
    from_user, to_user, room, room_id, conversation_id, content, seq, client_id, reply_to,
    attachments, mentions, place
)
ORDER BY new.place
RETURNING id, room_id, conversation_id, seq, "timestamp"
"""

SELECT_MESSAGES = """
SELECT
    m.id, m.seq, m.room_id, m.conversation_id, coalesce(r.name, m.room), m.from_user,
    u.username, m.to_user, m.content, m."timestamp", m.client_id, m.reply_to, m.edited_at,
    m.deleted_at, m.pinned_at, m.attachments, m.mentions
FROM messages AS m
JOIN users AS u ON u.id = m.from_user
LEFT JOIN rooms AS r ON r.id = m.room_id
"""

SELECT_ALREADY_SENT = f"""
{SELECT_MESSAGES}
JOIN unnest($1::int[], $2::uuid[]) AS asked (from_user, client_id)
  ON m.from_user = asked.from_user AND m.client_id = asked.client_id
"""

# After a crash PostgreSQL may give an id again whose transaction was not committed.
SELECT_MESSAGE_EXISTS = """
SELECT EXISTS (
    SELECT FROM messages
    WHERE id = $1 AND from_user = $2 AND "timestamp" = $3
)
"""


async def select_room(conn: Connection, name_key: str, user_id: int) -> RoomRow | None:
    return as_row(RoomRow, await conn.fetchrow(SELECT_ROOM, name_key, user_id))


async def select_room_by_id(conn: Connection, room_id: int, user_id: int) -> RoomRow | None:
    return as_row(RoomRow, await conn.fetchrow(SELECT_ROOM_BY_ID, room_id, user_id))


async def lock_room(conn: Connection, room_id: int) -> None:
    """Until the transaction ends, nothing else takes a ``seq`` of the room. What is read after
    this is what the next ``seq`` builds on."""
    await conn.execute(LOCK_ROOM, room_id)


async def select_message(conn: Connection, message_id: int) -> MessageRow | None:
    return as_row(MessageRow, await conn.fetchrow(SELECT_MESSAGE, message_id))


async def select_is_blocked(conn: Connection, blocker_id: int, blocked_id: int) -> bool:
    return bool(await conn.fetchval(SELECT_IS_BLOCKED, blocker_id, blocked_id))


async def insert_member(conn: Connection, room_id: int, user_id: int, role: str) -> None:
    await conn.execute(INSERT_MEMBER, room_id, user_id, role)


async def select_speakers(
    conn: Connection, room_ids: list[int], user_ids: list[int]
) -> dict[tuple[int, int], Speaker]:
    """Those of the pairs (room, user) that are memberships."""
    rows = await conn.fetch(SELECT_SPEAKERS, room_ids, user_ids)
    return {(row[0], row[1]): Speaker(*row[2:]) for row in rows}


async def update_spoke_at(conn: Connection, room_ids: list[int], user_ids: list[int]) -> None:
    await conn.execute(UPDATE_SPOKE_AT, room_ids, user_ids)


async def lock_rooms(conn: Connection, room_ids: list[int]) -> list[LockedRoom]:
    return as_rows(LockedRoom, await conn.fetch(LOCK_ROOMS, room_ids))


async def insert_conversations(conn: Connection, lows: list[int], highs: list[int]) -> None:
    """Those that exist stay as they are."""
    await conn.execute(INSERT_CONVERSATIONS, lows, highs)


async def lock_conversations(
    conn: Connection, lows: list[int], highs: list[int]
) -> list[LockedConversation]:
    return as_rows(LockedConversation, await conn.fetch(LOCK_CONVERSATIONS, lows, highs))


async def select_active_names(conn: Connection, user_ids: list[int]) -> dict[int, str]:
    """The usernames of those accounts that are active."""
    return {row[0]: row[1] for row in await conn.fetch(SELECT_ACTIVE_NAMES, user_ids)}


async def select_is_suspended(conn: Connection, user_id: int) -> bool:
    return bool(await conn.fetchval(SELECT_IS_SUSPENDED, user_id))


async def select_peer(conn: Connection, user_id: int, peer_id: int) -> Peer | None:
    return as_row(Peer, await conn.fetchrow(SELECT_PEER, user_id, peer_id))


async def select_replied(conn: Connection, message_ids: list[int]) -> list[Replied]:
    return as_rows(Replied, await conn.fetch(SELECT_REPLIED, message_ids))


async def select_already_sent(
    conn: Connection, user_ids: list[int], client_ids: list[UUID]
) -> list[Message]:
    return as_rows(Message, await conn.fetch(SELECT_ALREADY_SENT, user_ids, client_ids))


async def insert_messages(
    conn: Connection,
    new: list[NewMessage],
    *,
    room_tops: dict[int, int],
    conversation_tops: dict[int, int],
) -> list[InsertedMessage]:
    """Ids rise in the order of ``new``; the tops are the highest ``seq`` of each place."""
    columns = [list(column) for column in zip(*map(msgspec.structs.astuple, new), strict=True)]
    # An array of arrays would have to be rectangular.
    mentions = columns.pop()
    columns.append(["{" + ",".join(map(str, ids)) + "}" if ids else None for ids in mentions])
    rows = await conn.fetch(
        INSERT_MESSAGES,
        list(room_tops),
        list(room_tops.values()),
        list(conversation_tops),
        list(conversation_tops.values()),
        *columns,
    )
    return as_rows(InsertedMessage, rows)


async def select_message_exists(
    conn: Connection, message_id: int, author_id: int, at: datetime
) -> bool:
    return bool(await conn.fetchval(SELECT_MESSAGE_EXISTS, message_id, author_id, at))
