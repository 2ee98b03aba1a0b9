"""Files that are cheap to make again: bounded, shared by processes, whole or not there."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.disks import small_disk

from talas.core import disk_cache
from talas.core.disk_cache import DRAFTS, ENTRIES, CacheFull, DiskCache
from talas.core.settings import SettingsError

__all__ = ["small_disk"]

SIZE = 100_000


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache", SIZE)


def kept(cache: DiskCache) -> set[str]:
    folder = cache.root / ENTRIES
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def drafts(cache: DiskCache) -> list[str]:
    return os.listdir(cache.root / DRAFTS)


def used(cache: DiskCache, key: str, *, ago_s: float) -> None:
    then = time.time() - ago_s
    os.utime(cache.root / ENTRIES / key, (then, then))


def test_what_is_put_is_found(cache: DiskCache) -> None:
    assert cache.put("a/b/1", b"one")
    assert cache.read("a/b/1") == b"one"
    assert cache.read("a/b/2") is None
    assert cache.read("a/b/1/c") is None
    assert cache.put("a/b/1", b"another")
    assert cache.read("a/b/1") == b"another"
    assert cache.counted_bytes() == cache.usage().bytes == 7
    assert drafts(cache) == []


def test_what_was_used_longest_ago_goes_first(cache: DiskCache) -> None:
    for number in range(9):
        cache.put(f"a/{number}", bytes(10_000))
        used(cache, f"a/{number}", ago_s=1000 - number)
    cache.read("a/0")
    cache.put("a/new", bytes(20_000))
    assert "a/0" in kept(cache)
    assert "a/new" in kept(cache)
    assert "a/1" not in kept(cache)
    assert "a/8" in kept(cache)
    assert cache.usage().bytes <= SIZE
    assert cache.counted_bytes() == cache.usage().bytes


def test_it_never_holds_more_than_it_may(cache: DiskCache) -> None:
    for number in range(60):
        cache.put(f"{number % 7}/{number}", bytes(9_000))
        assert cache.usage().bytes <= SIZE
    assert cache.usage().bytes > SIZE / 2
    assert "3/59" in kept(cache)


def test_folders_go_with_what_they_held(cache: DiskCache) -> None:
    cache.put("old/x/1", bytes(60_000))
    used(cache, "old/x/1", ago_s=100)
    cache.put("new/x/1", bytes(60_000))
    assert cache.folders() == ["new"]


def test_processes_share_it(cache: DiskCache, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from talas.core.disk_cache import DiskCache
cache = DiskCache(Path({str(cache.root)!r}), {SIZE})
for number in range(50):
    cache.put(f"{{{{}}}}/{{number}}", bytes(3_000))
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", program.replace("{}", str(name))])
        for name in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    usage = cache.usage()
    assert usage.bytes <= SIZE
    assert usage.bytes == 3_000 * usage.files
    assert cache.recount() == usage.bytes


def test_one_maker_at_a_time(cache: DiskCache) -> None:
    draft = cache.draft("a/1")
    assert draft is not None
    assert cache.draft("a/1") is None
    assert not cache.put("a/1", b"mine")
    with draft:
        draft.append(b"theirs")
        assert cache.read("a/1") is None
        draft.publish()
    assert cache.read("a/1") == b"theirs"
    again = cache.draft("a/1")
    assert again is not None
    again.discard()
    assert cache.read("a/1") == b"theirs"
    assert drafts(cache) == []
    assert cache.counted_bytes() == 6


def test_a_draft_that_is_not_published_is_gone(cache: DiskCache) -> None:
    draft = cache.draft("a/1")
    assert draft is not None
    with draft:
        draft.append(bytes(1000))
        assert cache.counted_bytes() == 1000
    assert cache.counted_bytes() == 0
    assert kept(cache) == set()
    assert drafts(cache) == []


def test_who_is_killed_leaves_nothing_in_the_way(cache: DiskCache) -> None:
    program = f"""
from pathlib import Path
from talas.core.disk_cache import DiskCache
cache = DiskCache(Path({str(cache.root)!r}), {SIZE})
draft, other = cache.draft("a/1"), cache.draft("a/2")
draft.append(bytes(1000))
other.append(bytes(1000))
print("ready", flush=True)
input()
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe) as maker:
        assert maker.stdout is not None
        maker.stdout.readline()
        assert cache.draft("a/1") is None
        assert cache.clean() == 0
        maker.send_signal(signal.SIGKILL)
        maker.wait(60)
    assert cache.put("a/1", b"next")
    assert cache.read("a/1") == b"next"
    assert cache.clean() == 1000
    assert drafts(cache) == []
    assert cache.counted_bytes() == 4


def test_a_lost_count_is_found_again(cache: DiskCache) -> None:
    cache.put("a/1", bytes(5000))
    (cache.root / "usage").write_bytes(b"")
    assert cache.counted_bytes() == 0
    assert cache.recount() == 5000


def test_a_folder_that_somebody_removed_comes_back(cache: DiskCache) -> None:
    cache.put("a/1", b"x")
    shutil.rmtree(cache.root)
    assert cache.read("a/1") is None
    assert cache.put("a/1", b"x")
    assert cache.counted_bytes() == 1


def test_a_track_can_be_forgotten_and_all_cleared(cache: DiskCache) -> None:
    (cache.root / "somebody else's").write_text("stays")
    for key in ("a/x/1", "a/y/2", "b/x/1"):
        cache.put(key, bytes(100))
    assert cache.forget("a") == 200
    assert cache.forget("nothing") == 0
    assert kept(cache) == {"b/x/1"}
    draft = cache.draft("c/1")
    assert draft is not None
    with draft:
        draft.append(bytes(10))
        assert cache.clear() == 100
        draft.publish()
    assert kept(cache) == {"c/1"}
    assert cache.counted_bytes() == 10
    assert (cache.root / "somebody else's").exists()


def test_what_is_larger_than_the_cache_is_refused(cache: DiskCache) -> None:
    cache.put("a/1", bytes(100))
    draft = cache.draft("a/2")
    assert draft is not None
    with draft:
        for _ in range(9):
            draft.append(bytes(10_000))
        assert kept(cache) == {"a/1"}
        draft.append(bytes(10_000))
        assert kept(cache) == set()
        with pytest.raises(CacheFull):
            draft.append(bytes(10_000))
    assert cache.counted_bytes() == cache.usage().bytes == 0


def test_the_last_of_the_disk_is_never_taken(small_disk: Path) -> None:
    """Of a disk of 8 MiB half may be used."""
    cache = DiskCache(small_disk / "cache", 64 * 2**20)
    other = small_disk / "other"
    for number in range(20):
        cache.put(f"a/{number}", bytes(500_000))
        disk = os.statvfs(small_disk)
        assert disk.f_bavail >= disk.f_blocks / 2 - 600_000 / disk.f_frsize
    assert "a/19" in kept(cache)
    other.write_bytes(bytes(4_500_000))
    assert not cache.put("a/20", bytes(500_000))
    assert drafts(cache) == []
    assert cache.counted_bytes() == cache.usage().bytes


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"CACHE_PATH: cannot keep files in .*/file/cache"):
        DiskCache(tmp_path / "file" / "cache", SIZE)


def test_using_an_entry_writes_little(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put("a/1", b"x")
    touched: list[object] = []
    monkeypatch.setattr(disk_cache.os, "utime", touched.append)
    cache.find("a/1")
    assert touched == []
    monkeypatch.undo()
    used(cache, "a/1", ago_s=100)
    cache.find("a/1")
    found = cache.find("a/1")
    assert found is not None
    assert time.time() - found.used_at < 60


@pytest.mark.parametrize("gone", ["usage", "entries", ".incoming", "."])
def test_what_was_removed_by_hand_is_made_again(cache: DiskCache, gone: str) -> None:
    cache.put("a/1", bytes(1000))
    draft = cache.draft("a/2")
    assert draft is not None
    if (cache.root / gone).is_dir():
        shutil.rmtree(cache.root / gone)
    else:
        (cache.root / gone).unlink()
    left = cache.usage().bytes
    with draft:
        draft.append(bytes(10))
    cache.check()
    assert cache.put("b/1", bytes(500))
    assert cache.read("b/1") == bytes(500)
    assert cache.counted_bytes() >= left + 500
    assert cache.recount() == left + 500
    assert drafts(cache) == []


def test_a_cache_that_cannot_come_back_says_so(cache: DiskCache) -> None:
    cache.put("a/1", b"one")
    shutil.rmtree(cache.root)
    cache.root.write_bytes(b"")
    assert cache.read("a/1") is None
    for attempt in (cache.check, cache.counted_bytes, lambda: cache.draft("a/1")):
        with pytest.raises(OSError, match=r"exists|directory"):
            attempt()


def test_who_follows_a_draft_is_no_draft(cache: DiskCache) -> None:
    draft = cache.draft("a/1")
    assert draft is not None
    with draft:
        draft.append(bytes(1000))
        draft.path.with_suffix(".heard").touch()
        usage = cache.usage()
        assert (usage.drafts, usage.draft_bytes) == (1, 1000)
    assert cache.usage().drafts == 0
