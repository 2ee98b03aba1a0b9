"""Invitations by link, as PostgreSQL keeps them: of the token only its hash."""

from datetime import datetime

import msgspec

from talas.core.database import Connection, as_row, as_rows


class Invite(msgspec.Struct, frozen=True):
    """``created_by`` is a username."""

    id: int
    created_by: str
    created_at: datetime
    expires_at: datetime
    max_uses: int | None
    uses: int


class InsertedInvite(msgspec.Struct, frozen=True):
    id: int
    expires_at: datetime


class InvitedRoom(msgspec.Struct, frozen=True):
    """The room that a token leads to, and the invitation; ``used_up`` where nobody else may come,
    ``outdated`` where the user was removed after the invitation was made."""

    invite_id: int
    room_id: int
    name: str
    kind: str
    title: str | None
    description: str | None
    invited_by: str
    expires_at: datetime
    used_up: bool
    is_member: bool
    outdated: bool


COUNT_INVITES = """
SELECT count(*)
FROM room_invites
WHERE room_id = $1 AND expires_at > clock_timestamp()
"""

INSERT_INVITE = """
INSERT INTO room_invites (room_id, created_by, token_hash, created_at, expires_at, max_uses)
VALUES (
  $1, $2, $3, clock_timestamp(), clock_timestamp() + make_interval(secs => $4), $5
)
RETURNING id, expires_at
"""

SELECT_INVITES = """
SELECT i.id, u.username, i.created_at, i.expires_at, i.max_uses, i.uses
FROM room_invites AS i
JOIN users AS u ON u.id = i.created_by
WHERE i.room_id = $1 AND i.expires_at > clock_timestamp()
ORDER BY i.id DESC
LIMIT $2
"""

DELETE_INVITE = """
DELETE FROM room_invites
WHERE room_id = $1 AND id = $2
RETURNING id
"""

SELECT_INVITED = """
SELECT
  i.id, r.id, r.name, r.kind, r.title, r.description, u.username, i.expires_at,
  coalesce(i.uses >= i.max_uses, false),
  EXISTS (SELECT FROM room_members AS m WHERE m.room_id = r.id AND m.user_id = $2),
  EXISTS (
    SELECT
    FROM room_removals AS g
    WHERE g.room_id = r.id AND g.user_id = $2 AND g.removed_at >= i.created_at
  )
FROM room_invites AS i
JOIN rooms AS r ON r.id = i.room_id
JOIN users AS u ON u.id = i.created_by
WHERE i.token_hash = $1
  AND i.expires_at > clock_timestamp()
  AND r.kind <> 'deleted'
"""

UPDATE_USES = """
UPDATE room_invites
SET uses = uses + 1
WHERE id = $1
"""

DELETE_EXPIRED_INVITES = """
DELETE FROM room_invites
WHERE expires_at < now() - interval '1 day'
"""


async def count_invites(conn: Connection, room_id: int) -> int:
    """Those that have not expired."""
    return int(await conn.fetchval(COUNT_INVITES, room_id))


async def insert_invite(
    conn: Connection,
    room_id: int,
    created_by: int,
    token_hash: bytes,
    *,
    expires_in: int,
    max_uses: int | None,
) -> InsertedInvite:
    row = await conn.fetchrow(
        INSERT_INVITE, room_id, created_by, token_hash, float(expires_in), max_uses
    )
    assert row is not None
    return InsertedInvite(*row)


async def select_invites(conn: Connection, room_id: int, limit: int) -> list[Invite]:
    """Those that have not expired, newest first."""
    return as_rows(Invite, await conn.fetch(SELECT_INVITES, room_id, limit))


async def delete_invite(conn: Connection, room_id: int, invite_id: int) -> bool:
    return await conn.fetchval(DELETE_INVITE, room_id, invite_id) is not None


async def select_invited(conn: Connection, token_hash: bytes, user_id: int) -> InvitedRoom | None:
    """None for what has expired, or was never made."""
    return as_row(InvitedRoom, await conn.fetchrow(SELECT_INVITED, token_hash, user_id))


async def update_uses(conn: Connection, invite_id: int) -> None:
    """The room is locked."""
    await conn.execute(UPDATE_USES, invite_id)


async def delete_expired_invites(conn: Connection) -> None:
    await conn.execute(DELETE_EXPIRED_INVITES)
