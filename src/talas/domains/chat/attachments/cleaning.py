"""Uploads that no message carries, and objects and rows brought back together."""

import datetime as dt

from talas.core.database import Database
from talas.core.reconciling import Shelf
from talas.core.storage import Storage
from talas.domains.chat.attachments import service, sql
from talas.domains.chat.attachments.objects import FOLDER

UNUSED_AGE = dt.timedelta(hours=24)


def shelf(storage: Storage) -> Shelf:
    return Shelf("attachments", FOLDER, storage, sql.select_known_keys, sql.select_stored)


async def delete_unused(db: Database, *, older_than: dt.timedelta = UNUSED_AGE) -> int:
    """Of the uploads that are older, those that no message carries, or none any more; how many
    they were."""
    deleted, after_id = 0, 0
    while True:
        async with db.connection() as conn:
            looked_at = await sql.select_old(
                conn, after_id, older_than_s=older_than.total_seconds()
            )
        if not looked_at:
            return deleted
        after_id = looked_at[-1][0]
        unused = [upload_id for upload_id, is_unused in looked_at if is_unused]
        if unused:
            async with db.transaction() as conn:
                deleted += await service.delete_unused(conn, unused)
