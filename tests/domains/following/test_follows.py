"""Who follows whom, and what blocks, suspensions and endings of accounts do to that."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import asyncpg
import pytest
from tests.builders.listening import delete_account, page_of
from tests.builders.products import run_sql
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

from talas.domains.following import service


@pytest.fixture(scope="module")
def people(api: ApiProcess) -> list[Account]:
    return [create_user(api) for _ in range(4)]


@pytest.fixture
def some(api: ApiProcess, people: list[Account]) -> list[Account]:
    """Of whom nobody follows anybody."""
    run_sql(api, "DELETE FROM follows")
    run_sql(api, "DELETE FROM user_blocks")
    return people


def call(api: ApiProcess, method: str, who: Account, user_id: int) -> tuple[int, Any]:
    answer = api.client.request(method, f"/users/{user_id}/follow", token=who.token)
    return answer.status_code, answer.json().get("data")


def follow(api: ApiProcess, who: Account, whom: Account) -> None:
    assert call(api, "POST", who, whom.id)[0] == 201


def ids(api: ApiProcess, who: Account, what: str, **query: int) -> tuple[list[int], int]:
    data, total = page_of(api, who, f"/users/{who.id}/{what}", **query)
    return [person["id"] for person in data], total


def set_status(api: ApiProcess, who: Account, status: str) -> None:
    run_sql(api, "UPDATE users SET status = $2 WHERE id = $1", who.id, status)


def test_one_follows_once_and_leaves_once(api: ApiProcess, some: list[Account]) -> None:
    ann, bob, *_ = some
    state = {"user_id": bob.id, "follows_me": False, "following": 0}
    there, gone = {"followed": True, "followers": 1}, {"followed": False, "followers": 0}
    for _ in range(2):
        assert call(api, "POST", ann, bob.id) == (201, {**state, **there})
    assert call(api, "GET", ann, bob.id) == (200, {**state, **there})
    mutual = {"user_id": ann.id, "follows_me": True, "following": 1}
    assert call(api, "GET", bob, ann.id) == (200, {**mutual, **gone})
    for _ in range(2):
        assert call(api, "DELETE", ann, bob.id) == (200, {**state, **gone})


def test_nobody_follows_themselves_or_nobody(api: ApiProcess, some: list[Account]) -> None:
    ann = some[0]
    assert call(api, "POST", ann, ann.id)[0] == 400
    for unknown in (0, 2**31 - 1, 2**31):
        for method in ("POST", "DELETE", "GET"):
            assert call(api, method, ann, unknown)[0] == 404
        for what in ("followers", "following"):
            path = f"/users/{unknown}/{what}"
            assert api.client.get(path, token=ann.token).status_code == 404


def test_the_lists_begin_with_the_last(api: ApiProcess, some: list[Account]) -> None:
    ann, *others = some
    for other in others:
        follow(api, other, ann)
        follow(api, ann, other)
    newest_first = [other.id for other in reversed(others)]
    for what in ("followers", "following"):
        assert ids(api, ann, what) == (newest_first, 3)
        for page in (1, 2, 3, 4):
            part = newest_first[page - 1 : page]
            assert ids(api, ann, what, page=page, limit=1) == (part, 3)
    [person, *_], _ = page_of(api, ann, f"/users/{ann.id}/followers")
    assert person.keys() == {
        *("id", "username", "first_name", "last_name", "avatar", "followed_at")
    }


def test_the_suspended_are_not_shown_while_they_are(api: ApiProcess, some: list[Account]) -> None:
    ann, bob, cat, _ = some
    for who, whom in ((ann, bob), (bob, ann), (cat, ann), (ann, cat)):
        follow(api, who, whom)
    set_status(api, bob, "suspended")
    assert ids(api, ann, "followers") == ids(api, ann, "following") == ([cat.id], 1)
    assert call(api, "GET", cat, ann.id)[1]["followers"] == 1
    assert call(api, "GET", cat, bob.id)[0] == call(api, "POST", cat, bob.id)[0] == 404
    set_status(api, bob, "active")
    assert ids(api, ann, "followers") == ([cat.id, bob.id], 2)
    assert ids(api, ann, "following") == ([cat.id, bob.id], 2)
    set_status(api, bob, "suspended")
    assert call(api, "DELETE", ann, bob.id)[0] == 200
    assert call(api, "DELETE", ann, bob.id)[0] == 404
    set_status(api, bob, "active")


def test_a_block_ends_it_both_ways(api: ApiProcess, some: list[Account]) -> None:
    ann, bob, *_ = some
    follow(api, ann, bob)
    follow(api, bob, ann)
    block = f"/users/{bob.id}/block"
    assert api.client.post(block, token=ann.token).status_code == 201
    for who in (ann, bob):
        assert ids(api, who, "followers") == ids(api, who, "following") == ([], 0)
    assert call(api, "POST", bob, ann.id)[0] == 404
    assert api.client.delete(block, token=ann.token).status_code == 200
    follow(api, bob, ann)


def test_many_at_once_are_counted_exactly(api: ApiProcess, some: list[Account]) -> None:
    pairs = [(who, whom) for who in some for whom in some if who is not whom]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda pair: follow(api, *pair), pairs * 3))
    for who in some:
        assert ids(api, who, "followers")[1] == ids(api, who, "following")[1] == 3


def test_there_is_an_end_to_following(api: ApiProcess, some: list[Account]) -> None:
    ann, bob, cat, _ = some
    follow(api, ann, bob)
    statement = """
WITH made AS (
  INSERT INTO users (username, email, password_hash)
  SELECT 'many' || n, 'many' || n, '' FROM generate_series(2, 5000) AS n
  RETURNING id
)
INSERT INTO follows (follower_id, user_id)
SELECT $1, id FROM made
"""
    run_sql(api, statement, ann.id)
    assert call(api, "POST", ann, cat.id)[0] == 403
    assert call(api, "POST", ann, bob.id)[0] == 201
    assert call(api, "DELETE", ann, bob.id)[0] == 200
    assert call(api, "POST", ann, cat.id)[0] == 201


def test_it_ends_with_the_account(api: ApiProcess, some: list[Account]) -> None:
    ann, gone = some[0], create_user(api)
    follow(api, ann, gone)
    follow(api, gone, ann)
    delete_account(api, gone)
    assert ids(api, ann, "followers") == ids(api, ann, "following") == ([], 0)
    assert run_sql(api, "SELECT FROM follows WHERE $1 IN (follower_id, user_id)", gone.id) == []
    assert call(api, "DELETE", ann, gone.id)[0] == 404


async def test_two_who_follow_each_other_can_leave_at_once(database_url: str) -> None:
    users = range(1, 41)
    conns = [await asyncpg.connect(database_url) for _ in users]
    try:
        await conns[0].execute(
            "INSERT INTO users (username, email, password_hash) "
            "SELECT n, n, '' FROM generate_series(1, 40) AS n;"
            "INSERT INTO follows (follower_id, user_id) "
            "SELECT a.id, b.id FROM users AS a JOIN users AS b ON a.id <> b.id ORDER BY random()"
        )

        async def end(conn: asyncpg.Connection, user_id: int) -> None:
            async with conn.transaction():
                await service.forget_user(conn, user_id)

        await asyncio.gather(*map(end, conns, users))
        assert await conns[0].fetchval("SELECT count(*) FROM follows") == 0
    finally:
        for conn in conns:
            await conn.close()
