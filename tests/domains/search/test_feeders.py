"""Several api processes on one folder, and folders that cannot be used."""

import resource
from pathlib import Path

import pytest
from tests.builders.search_index import (
    index_folder,
    indexed_keys,
    insert_tracks,
    insert_user,
    wait_for,
    wait_until_same,
)
from tests.builders.users import create_user
from tests.servers import ApiProcess, api_process, error_of

from talas.domains.search import generations


def start(url: str, home: Path) -> ApiProcess:
    process = ApiProcess(url, home)
    process.wait_until_ready()
    return process


def test_when_the_one_that_feeds_is_killed_another_takes_over(
    database_url: str, tmp_path: Path
) -> None:
    first = start(database_url, tmp_path)
    folder = index_folder(first)
    wait_until_same(database_url, folder)
    built = generations.current(folder)
    second, third = start(database_url, tmp_path), start(database_url, tmp_path)
    user_id = insert_user(database_url)
    try:
        for process in (first, second):
            insert_tracks(database_url, user_id, 500)
            process.process.kill()
            process.process.wait()
            insert_tracks(database_url, user_id, 5)
            wait_until_same(database_url, folder)
    finally:
        second.stop()
        third.stop()
    assert generations.current(folder) == built
    assert "search.rebuilding" not in third.log


def test_those_that_do_not_feed_find_what_is_new(database_url: str, tmp_path: Path) -> None:
    first = start(database_url, tmp_path)
    wait_until_same(database_url, index_folder(first))
    try:
        with api_process(database_url, tmp_path) as second:
            person = create_user(second, username="findable-one")
            for process in (first, second):
                wait_for(lambda api=process: found(api, person.token, "findable-one"))
    finally:
        first.stop()


def test_machines_with_folders_of_their_own_each_read_the_whole_log(
    database_url: str, tmp_path: Path
) -> None:
    with (
        api_process(database_url, tmp_path / "one") as one,
        api_process(database_url, tmp_path / "two") as two,
    ):
        user_id = insert_user(database_url)
        for _ in range(5):
            insert_tracks(database_url, user_id, 20)
        for process in (one, two):
            wait_until_same(database_url, index_folder(process))
        assert index_folder(one) != index_folder(two)


def test_what_a_killed_rebuild_left_is_cleaned_up(database_url: str, tmp_path: Path) -> None:
    left = tmp_path / "data" / "search" / "generation-00"
    with api_process(database_url, tmp_path) as process:
        wait_until_same(database_url, index_folder(process))
    left.mkdir()
    (left / "meta.json").write_text("{")
    with api_process(database_url, tmp_path) as process:
        wait_for(lambda: not left.exists())
        wait_until_same(database_url, index_folder(process))
        assert "search.rebuilding" not in process.log


@pytest.fixture
def in_the_way(tmp_path: Path) -> Path:
    """A file where the folder should be."""
    path = tmp_path / "data" / "search"
    path.parent.mkdir()
    path.write_text("")
    return path


def test_without_a_folder_only_search_is_away(
    database_url: str, tmp_path: Path, in_the_way: Path
) -> None:
    with api_process(database_url, tmp_path) as process:
        person = create_user(process)
        answer = process.client.get("/search", token=person.token, params={"q": "x"})
        assert answer.status_code == 503
        assert answer.headers["retry-after"].isdigit()
        assert error_of(answer).startswith("Search is not ready yet")
        assert process.client.get("/tracks", token=person.token).status_code == 200
        wait_for(lambda: "search.folder_unusable" in process.log)
        assert str(in_the_way) in process.log
        in_the_way.unlink()
        wait_for(lambda: found(process, person.token, person.username))
        assert process.log.count("search.folder_unusable") == 1


def found(api: ApiProcess, token: str, username: str) -> bool:
    answer = api.client.get("/search", token=token, params={"q": username, "type": "users"})
    return answer.status_code == 200 and bool(answer.json()["data"]["users"])


def test_a_full_disk_keeps_what_was_found_and_is_made_up_for(
    database_url: str, tmp_path: Path
) -> None:
    with api_process(database_url, tmp_path) as process:
        folder = index_folder(process)
        insert_tracks(database_url, user_id := insert_user(database_url), 5)
        wait_until_same(database_url, folder)
        before, keys = generations.current(folder), indexed_keys(folder)
        pid, (_, hard) = process.process.pid, resource.getrlimit(resource.RLIMIT_FSIZE)
        # Every file above this size is refused, as all are on a full disk.
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (32 * 1024, hard))
        insert_tracks(database_url, user_id, 3_000)
        wait_for(lambda: "search.feeding_failed" in process.log)
        assert indexed_keys(folder) == keys
        person = create_user(process)
        assert process.client.get("/tracks", token=person.token).status_code == 200
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        wait_until_same(database_url, folder)
        assert generations.current(folder) == before
        assert process.log.count("search.feeding_failed") == 1
