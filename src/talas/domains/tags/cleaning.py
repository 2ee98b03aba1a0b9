"""Tags that no track carries any more go."""

import asyncio

from talas.core.database import Connection
from talas.domains.tags import sql

BATCH = 500
TRIES = 20
PAUSE_S = 0.05


async def delete_unused_tags(conn: Connection) -> None:
    """On a connection that is in no transaction: nobody else may use a tag meanwhile, so that each
    batch is a short one of its own. What is in use for longer waits for the next time."""
    last_id = 0
    while tag_ids := await sql.select_unused_tags(conn, after=last_id, limit=BATCH):
        last_id = tag_ids[-1]
        for _ in range(TRIES):
            if await _delete(conn, tag_ids):
                break
            await asyncio.sleep(PAUSE_S)
        else:
            return


async def _delete(conn: Connection, tag_ids: list[int]) -> bool:
    """Those that are still without a use; False when somebody is about to change uses."""
    async with conn.transaction():
        held = await sql.try_to_hold_tags_alone(conn)
        if held:
            await sql.delete_unused_tags(conn, tag_ids)
    return held
