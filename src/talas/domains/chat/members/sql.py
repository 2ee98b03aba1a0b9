"""Members of rooms, and those who may not come back, as PostgreSQL keeps them."""

from datetime import datetime

import msgspec

from talas.core.database import Connection, as_row, as_rows
from talas.core.http.pagination import Window


class Member(msgspec.Struct, frozen=True):
    """``muted_until`` is null when it is over."""

    user_id: int
    username: str
    avatar: str | None
    role: str
    joined_at: datetime
    muted_until: datetime | None


class Person(msgspec.Struct, frozen=True):
    id: int
    username: str


class Membership(msgspec.Struct, frozen=True):
    """A room that a user is in, and as what."""

    room_id: int
    is_private: bool
    role: str


class Standing(msgspec.Struct, frozen=True):
    """Of an account in the whole house."""

    username: str
    role: str
    status: str


# S608 below: what is put together are constants of this file.
_MEMBER = """
  u.id, u.username, u.avatar, m.role, m.joined_at,
  CASE WHEN m.muted_until > clock_timestamp() THEN m.muted_until END"""


def _select_members(order: str) -> str:
    """The page is cut along the index that has the order; people are looked up for it alone."""
    return f"""
WITH page AS (
  SELECT user_id
  FROM room_members
  WHERE room_id = $1
  ORDER BY {order}
  LIMIT $2
  OFFSET $3
)
SELECT {_MEMBER}
FROM page
JOIN room_members AS m ON m.room_id = $1 AND m.user_id = page.user_id
JOIN users AS u ON u.id = page.user_id
ORDER BY m.role DESC, m.joined_at, m.user_id
"""  # noqa: S608


# By the alphabet an owner comes after a moderator, and that after a member.
SELECT_MEMBERS = _select_members("role DESC, joined_at, user_id")
SELECT_MEMBERS_FROM_END = _select_members("role, joined_at DESC, user_id DESC")

SELECT_MEMBER = f"""
SELECT {_MEMBER}
FROM room_members AS m
JOIN users AS u ON u.id = m.user_id
WHERE m.room_id = $1 AND m.user_id = $2
"""  # noqa: S608

# Nobody is suspended or deleted while being added.
_ADDABLE = """
SELECT u.id, u.username
FROM users AS u
WHERE u.status = 'active'
  AND NOT EXISTS (SELECT FROM user_blocks AS b WHERE b.blocker_id = u.id AND b.blocked_id = $1)
"""

HOLD_ADDABLE = f"""
{_ADDABLE}
  AND u.id = ANY($2::INT[])
ORDER BY u.id
FOR SHARE OF u
"""

HOLD_ADDABLE_BY_NAME = f"""
{_ADDABLE}
  AND lower(u.username) = lower($2)
FOR SHARE OF u
"""

SELECT_STANDING = """
SELECT username, role, status
FROM users
WHERE id = $1
"""

INSERT_MEMBER = """
WITH mute AS (
  DELETE FROM room_mutes
  WHERE room_id = $1 AND user_id = $2
  RETURNING muted_until
)
INSERT INTO room_members (room_id, user_id, role, joined_seq, read_seq, muted_until)
VALUES ($1, $2, $3, $4, $4, (SELECT muted_until FROM mute))
"""

DELETE_MEMBER = """
WITH gone AS (
  DELETE FROM room_members
  WHERE room_id = $1 AND user_id = $2
  RETURNING room_id, user_id, role, muted_until
), mute AS (
  INSERT INTO room_mutes (room_id, user_id, muted_until)
  SELECT room_id, user_id, muted_until
  FROM gone
  WHERE muted_until > clock_timestamp()
  ON CONFLICT (room_id, user_id) DO UPDATE SET muted_until = excluded.muted_until
), links AS (
  DELETE FROM room_invites
  WHERE room_id = $1 AND created_by = $2
)
SELECT role
FROM gone
"""

UPDATE_ROLE = """
UPDATE room_members
SET role = $3
WHERE room_id = $1 AND user_id = $2
"""

DELETE_INVITES_BY = """
DELETE FROM room_invites
WHERE room_id = $1 AND created_by = $2
"""

UPDATE_MUTED_UNTIL = """
UPDATE room_members
SET muted_until = $3
WHERE room_id = $1 AND user_id = $2
"""

# The transaction may have begun before one that made an invitation and held the lock first.
INSERT_REMOVAL = """
INSERT INTO room_removals (room_id, user_id, removed_by, removed_at)
VALUES ($1, $2, $3, clock_timestamp())
ON CONFLICT (room_id, user_id) DO UPDATE
SET removed_by = excluded.removed_by, removed_at = excluded.removed_at
"""

DELETE_REMOVAL = """
DELETE FROM room_removals
WHERE room_id = $1 AND user_id = $2
"""

SELECT_HEIR = """
SELECT u.id, u.username
FROM room_members AS m
JOIN users AS u ON u.id = m.user_id
WHERE m.room_id = $1 AND u.status = 'active'
ORDER BY m.role DESC, m.joined_at, m.user_id
LIMIT 1
"""

# Of groups alone: they are small.
COUNT_MEMBERS = """
SELECT count(*)
FROM room_members
WHERE room_id = $1
"""

SELECT_HAS_MEMBERS = """
SELECT EXISTS (SELECT FROM room_members WHERE room_id = $1)
"""

SELECT_HAS_OWNER = """
SELECT EXISTS (SELECT FROM room_members WHERE room_id = $1 AND role = 'owner')
"""

LOCK_ROOMS_OF_USER = """
SELECT r.id
FROM rooms AS r
WHERE r.id = ANY(ARRAY(SELECT room_id FROM room_members WHERE user_id = $1))
ORDER BY r.id
FOR NO KEY UPDATE OF r
"""

SELECT_MEMBERSHIPS = """
SELECT r.id, r.is_private, m.role
FROM room_members AS m
JOIN rooms AS r ON r.id = m.room_id
WHERE m.user_id = $1 AND r.kind <> 'deleted'
ORDER BY r.id
"""

INSERT_DEPARTURES = """
WITH tops AS (
  UPDATE rooms
  SET seq = seq + 1
  WHERE id = ANY($1::INT[])
  RETURNING id, seq
)
INSERT INTO chat_events (room_id, seq, kind, actor_id, data)
SELECT tops.id, tops.seq, 'member', $2, $3
FROM tops
RETURNING room_id, seq
"""

DELETE_MEMBERSHIPS = """
DELETE FROM room_members
WHERE user_id = $1
"""

DELETE_REMOVALS_OF = """
DELETE FROM room_removals
WHERE user_id = $1
"""

DELETE_MUTES_OF = """
DELETE FROM room_mutes
WHERE user_id = $1
"""

DELETE_INVITES_IN = """
DELETE FROM room_invites
WHERE room_id = ANY($2::INT[]) AND created_by = $1
"""

DELETE_BLOCKS = """
DELETE FROM user_blocks
WHERE blocker_id = $1 OR blocked_id = $1
"""

DELETE_PREFERENCES = """
DELETE FROM chat_preferences
WHERE user_id = $1
"""

DELETE_READS = """
DELETE FROM conversation_reads
WHERE user_id = $1
"""

DELETE_REACTIONS = """
DELETE FROM message_reactions
WHERE user_id = $1
"""

DELETE_PRESENCE = """
DELETE FROM chat_presence
WHERE user_id = $1 AND room_id = ANY($2::INT[])
"""

DELETE_NOTIFICATIONS = """
DELETE FROM notifications
WHERE user_id = $1
"""


async def select_members(conn: Connection, room_id: int, window: Window) -> list[Member]:
    """The owner, then moderators, then members; each by when they came."""
    statement = SELECT_MEMBERS_FROM_END if window.from_end else SELECT_MEMBERS
    return as_rows(Member, await conn.fetch(statement, room_id, window.limit, window.offset))


async def select_member(conn: Connection, room_id: int, user_id: int) -> Member | None:
    return as_row(Member, await conn.fetchrow(SELECT_MEMBER, room_id, user_id))


async def hold_addable(conn: Connection, by_id: int, user_ids: list[int]) -> list[Person]:
    """Those of them who are active, until the transaction ends, and have not blocked ``by_id``."""
    return as_rows(Person, await conn.fetch(HOLD_ADDABLE, by_id, user_ids))


async def hold_addable_by_name(conn: Connection, by_id: int, username: str) -> Person | None:
    """As ``hold_addable``; case is ignored."""
    return as_row(Person, await conn.fetchrow(HOLD_ADDABLE_BY_NAME, by_id, username))


async def select_standing(conn: Connection, user_id: int) -> Standing:
    """Of an account that there is."""
    row = await conn.fetchrow(SELECT_STANDING, user_id)
    assert row is not None
    return Standing(*row)


async def insert_member(
    conn: Connection, room_id: int, user_id: int, *, role: str, seq: int
) -> None:
    """``seq`` is that of the joining. A mute that has not ended comes back."""
    await conn.execute(INSERT_MEMBER, room_id, user_id, role, seq)


async def delete_member(conn: Connection, room_id: int, user_id: int) -> str | None:
    """The role of who is gone, and with them the invitations that they made; None for who was no
    member."""
    role: str | None = await conn.fetchval(DELETE_MEMBER, room_id, user_id)
    return role


async def update_role(conn: Connection, room_id: int, user_id: int, role: str) -> None:
    await conn.execute(UPDATE_ROLE, room_id, user_id, role)


async def delete_invites_by(conn: Connection, room_id: int, user_id: int) -> None:
    await conn.execute(DELETE_INVITES_BY, room_id, user_id)


async def update_muted_until(
    conn: Connection, room_id: int, user_id: int, until: datetime | None
) -> None:
    await conn.execute(UPDATE_MUTED_UNTIL, room_id, user_id, until)


async def insert_removal(conn: Connection, room_id: int, user_id: int, *, by_id: int) -> None:
    await conn.execute(INSERT_REMOVAL, room_id, user_id, by_id)


async def delete_removal(conn: Connection, room_id: int, user_id: int) -> None:
    await conn.execute(DELETE_REMOVAL, room_id, user_id)


async def select_heir(conn: Connection, room_id: int) -> Person | None:
    """The moderator who has been there longest; where there is none, the member."""
    return as_row(Person, await conn.fetchrow(SELECT_HEIR, room_id))


async def select_has_members(conn: Connection, room_id: int) -> bool:
    return bool(await conn.fetchval(SELECT_HAS_MEMBERS, room_id))


async def select_has_owner(conn: Connection, room_id: int) -> bool:
    return bool(await conn.fetchval(SELECT_HAS_OWNER, room_id))


async def count_members(conn: Connection, group_id: int) -> int:
    """Of a group, by its rows."""
    return int(await conn.fetchval(COUNT_MEMBERS, group_id))


async def lock_rooms_of_user(conn: Connection, user_id: int) -> None:
    """By id, as whoever locks several does."""
    await conn.execute(LOCK_ROOMS_OF_USER, user_id)


async def select_memberships(conn: Connection, user_id: int) -> list[Membership]:
    """By id of the room."""
    return as_rows(Membership, await conn.fetch(SELECT_MEMBERSHIPS, user_id))


async def insert_departures(
    conn: Connection, room_ids: list[int], user_id: int, data: str
) -> list[tuple[int, int]]:
    """A ``member`` event in each room; their rooms with their ``seq``. ``data`` is JSON."""
    rows = await conn.fetch(INSERT_DEPARTURES, room_ids, user_id, data)
    return [(row[0], row[1]) for row in rows]


async def delete_all_of_user(conn: Connection, user_id: int, room_ids: list[int]) -> None:
    """Memberships of these rooms and what else the chat keeps of an account beside what it said."""
    await conn.execute(DELETE_MEMBERSHIPS, user_id)
    await conn.execute(DELETE_INVITES_IN, user_id, room_ids)
    await conn.execute(DELETE_REMOVALS_OF, user_id)
    await conn.execute(DELETE_MUTES_OF, user_id)
    await conn.execute(DELETE_BLOCKS, user_id)
    await conn.execute(DELETE_PREFERENCES, user_id)
    await conn.execute(DELETE_READS, user_id)
    await conn.execute(DELETE_REACTIONS, user_id)
    await conn.execute(DELETE_NOTIFICATIONS, user_id)
    await conn.execute(DELETE_PRESENCE, user_id, [0, *room_ids])
