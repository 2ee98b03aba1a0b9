"""Groups: rooms without a public name, for a few people."""

from datetime import datetime

import msgspec

from talas.core.database import Connection, as_rows
from talas.domains.chat.rooms.sql import unread


class GroupRow(msgspec.Struct, frozen=True):
    id: int
    name: str
    title: str | None
    created_by: int | None
    created_at: datetime
    role: str
    closed: bool
    seq: int
    read_seq: int
    unread: int
    visible_from: int


class GroupMember(msgspec.Struct, frozen=True):
    user_id: int
    username: str
    avatar: str | None
    role: str


class GroupMessage(msgspec.Struct, frozen=True):
    """``content`` is empty where the message was deleted."""

    id: int
    seq: int
    from_user: int
    username: str
    content: str
    timestamp: datetime
    deleted: bool


INSERT_GROUP = """
INSERT INTO rooms (name, name_key, kind, is_private, title, created_by)
VALUES ($1, $2, 'group', true, $3, $4)
RETURNING id
"""

# S608 below: what is put together are constants of this file.
_GROUP = f"""
SELECT
  r.id, r.name, r.title, r.created_by, r.created_at, mine.role, r.closed_at IS NOT NULL, r.seq,
  mine.read_seq, {unread("r", "mine")},
  CASE WHEN r.history = 'joining' THEN mine.joined_seq ELSE 0 END
FROM room_members AS mine
JOIN rooms AS r ON r.id = mine.room_id
WHERE mine.user_id = $1 AND r.kind = 'group'"""  # noqa: S608

SELECT_GROUPS = f"""
WITH page AS (
  SELECT r.id
  FROM room_members AS mine
  JOIN rooms AS r ON r.id = mine.room_id
  WHERE mine.user_id = $1 AND r.kind = 'group'
  ORDER BY r.id DESC
  LIMIT $2 OFFSET $3
)
{_GROUP}
  AND r.id = ANY(ARRAY(SELECT id FROM page))
ORDER BY r.id DESC
"""  # noqa: S608

SELECT_GROUP = f"""
{_GROUP}
  AND r.id = $2
"""

COUNT_GROUPS = """
SELECT count(*)
FROM room_members AS mine
JOIN rooms AS r ON r.id = mine.room_id
WHERE mine.user_id = $1 AND r.kind = 'group'
"""

SELECT_MEMBERS = """
SELECT m.room_id, u.id, u.username, u.avatar, m.role
FROM room_members AS m
JOIN users AS u ON u.id = m.user_id
WHERE m.room_id = ANY($1::INT[])
ORDER BY m.room_id, m.role DESC, m.joined_at, m.user_id
"""

SELECT_LAST_MESSAGES = """
SELECT
  asked.id, last.id, last.seq, u.id, u.username, last.content, last."timestamp", last.deleted
FROM unnest($1::INT[], $2::BIGINT[]) AS asked (id, visible_from)
CROSS JOIN LATERAL (
  SELECT m.id, m.seq, m.from_user, m.content, m."timestamp", m.deleted_at IS NOT NULL AS deleted
  FROM messages AS m
  WHERE m.room_id = asked.id AND m.seq > asked.visible_from
  ORDER BY m.seq DESC
  LIMIT 1
) AS last
JOIN users AS u ON u.id = last.from_user
"""


async def insert_group(conn: Connection, name: str, title: str | None, created_by: int) -> int:
    group_id: int = await conn.fetchval(INSERT_GROUP, name, name, title, created_by)
    return group_id


async def select_groups(
    conn: Connection, user_id: int, *, limit: int, offset: int
) -> list[GroupRow]:
    """Newest first."""
    return as_rows(GroupRow, await conn.fetch(SELECT_GROUPS, user_id, limit, offset))


async def select_group(conn: Connection, user_id: int, group_id: int) -> GroupRow:
    """One that the user is in."""
    row = await conn.fetchrow(SELECT_GROUP, user_id, group_id)
    assert row is not None
    return GroupRow(*row)


async def count_groups(conn: Connection, user_id: int) -> int:
    return int(await conn.fetchval(COUNT_GROUPS, user_id))


async def select_members(conn: Connection, group_ids: list[int]) -> dict[int, list[GroupMember]]:
    """By group: the owner first, then by when they came."""
    members: dict[int, list[GroupMember]] = {group_id: [] for group_id in group_ids}
    for row in await conn.fetch(SELECT_MEMBERS, group_ids):
        members[row[0]].append(GroupMember(*row[1:]))
    return members


async def select_last_messages(
    conn: Connection, visible_from: dict[int, int]
) -> dict[int, GroupMessage]:
    """By group, of what has a higher ``seq`` than is given with it."""
    ids, seqs = list(visible_from), list(visible_from.values())
    rows = await conn.fetch(SELECT_LAST_MESSAGES, ids, seqs)
    return {row[0]: GroupMessage(*row[1:]) for row in rows}
