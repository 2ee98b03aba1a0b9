"""Tracks that moderators have hidden, as PostgreSQL keeps them."""

import msgspec

from talas.core.database import Connection, as_row


class Exposure(msgspec.Struct, frozen=True):
    visibility: str
    hidden: bool


LOCK_EXPOSURE = """
SELECT visibility, hidden
FROM tracks
WHERE id = $1 AND status = 'ready'
FOR UPDATE
"""


async def lock_exposure(conn: Connection, track_id: int) -> Exposure | None:
    return as_row(Exposure, await conn.fetchrow(LOCK_EXPOSURE, track_id))


UPDATE_HIDDEN = """
UPDATE tracks
SET hidden = $2, visibility = 'private', updated_at = now()
WHERE id = $1
"""


async def update_hidden(conn: Connection, track_id: int, *, hidden: bool) -> None:
    """Private either way: who owns it decides whether it comes back."""
    await conn.execute(UPDATE_HIDDEN, track_id, hidden)


SELECT_HIDDEN = """
SELECT hidden
FROM tracks
WHERE id = $1
"""


async def select_hidden(conn: Connection, track_id: int) -> bool:
    hidden: bool = await conn.fetchval(SELECT_HIDDEN, track_id)
    return hidden
