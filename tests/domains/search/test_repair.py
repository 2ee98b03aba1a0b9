"""Whatever becomes of the files of the index, it is like the database again soon after."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.builders.search_index import (
    index_folder,
    insert_tracks,
    insert_user,
    run,
    wait_for,
    wait_until_same,
)
from tests.servers import ApiProcess, api_process

from talas.domains.search import generations
from talas.domains.search.damage import Damaged, check_files

Harm = Callable[[Path], object]


def segment_file(folder: Path, part: str) -> Path:
    """The largest of its kind."""
    generation = generations.current(folder)
    assert generation is not None
    return max(generation.glob(f"*.{part}"), key=lambda path: path.stat().st_size)


def flip_a_bit(part: str) -> Harm:
    def harm(folder: Path) -> None:
        path = segment_file(folder, part)
        contents = bytearray(path.read_bytes())
        contents[len(contents) // 3] ^= 0x10
        path.write_bytes(contents)

    return harm


def truncate(part: str, *, to: int | None = None) -> Harm:
    def harm(folder: Path) -> None:
        path = segment_file(folder, part)
        os.truncate(path, path.stat().st_size // 2 if to is None else to)

    return harm


def remove(part: str) -> Harm:
    return lambda folder: segment_file(folder, part).unlink()


def write_pointer(contents: bytes) -> Harm:
    return lambda folder: (folder / "current").write_bytes(contents)


def in_generation(harm: Harm) -> Harm:
    def act(folder: Path) -> None:
        generation = generations.current(folder)
        assert generation is not None
        harm(generation)

    return act


_PARTS = ("idx", "pos", "term", "store", "fast", "fieldnorm")
DAMAGE: dict[str, Harm] = {
    **{f"{part} flipped": flip_a_bit(part) for part in _PARTS},
    **{f"{part} cut": truncate(part) for part in _PARTS},
    **{f"{part} empty": truncate(part, to=0) for part in _PARTS},
    **{f"{part} gone": remove(part) for part in _PARTS},
    "meta.json gone": in_generation(lambda path: (path / "meta.json").unlink()),
    "meta.json garbage": in_generation(lambda path: (path / "meta.json").write_bytes(b"\xff{")),
}
WHILE_STOPPED: dict[str, Harm] = {
    "term flipped": flip_a_bit("term"),
    "store cut": truncate("store"),
    "meta.json cut": in_generation(lambda path: os.truncate(path / "meta.json", 40)),
    "managed.json cut": in_generation(lambda path: os.truncate(path / ".managed.json", 7)),
}
WHILE_RUNNING: dict[str, Harm] = {
    "folder gone": shutil.rmtree,
    "generation gone": in_generation(shutil.rmtree),
    "pointer gone": lambda folder: (folder / "current").unlink(),
    "pointer empty": write_pointer(b""),
    "pointer garbage": write_pointer(b"\xff\x00"),
    "pointer leads out": write_pointer(b"../../etc"),
    "pointer leads nowhere": write_pointer(b"generation-0123456789abcdef"),
}


@pytest.fixture(scope="module")
def filled(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an api that has run and indexed a few hundred things."""
    insert_tracks(module_database_url, insert_user(module_database_url), 300)
    home = tmp_path_factory.mktemp("filled")
    with api_process(module_database_url, home) as process:
        wait_until_same(module_database_url, index_folder(process))
    return home


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_seen_and_named(filled: Path, tmp_path: Path, harm: Harm) -> None:
    folder = shutil.copytree(filled / "data" / "search", tmp_path / "search")
    generation = generations.current(folder)
    assert generation is not None
    check_files(generation)
    harm(folder)
    with pytest.raises(Damaged, match=r"^[0-9a-f]{32}\.|^meta\.json"):
        check_files(generation)


@pytest.mark.parametrize("harm", WHILE_STOPPED.values(), ids=WHILE_STOPPED)
def test_found_at_the_start(
    module_database_url: str, filled: Path, tmp_path: Path, harm: Harm
) -> None:
    home = shutil.copytree(filled, tmp_path / "home")
    folder = home / "data" / "search"
    before = generations.current(folder)
    harm(folder)
    with api_process(module_database_url, home) as process:
        wait_for(lambda: generations.current(folder) not in (before, None))
        wait_until_same(module_database_url, folder)
        assert "search.rebuilding" in process.log


def test_what_is_whole_is_kept(module_database_url: str, filled: Path, tmp_path: Path) -> None:
    home = shutil.copytree(filled, tmp_path / "home")
    folder = home / "data" / "search"
    before = generations.current(folder)
    insert_tracks(module_database_url, insert_user(module_database_url), 3)
    with api_process(module_database_url, home) as process:
        wait_until_same(module_database_url, folder)
        assert "search.rebuilding" not in process.log
    assert generations.current(folder) == before


@pytest.fixture(scope="module")
def running(api: ApiProcess) -> ApiProcess:
    insert_tracks(api.database_url, insert_user(api.database_url), 300)
    wait_until_same(api.database_url, index_folder(api))
    return api


def until_built_anew(api: ApiProcess, before: Path | None) -> None:
    wait_for(lambda: generations.current(index_folder(api)) not in (before, None))
    wait_until_same(api.database_url, index_folder(api))
    [track_id] = insert_tracks(api.database_url, insert_user(api.database_url))
    wait_until_same(api.database_url, index_folder(api))
    assert track_id > 0


@pytest.mark.parametrize("harm", WHILE_RUNNING.values(), ids=WHILE_RUNNING)
def test_found_while_running(running: ApiProcess, harm: Harm) -> None:
    before = generations.current(index_folder(running))
    harm(index_folder(running))
    if "generation-0123456789abcdef" in str(generations.current(index_folder(running))):
        before = generations.current(index_folder(running))
    until_built_anew(running, before)


@pytest.mark.parametrize("part", ["store", "term", "fast"])
def test_a_file_that_goes_while_running_is_missed_at_the_next_change(
    running: ApiProcess, part: str
) -> None:
    folder = index_folder(running)
    before = generations.current(folder)
    segment_file(folder, part).unlink()
    insert_user(running.database_url)
    until_built_anew(running, before)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE search_source SET identity = gen_random_uuid()",
        "UPDATE search_source SET forgotten = position + 5, position = position + 10",
        "UPDATE search_source SET position = 0, forgotten = 0",
        "TRUNCATE tracks CASCADE",
    ],
)
def test_another_database_or_another_past(running: ApiProcess, statement: str) -> None:
    before = generations.current(index_folder(running))
    run(running.database_url, "DELETE FROM search_log")
    run(running.database_url, statement)
    until_built_anew(running, before)
