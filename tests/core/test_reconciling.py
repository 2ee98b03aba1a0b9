"""Storage and rows held against each other, on a disk and in a store of the S3 kind."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from tests.conftest import MakeSettings

from talas.core.database import Connection, Database
from talas.core.errors import Unavailable
from talas.core.reconciling import (
    FEW,
    Shelf,
    delete_orphans,
    find_lost,
    find_orphans,
    is_empty,
    report_lost,
)
from talas.core.storage import Storage
from talas.core.stored_rows import StoredRow

AT_ONCE = dt.timedelta(seconds=-1)
KEYS = [f"files/{n:032x}/original" for n in range(1, 4)]


@pytest.fixture
async def db(make_settings: MakeSettings) -> AsyncIterator[Database]:
    db = await Database.connect(make_settings().database, application="test", max_connections=2)
    yield db
    await db.close()


@pytest.fixture(params=["disk", "remote"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "disk":
        return Storage.in_folder(tmp_path / "uploads")
    return Storage(MemoryStore(), None)


def _shelf(storage: Storage, rows: list[StoredRow]) -> Shelf:
    """``rows`` are what the table has; it may change meanwhile."""

    async def known(_conn: Connection, storage_keys: list[str]) -> set[str]:
        return {row.storage_key for row in rows} & {*storage_keys}

    async def behind(_conn: Connection, after_id: int) -> list[StoredRow]:
        return [row for row in rows if row.id > after_id][:2]

    return Shelf("files", "files", storage, known, behind)


async def test_what_no_row_knows(db: Database, storage: Storage) -> None:
    for key in (*KEYS, "other/a/original"):
        await storage.put(key, b"x")
    shelf = _shelf(storage, [StoredRow(1, KEYS[1])])
    assert [folder async for folder in find_orphans(db, shelf)] == []
    looked: list[None] = []
    found = find_orphans(db, shelf, older_than=AT_ONCE, on_look=lambda: looked.append(None))
    assert {folder async for folder in found} == {f"files/{n:032x}" for n in (1, 3)}
    assert len(looked) == 3
    assert await delete_orphans(db, shelf, older_than=AT_ONCE) == 2
    left = {item.key async for item in storage.list_under("")}
    assert left == {KEYS[1], "other/a/original"}


async def test_more_than_there_are_rows(db: Database, storage: Storage) -> None:
    """More than a crash leaves: the storage may belong to another database."""
    keys = [f"files/{n:032x}/original" for n in range(FEW + 1)]
    for key in keys:
        await storage.put(key, b"x")
    rows = [StoredRow(n, f"files/elsewhere{n}/original") for n in range(1, FEW + 1)]
    shelf = _shelf(storage, rows)
    with pytest.raises(Unavailable, match=r"does this database belong to this storage\?"):
        await delete_orphans(db, shelf, older_than=AT_ONCE)
    assert {item.key async for item in storage.list_under("")} == {*keys}
    assert await delete_orphans(db, shelf) == 0
    forced = find_orphans(db, shelf, older_than=AT_ONCE, force=True)
    assert len([folder async for folder in forced]) == FEW + 1
    rows.append(StoredRow(FEW + 1, "files/one-more/original"))
    assert await delete_orphans(db, shelf, older_than=AT_ONCE) == FEW + 1


async def test_few_go_although_there_is_no_row(db: Database, storage: Storage) -> None:
    for number in range(FEW):
        await storage.put(f"files/{number:032x}/original", b"x")
    assert await delete_orphans(db, _shelf(storage, []), older_than=AT_ONCE) == FEW


async def test_what_storage_has_lost(db: Database, storage: Storage) -> None:
    rows = [StoredRow(number, key) for number, key in enumerate(KEYS, 1)]
    shelf = _shelf(storage, rows)
    assert await is_empty(shelf)
    await storage.put(KEYS[1], b"x")
    assert not await is_empty(shelf)
    assert [row.id async for row in find_lost(db, shelf)] == [1, 3]
    assert await report_lost(db, shelf) == 2


async def test_a_row_that_is_deleted_meanwhile_has_lost_nothing(
    db: Database, storage: Storage
) -> None:
    rows = [StoredRow(number, key) for number, key in enumerate(KEYS, 1)]
    await storage.put(KEYS[0], b"x")
    lost = find_lost(db, _shelf(storage, rows), on_look=lambda: rows.clear())
    assert [row async for row in lost] == []
