"""What commits is in the index soon after, whatever kind of change it was."""

from tests.builders.search_index import (
    index_folder,
    indexed_keys,
    insert_tracks,
    insert_user,
    run,
    wait_for,
    wait_until_same,
)
from tests.servers import ApiProcess


def has(api: ApiProcess, key: str) -> bool:
    return key in (indexed_keys(index_folder(api)) or ())


def test_what_there_was_before_the_index(api: ApiProcess) -> None:
    wait_until_same(api.database_url, index_folder(api))
    assert has(api, "rooms:1")


def test_new_things_are_found_and_deleted_ones_are_not(api: ApiProcess) -> None:
    url, folder = api.database_url, index_folder(api)
    user_id = insert_user(url)
    [track_id] = insert_tracks(url, user_id)
    wait_until_same(url, folder)
    assert has(api, f"tracks:{track_id}")
    run(url, "DELETE FROM tracks WHERE id = $1", track_id)
    wait_until_same(url, folder)
    assert has(api, f"users:{user_id}")
    run(url, "UPDATE users SET status = 'suspended' WHERE id = $1", user_id)
    wait_for(lambda: not has(api, f"users:{user_id}"))
    run(url, "UPDATE users SET status = 'active' WHERE id = $1", user_id)
    wait_for(lambda: has(api, f"users:{user_id}"))
