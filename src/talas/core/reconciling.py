"""Storage and rows brought back together after what went wrong between them."""

import contextlib
import datetime as dt
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

import msgspec
import structlog

from talas.core.database import Connection, Database
from talas.core.errors import Unavailable
from talas.core.jobs import JobRunner
from talas.core.objects import ORIGINAL, folder_of, is_own_folder
from talas.core.storage import ObjectMissing, Storage
from talas.core.stored_rows import StoredRow

# A row comes within moments of its object; an hour leaves room for a slow commit.
ORPHAN_AGE = dt.timedelta(hours=1)
# As many as crashes may leave, however few the rows are.
FEW = 20
_BATCH = 500

log = structlog.get_logger()


class Shelf(msgspec.Struct, frozen=True):
    """One folder of a storage, and the table whose rows say what belongs there.

    ``select_known_keys`` gives those of some storage keys that rows have, ``select_stored`` the
    next rows behind an id, in order of id.
    """

    name: str
    folder: str
    storage: Storage
    select_known_keys: Callable[[Connection, list[str]], Awaitable[set[str]]]
    select_stored: Callable[[Connection, int], Awaitable[list[StoredRow]]]


def _ignore() -> None:
    pass


async def find_orphans(
    db: Database,
    shelf: Shelf,
    *,
    older_than: dt.timedelta = ORPHAN_AGE,
    on_look: Callable[[], None] = _ignore,
    force: bool = False,
) -> AsyncGenerator[str, None]:
    """The folders of objects that belong to no row and have not changed for ``older_than``: an
    upload's object is there before its row. What has no name that the server gives is somebody
    else's, and stays. ``on_look`` is called for every object.

    Raises Unavailable where they are more than FEW and more than there are rows, unless it is told
    to ``force``: then it may be another database that they belong to.
    """
    newest: dict[str, float] = {}
    async for item in shelf.storage.list_under(shelf.folder):
        on_look()
        folder = folder_of(item.key)
        if not is_own_folder(shelf.folder, folder):
            continue
        newest[folder] = max(newest.get(folder, 0.0), item.changed_at)
        if len(newest) > _BATCH:
            # The last folder may have more objects to come.
            last = {folder: newest.pop(folder)}
            for orphan in await _unknown(db, shelf, newest, older_than, force):
                yield orphan
            newest = last
    for orphan in await _unknown(db, shelf, newest, older_than, force):
        yield orphan


async def _unknown(
    db: Database, shelf: Shelf, newest: dict[str, float], older_than: dt.timedelta, force: bool
) -> list[str]:
    floor = time.time() - older_than.total_seconds()
    old = [folder for folder, changed_at in newest.items() if changed_at < floor]
    if not old:
        return []
    async with db.connection() as conn:
        known = await shelf.select_known_keys(conn, [f"{folder}/{ORIGINAL}" for folder in old])
        orphans = [folder for folder in old if f"{folder}/{ORIGINAL}" not in known]
        if len(orphans) > FEW and not force and len(orphans) > await _count_rows(conn, shelf):
            raise Unavailable(
                f"The storage of {shelf.name} has {len(orphans)} objects or more that the database "
                "does not know, more than it has rows: does this database belong to this storage? "
                "If so, `talas files reconcile --force` deletes them. They are all still there"
            )
    return orphans


async def _count_rows(conn: Connection, shelf: Shelf) -> int:
    """Up to a batch, there may be millions."""
    count = after_id = 0
    while count < _BATCH and (rows := await shelf.select_stored(conn, after_id)):
        count += len(rows)
        after_id = rows[-1].id
    return count


async def delete_orphans(
    db: Database, shelf: Shelf, *, older_than: dt.timedelta = ORPHAN_AGE
) -> int:
    """Removes what ``find_orphans`` finds, and what crashes left half-written; how much it was.
    Raises as it does."""
    deleted = await shelf.storage.clean_incoming(older_than)
    async with contextlib.aclosing(find_orphans(db, shelf, older_than=older_than)) as orphans:
        async for folder in orphans:
            await shelf.storage.delete_under(folder)
            deleted += 1
    if deleted:
        log.info(f"{shelf.name}.orphans_deleted", count=deleted)
    return deleted


async def find_lost(
    db: Database, shelf: Shelf, *, on_look: Callable[[], None] = _ignore
) -> AsyncGenerator[StoredRow, None]:
    """The rows whose object is not there. A storage that does not answer raises: nothing is lost
    then. ``on_look`` is called for every row."""
    after_id = 0
    while True:
        async with db.connection() as conn:
            rows = await shelf.select_stored(conn, after_id)
        if not rows:
            return
        after_id = rows[-1].id
        for row in rows:
            on_look()
            try:
                await shelf.storage.size(row.storage_key)
            except ObjectMissing:
                if await _is_still_there(db, shelf, row):
                    yield row


async def is_empty(shelf: Shelf) -> bool:
    """Whether there is nothing at all in its folder."""
    async with contextlib.aclosing(shelf.storage.list_under(shelf.folder)) as items:
        async for _ in items:
            return False
    return True


async def _is_still_there(db: Database, shelf: Shelf, row: StoredRow) -> bool:
    """Deleted meanwhile, a row takes its object with it."""
    async with db.connection() as conn:
        return bool(await shelf.select_known_keys(conn, [row.storage_key]))


async def report_lost(db: Database, shelf: Shelf) -> int:
    """Logs each row that ``find_lost`` finds; how many they were."""
    count = 0
    async with contextlib.aclosing(find_lost(db, shelf)) as lost:
        async for row in lost:
            log.error(f"{shelf.name}.object_lost", id=row.id, storage_key=row.storage_key)
            count += 1
    return count


def register_reconciling(
    runner: JobRunner, db: Database, shelf: Shelf, *, hourly_at: int, daily_at: str
) -> None:
    """Every hour what belongs to no row is deleted, every day what is lost is logged: its row stays
    and says so to whom it belongs. ``daily_at`` is a minute and an hour in UTC, as crontab has
    them."""

    runner.every(f"{shelf.name}.clean", f"{hourly_at} * * * *", lambda: delete_orphans(db, shelf))
    runner.every(f"{shelf.name}.check_objects", f"{daily_at} * * *", lambda: report_lost(db, shelf))
