"""When the database does not answer in time: 503, and everybody else goes on."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import asyncpg
from tests.builders.users import create_user
from tests.servers import ApiProcess


async def test_a_statement_that_waits_too_long_is_ended(api: ApiProcess) -> None:
    blocked, other = create_user(api), create_user(api)
    conn = await asyncpg.connect(api.database_url)
    started = time.monotonic()
    try:
        async with conn.transaction():
            await conn.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", blocked.id)
            with ThreadPoolExecutor(1) as pool:
                change = pool.submit(
                    api.client.put, "/users/me", json={"bio": "x"}, token=blocked.token
                )
                assert api.client.get(f"/users/{blocked.id}", token=other.token).is_success
                answer = change.result()
    finally:
        await conn.close()
    assert time.monotonic() - started > 4
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert api.client.put("/users/me", json={"bio": "x"}, token=blocked.token).is_success


ARE_THERE = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = ANY ($1::INT[]))"


async def test_lost_connections_are_replaced(api: ApiProcess) -> None:
    """At most one request each meets a connection that has gone, and is told to try again."""
    user = create_user(api)
    conn = await asyncpg.connect(api.database_url)
    try:
        cut = await conn.fetch(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name LIKE 'talas%' AND datname = current_database()"
        )
        async with asyncio.timeout(60):
            while await conn.fetchval(ARE_THERE, [row["pid"] for row in cut]):
                await asyncio.sleep(0.01)
    finally:
        await conn.close()
    met = 0
    while (answer := api.client.get("/users", token=user.token)).status_code != 200:
        assert answer.status_code == 503
        met += 1
        assert met <= len(cut)
    # Others of those that were cut may still wait in the pool.
    body = {"email": user.email, "password": user.password}
    while (answer := api.client.post("/auth/login", json=body)).status_code != 200:
        assert answer.status_code == 503
        met += 1
        assert met <= len(cut)


INSERT_TRACK = """
INSERT INTO tracks (
  user_id, title, artist, container, media_type, filename, content_hash, size, storage_key
)
VALUES ($1, 'a', 'b', 'wav', 'audio/wav', 'a.wav', sha256('a'), 1, 'tracks/deadlock')
RETURNING id
"""
SOMEBODY_WAITS = """
SELECT EXISTS (
  SELECT
  FROM pg_stat_activity
  WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()
)
"""


async def test_of_two_that_wait_for_each_other_one_is_told_to_try_again(api: ApiProcess) -> None:
    """The one that finds out: who has waited for a second looks, once. Where this process falls
    asleep for as long, that is the other one, and nothing has been shown."""
    conn = await asyncpg.connect(api.database_url)
    async with asyncio.timeout(240):
        while not await the_api_finds_out(api, conn):
            pass
    await conn.close()


async def the_api_finds_out(api: ApiProcess, conn: asyncpg.Connection) -> bool:
    """The api has the account and wants the track; the other way round here, where the wait is
    the younger one. False where the api was told something else before it waited."""
    user = create_user(api)
    track_id = await conn.fetchval(INSERT_TRACK, user.id)
    with ThreadPoolExecutor(1) as pool:
        transaction = conn.transaction()
        await transaction.start()
        try:
            await conn.execute("SELECT FROM tracks WHERE id = $1 FOR UPDATE", track_id)
            deletion = pool.submit(
                api.client.request,
                "DELETE",
                "/users/me",
                json={"password": user.password},
                token=user.token,
            )
            async with asyncio.timeout(60):
                while not await conn.fetchval(SOMEBODY_WAITS):
                    if deletion.done():
                        return False
                    await asyncio.sleep(0.01)
            await conn.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", user.id)
        except asyncpg.DeadlockDetectedError:
            return False
        finally:
            await transaction.rollback()
        answer = deletion.result()
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert api.client.get("/users/me", token=user.token).is_success
    return True
