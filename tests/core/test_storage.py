"""Objects on a disk and, by the same calls, in a store of the S3 kind."""

import asyncio
import datetime as dt
import errno
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from obstore.store import MemoryStore
from tests.conftest import MakeSettings

from talas.core.errors import StorageFull
from talas.core.settings import FileSettings, SettingsError
from talas.core.storage import INCOMING, ObjectMissing, Storage


@pytest.fixture(params=["disk", "remote"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "disk":
        return Storage.in_folder(tmp_path)
    return Storage(MemoryStore(), None)


@pytest.fixture
def disk(tmp_path: Path) -> Storage:
    return Storage.in_folder(tmp_path)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


async def blocks(
    count: int, *, then: Exception | None = None, size: int = 700_000
) -> AsyncIterator[bytes]:
    for number in range(count):
        yield bytes([number]) * size
    if then is not None:
        raise then


async def keys(storage: Storage, folder: str) -> list[str]:
    return sorted([item.key async for item in storage.list_under(folder)])


async def test_what_is_put_can_be_read(storage: Storage) -> None:
    await storage.put_stream("a/b/c", blocks(10))
    whole = b"".join([chunk async for chunk in blocks(10)])
    assert await storage.size("a/b/c") == len(whole)
    assert await storage.read("a/b/c") == whole
    for start, end in [(0, len(whole)), (0, 1), (699_999, 700_001), (5, 5), (6_999_999, 7_000_000)]:
        read = [chunk async for chunk in storage.read_range("a/b/c", start, end)]
        assert b"".join(read) == whole[start:end]
        assert all(len(chunk) <= 8 * 1024 * 1024 for chunk in read)


async def test_putting_again_replaces(storage: Storage) -> None:
    await storage.put("a/b", b"first")
    await storage.put("a/b", b"second, and longer")
    assert await storage.read("a/b") == b"second, and longer"


async def test_an_empty_object(storage: Storage) -> None:
    await storage.put("a/empty", b"")
    assert await storage.size("a/empty") == 0
    assert [chunk async for chunk in storage.read_range("a/empty", 0, 0)] == []


async def test_what_is_not_there(storage: Storage) -> None:
    with pytest.raises(ObjectMissing):
        await storage.read("no/such")
    with pytest.raises(ObjectMissing):
        await storage.size("no/such")
    with pytest.raises(ObjectMissing):
        await anext(storage.read_range("no/such", 0, 10))
    await storage.delete("no/such")
    await storage.delete_under("no/1")
    for everybodys in ("", "t", "t/"):
        with pytest.raises(ValueError, match="not the folder of one thing"):
            await storage.delete_under(everybodys)
    assert await keys(storage, "no") == []


async def test_reading_behind_the_end_is_an_error(storage: Storage) -> None:
    await storage.put("a/short", b"12345")
    with pytest.raises(EOFError):
        async for _ in storage.read_range("a/short", 3, 9):
            pass


async def test_deleting_a_folder_takes_its_objects_and_no_others(storage: Storage) -> None:
    for key in ("t/1/a", "t/1/b", "t/12/a"):
        await storage.put(key, b"x")
    await storage.delete_under("t/1")
    assert await keys(storage, "t") == ["t/12/a"]


async def test_listing_says_size_and_time(storage: Storage) -> None:
    await storage.put("t/a", b"1234")
    (item,) = [item async for item in storage.list_under("t")]
    assert (item.key, item.size) == ("t/a", 4)
    assert abs(item.changed_at - dt.datetime.now(dt.UTC).timestamp()) < 60


async def test_download(storage: Storage, tmp_path: Path) -> None:
    await storage.put_stream("a/b", blocks(3))
    await storage.download("a/b", tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_size == 2_100_000


async def test_a_source_that_fails_leaves_nothing(storage: Storage, tmp_path: Path) -> None:
    await storage.put("a/kept", b"x")
    before = files(tmp_path)
    with pytest.raises(ValueError, match="cut off"):
        await storage.put_stream("a/b", blocks(10, then=ValueError("cut off")))
    assert files(tmp_path) == before
    assert await keys(storage, "a") == ["a/kept"]


async def test_a_cancelled_put_leaves_nothing(disk: Storage, tmp_path: Path) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        while True:
            yield bytes(100_000)
            await asyncio.sleep(0.005)

    descriptors = len(os.listdir("/proc/self/fd"))
    putting = asyncio.create_task(disk.put_stream("a/b", slowly()))
    async with asyncio.timeout(60):
        while not any(name.startswith(INCOMING) for name in files(tmp_path)):
            await asyncio.sleep(0.01)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert files(tmp_path) == set()
    assert len(os.listdir("/proc/self/fd")) <= descriptors


async def test_a_reader_sees_the_whole_object_or_none(disk: Storage) -> None:
    seen = asyncio.Event()

    async def watched() -> AsyncIterator[bytes]:
        async for block in blocks(5):
            yield block
        with pytest.raises(ObjectMissing):
            await disk.size("a/b")
        seen.set()

    await disk.put_stream("a/b", watched())
    assert seen.is_set()


async def test_bytes_and_folders_are_synced_before_it_returns(
    disk: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def record(descriptor: int) -> None:
        synced.append(os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), tmp_path))

    monkeypatch.setattr(os, "fsync", record)
    await disk.put("a/b/c", b"x")
    assert synced[0].startswith(INCOMING)
    assert synced[1:] == ["a/b", "a", "."]


@pytest.mark.parametrize("full", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_is_said_and_leaves_nothing(
    disk: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: int
) -> None:
    written = 0

    def write(descriptor: int, block: memoryview) -> int:
        nonlocal written
        written += len(block)
        if written > 2_000_000:
            raise OSError(full, os.strerror(full))
        return real(descriptor, block)

    real = os.write
    monkeypatch.setattr("talas.core.storage.os.write", write)
    with pytest.raises(StorageFull):
        await disk.put_stream("a/b", blocks(10))
    assert files(tmp_path) == set()


MEBIBYTE = 1024 * 1024


class Disk:
    """Stands for the disk below ``os.statvfs``; its answers are in blocks of 4 KiB."""

    def __init__(self, *, size: int, free: int, taken_by_others: int = 0) -> None:
        self.size, self.free, self.taken_by_others = size, free, taken_by_others

    def statvfs(self, _path: object) -> os.statvfs_result:
        blocks, free = self.size // 4096, max(0, self.free) // 4096
        self.free -= self.taken_by_others
        # What only root may take is no room.
        return os.statvfs_result((4096, 4096, blocks, blocks, free, 0, 0, 0, 0, 255))


@pytest.mark.parametrize(
    ("size", "free", "fits"),
    [
        (8192 * MEBIBYTE, 600 * MEBIBYTE, True),
        (8192 * MEBIBYTE, 500 * MEBIBYTE, False),
        (102_400 * MEBIBYTE, 2200 * MEBIBYTE, True),
        (102_400 * MEBIBYTE, 2000 * MEBIBYTE, False),
        (64 * MEBIBYTE, 40 * MEBIBYTE, True),
        (64 * MEBIBYTE, 30 * MEBIBYTE, False),
    ],
)
async def test_the_last_of_the_disk_is_left_to_others(
    disk: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, free: int, fits: bool
) -> None:
    monkeypatch.setattr("talas.core.storage.os.statvfs", Disk(size=size, free=free).statvfs)
    if fits:
        await disk.put("a/b", b"x")
    else:
        with pytest.raises(StorageFull):
            await disk.put("a/b", b"x")
    assert files(tmp_path) == ({"a/b"} if fits else set())


async def test_a_disk_that_fills_while_writing_ends_it(
    disk: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling = Disk(size=8192 * MEBIBYTE, free=517 * MEBIBYTE, taken_by_others=MEBIBYTE)
    monkeypatch.setattr("talas.core.storage.os.statvfs", filling.statvfs)
    taken = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal taken
        async for block in blocks(100):
            taken += 1
            yield block

    with pytest.raises(StorageFull):
        await disk.put_stream("a/b", counted())
    assert taken < 20
    assert files(tmp_path) == set()


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_nobody_else_looks_into_a_folder_that_talas_made(tmp_path: Path, umask: int) -> None:
    (tmp_path / "given").mkdir(mode=0o750)
    before = os.umask(umask)
    try:
        for name in ("given", "new/uploads"):
            Storage.in_folder(tmp_path / name)
    finally:
        os.umask(before)
    assert (tmp_path / "new/uploads").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "given").stat().st_mode & 0o777 == 0o750


async def test_leftovers_of_a_crash_are_cleaned_and_work_under_way_is_not(
    disk: Storage, tmp_path: Path
) -> None:
    await disk.put("a/b", b"x")
    old, new = tmp_path / INCOMING / "old", tmp_path / INCOMING / "new"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert await disk.clean_incoming(dt.timedelta(hours=1)) == 1
    assert files(tmp_path) == {"a/b", f"{INCOMING}/new"}


@pytest.fixture
def _no_nowait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talas.core.storage._NOWAIT", None)


@pytest.mark.usefixtures("_no_nowait")
async def test_reads_where_the_system_cannot_say_what_is_cached(disk: Storage) -> None:
    await disk.put_stream("a/b", blocks(3))
    read = b"".join([chunk async for chunk in disk.read_range("a/b", 10, 2_000_000)])
    assert len(read) == 1_999_990


def test_documents_have_a_folder_of_their_own(make_settings: MakeSettings, tmp_path: Path) -> None:
    for variables in ({}, {"storage_url": f"file://{tmp_path}/elsewhere"}):
        settings = make_settings(internal_docs_path=tmp_path / "docs", **variables).files
        docs = Storage.open_docs(settings).local_path("docs/a/original")
        assert docs == tmp_path / "docs/docs/a/original"
        assert Storage.open(settings).local_path("docs/a/original") != docs


def test_a_remote_store_holds_documents_too(make_settings: MakeSettings, tmp_path: Path) -> None:
    settings = make_settings(storage_url="s3://bucket", internal_docs_path=tmp_path / "docs")
    assert Storage.open_docs(settings.files).local_path("docs/a/original") is None
    assert not (tmp_path / "docs").exists()


@pytest.mark.parametrize(
    ("variable", "open_storage"),
    [
        ("UPLOAD_PATH", Storage.open),
        ("STORAGE_URL", Storage.open),
        ("INTERNAL_DOCS_PATH", Storage.open_docs),
    ],
)
def test_a_folder_that_cannot_be_used_is_named_with_its_variable(
    make_settings: MakeSettings,
    tmp_path: Path,
    variable: str,
    open_storage: Callable[[FileSettings], Storage],
) -> None:
    (tmp_path / "file").touch()
    taken = str(tmp_path / "file" / "folder")
    value = f"file://{taken}" if variable == "STORAGE_URL" else taken
    settings = make_settings(**{variable.lower(): value}).files
    with pytest.raises(SettingsError, match=f"^{variable}: cannot keep files in"):
        open_storage(settings)


def test_a_file_url_is_a_folder(make_settings: MakeSettings, tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    settings = make_settings(storage_url=f"file://{str(folder).replace(' ', '%20')}")
    assert Storage.open(settings.files).local_path("a/b") == folder / "a/b"
