"""What commits is in the index soon after, whatever kind of change it was."""

import asyncio
import uuid

import asyncpg
import pytest
from tests.builders.search_index import (
    index_folder,
    indexed_keys,
    insert_tracks,
    insert_user,
    run,
    wait_for,
    wait_until_same,
)
from tests.builders.users import create_user
from tests.servers import ApiProcess

BACKLOG = 5_000


def has(api: ApiProcess, key: str) -> bool:
    return key in (indexed_keys(index_folder(api)) or ())


def search(api: ApiProcess, token: str, q: str, kind: str) -> list[int]:
    """The ids of what is found; nothing while there is no index."""
    answer = api.client.get("/search", token=token, params={"q": q, "type": kind})
    if answer.status_code == 503:
        return []
    assert answer.status_code == 200, answer.text
    return [hit["id"] for hit in answer.json()["data"][kind]]


def word() -> str:
    """That nothing else has."""
    return "q" + uuid.uuid4().hex[:12].translate(str.maketrans("0123456789", "ghijklmnop"))


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
    run(url, "UPDATE users SET status = 'suspended' WHERE id = $1", user_id)
    wait_for(lambda: not has(api, f"users:{user_id}"))
    run(url, "UPDATE users SET status = 'active' WHERE id = $1", user_id)
    wait_for(lambda: has(api, f"users:{user_id}"))


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE tracks SET title = $1 WHERE id = $2", "tracks"),
        ("UPDATE tracks SET description = $1 WHERE id = $2", "tracks"),
        (
            "WITH t AS (INSERT INTO tags (name) VALUES ($1) RETURNING id) "
            "INSERT INTO track_tags SELECT $2, id, 1 FROM t",
            "tracks",
        ),
        (
            "UPDATE tags SET name = $1 WHERE id IN "
            "(SELECT tag_id FROM track_tags WHERE track_id = $2 AND position = 0)",
            "tracks",
        ),
        (
            "UPDATE users SET username = $1 WHERE id IN (SELECT user_id FROM tracks WHERE id = $2)",
            "tracks",
        ),
        ("UPDATE rooms SET description = $1 WHERE id = $2", "rooms"),
        ("UPDATE products SET description = $1 WHERE id = $2", "products"),
        (
            "UPDATE categories SET name = $1 WHERE id IN "
            "(SELECT category_id FROM products WHERE id = $2)",
            "products",
        ),
    ],
)
def test_every_text_that_is_searched_brings_its_thing_up_to_date(
    api: ApiProcess, things: dict[str, int], statement: str, kind: str
) -> None:
    token, text = create_user(api).token, word()
    run(api.database_url, statement, text, things[kind])
    wait_for(lambda: search(api, token, text, kind) == [things[kind]])


@pytest.fixture(scope="module")
def things(api: ApiProcess) -> dict[str, int]:
    url = api.database_url
    [track_id] = insert_tracks(url, insert_user(url))
    tag = "WITH t AS (INSERT INTO tags (name) VALUES ($1) RETURNING id) "
    run(url, tag + "INSERT INTO track_tags SELECT $2, id, 0 FROM t", word(), track_id)
    category = "WITH c AS (INSERT INTO categories (name) VALUES ($1) RETURNING id) "
    product = "INSERT INTO products (name, category_id) SELECT 'A thing', id FROM c RETURNING id"
    return {
        "tracks": track_id,
        "rooms": 1,
        "products": run(url, category + product, word()),
    }


def test_what_nobody_searches_for_is_not_taken_down(api: ApiProcess) -> None:
    """Each of these is written many times a second."""
    url, folder = api.database_url, index_folder(api)
    [track_id] = insert_tracks(url, insert_user(url))
    run(url, "UPDATE tracks SET plays = 1024 WHERE id = $1", track_id)
    wait_until_same(url, folder)
    waiting = "SELECT count(*) FROM search_intake"
    wait_for(lambda: run(url, waiting) == 0)
    before = run(url, "SELECT position FROM search_source")
    for statement in (
        "UPDATE rooms SET seq = seq + 1 WHERE $1 > 0",
        "UPDATE tracks SET plays = plays + 1 WHERE id = $1",
        "UPDATE tracks SET title = title, updated_at = now() WHERE id = $1",
        "UPDATE users SET avatar = 'x', password_hash = 'y' WHERE $1 > 0",
        "INSERT INTO messages (from_user, room_id, room, content, seq) "
        "SELECT user_id, 1, 'general', 'hello', 900 FROM tracks WHERE id = $1",
    ):
        run(url, statement, track_id)
        assert run(url, waiting) == 0, statement
    assert run(url, "SELECT position FROM search_source") == before
    run(url, "UPDATE tracks SET plays = 2048 WHERE id = $1", track_id)
    wait_for(lambda: run(url, "SELECT position FROM search_source") == before + 1)


async def test_a_long_transaction_holds_nobody_up_and_is_not_forgotten(api: ApiProcess) -> None:
    """Its change is older than others by number, and later by commit."""
    url, folder = api.database_url, index_folder(api)
    conn = await asyncpg.connect(url)
    try:
        transaction = conn.transaction()
        await transaction.start()
        name = word()
        room_id = await conn.fetchval(
            "INSERT INTO rooms (name, name_key) VALUES ($1, $2) RETURNING id", name, name
        )
        later = await asyncio.to_thread(insert_user, url)
        await asyncio.to_thread(wait_for, lambda: has(api, f"users:{later}"))
        assert not has(api, f"rooms:{room_id}")
        await transaction.commit()
    finally:
        await conn.close()
    await asyncio.to_thread(wait_for, lambda: has(api, f"rooms:{room_id}"))
    await asyncio.to_thread(wait_until_same, url, folder)


async def test_what_is_rolled_back_never_shows(api: ApiProcess) -> None:
    waiting = "SELECT count(*) FROM search_intake"
    await asyncio.to_thread(wait_for, lambda: run(api.database_url, waiting) == 0)
    conn = await asyncpg.connect(api.database_url)
    position = "SELECT position FROM search_source"
    try:
        before = await conn.fetchval(position)
        transaction = conn.transaction()
        await transaction.start()
        await conn.execute("INSERT INTO categories (name) VALUES ($1)", word())
        await conn.execute("UPDATE rooms SET description = $1", word())
        await transaction.rollback()
        assert await conn.fetchval(waiting) == 0
        assert await conn.fetchval(position) == before
    finally:
        await conn.close()


def test_a_backlog_is_worked_off(api: ApiProcess) -> None:
    url, folder = api.database_url, index_folder(api)
    user_id = insert_user(url)
    ids = insert_tracks(url, user_id, BACKLOG)
    run(url, "UPDATE tracks SET title = 'B' WHERE user_id = $1", user_id)
    run(url, "DELETE FROM tracks WHERE id = ANY ($1::INT[])", ids[::2])
    wait_until_same(url, folder, within_s=60)


def test_how_far_it_is_behind_is_measured(api: ApiProcess) -> None:
    wait_until_same(api.database_url, index_folder(api))
    documents = len(indexed_keys(index_folder(api)) or ())

    def measured() -> bool:
        lines = api.client.get("/metrics").text.splitlines()
        return {
            "talas_search_changes_behind 0.0",
            "talas_search_seconds_behind 0.0",
            f"talas_search_documents {documents}.0",
        } <= set(lines)

    wait_for(measured)
