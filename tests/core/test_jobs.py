"""Jobs: they exist with their transaction, run at least once, and end."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import msgspec
import pytest
from prometheus_client import REGISTRY

from talas.core import jobs
from talas.core.jobs import JobRunner, enqueue


class Payload(msgspec.Struct, frozen=True):
    number: int


Handler = Callable[[Payload], Awaitable[None]]


@pytest.fixture
async def conn(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


@contextlib.asynccontextmanager
async def running(runner: JobRunner) -> AsyncIterator[None]:
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        runner.stop()
        await asyncio.wait_for(task, 30)


async def statuses(conn: asyncpg.Connection) -> list[str]:
    rows = await conn.fetch("SELECT status::text FROM pgqueuer ORDER BY id")
    return [row[0] for row in rows]


async def until(condition: Callable[[], bool], within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_job_exists_if_its_transaction_commits(conn: asyncpg.Connection) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with conn.transaction():
            await enqueue(conn, "test", Payload(1))
            raise ZeroDivisionError
    assert await statuses(conn) == []
    async with conn.transaction():
        await enqueue(conn, "test", Payload(1))
    assert await statuses(conn) == ["queued"]


async def test_a_waiting_worker_wakes_at_once(
    database_url: str, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    async def handle(payload: Payload) -> None:
        done.append(payload.number)

    runner = JobRunner(database_url, concurrency=2)
    runner.register("test", Payload, handle)
    monkeypatch.setattr(jobs, "POLL", dt.timedelta(seconds=60))
    async with running(runner):
        await enqueue(conn, "test", Payload(0))
        await until(lambda: done == [0])
        for number in range(1, 4):
            # It has looked and found nothing: from now on it waits to be told, or for a minute.
            await asyncio.sleep(0.3)
            await enqueue(conn, "test", Payload(number))
            await until(lambda number=number: number in done, within_s=30)
    assert await statuses(conn) == []


async def test_the_urgent_come_first(database_url: str, conn: asyncpg.Connection) -> None:
    done: list[int] = []

    async def handle(payload: Payload) -> None:
        done.append(payload.number)
        await asyncio.sleep(0.05)

    for number in range(6):
        await enqueue(conn, "test", Payload(number), priority=jobs.URGENT if number == 5 else 0)
    runner = JobRunner(database_url, concurrency=2)
    runner.register("test", Payload, handle)
    async with running(runner):
        await until(lambda: len(done) == 6)
    assert done[0] == 5


async def test_no_more_at_a_time_than_asked(database_url: str, conn: asyncpg.Connection) -> None:
    now, most, done = 0, 0, 0
    three_are_here = asyncio.Event()

    async def handle(_payload: Payload) -> None:
        nonlocal now, most, done
        now += 1
        most = max(most, now)
        if now == 3:
            three_are_here.set()
        await three_are_here.wait()
        await asyncio.sleep(0.05)
        now -= 1
        done += 1

    for number in range(8):
        await enqueue(conn, "test", Payload(number))
    runner = JobRunner(database_url, concurrency=3)
    runner.register("test", Payload, handle)
    async with running(runner):
        await until(lambda: done == 8)
    assert most == 3


async def test_what_runs_aside_waits_for_no_long_job(
    database_url: str, conn: asyncpg.Connection
) -> None:
    began: list[int] = []
    over, short_done = asyncio.Event(), asyncio.Event()

    async def long(payload: Payload) -> None:
        began.append(payload.number)
        await over.wait()

    async def short(_payload: Payload) -> None:
        short_done.set()

    runner = JobRunner(database_url, concurrency=2)
    runner.register("long", Payload, long)
    runner.register("short", Payload, short, aside=True)
    for number in range(3):
        await enqueue(conn, "long", Payload(number))
    async with running(runner):
        await until(lambda: len(began) == 2)
        await enqueue(conn, "short", Payload(0))
        await asyncio.wait_for(short_done.wait(), 30)
        assert len(began) == 2
        over.set()
        await until(lambda: len(began) == 3)


async def _lose(conn: asyncpg.Connection) -> None:
    """As a worker that began the only job and died a while ago."""
    await conn.execute(
        "UPDATE pgqueuer SET status = 'picked', queue_manager_id = gen_random_uuid(),"
        " heartbeat = now() - interval '1 hour'"
    )


async def test_a_job_that_kills_its_workers_is_given_up(
    database_url: str, conn: asyncpg.Connection
) -> None:
    """A job that hangs stands for one whose worker is killed: nothing is written of its end."""
    began = 0
    given_up: list[int] = []

    async def handle(_payload: Payload) -> None:
        nonlocal began
        began += 1
        await asyncio.Event().wait()

    async def give_up(payload: Payload) -> None:
        given_up.append(payload.number)

    await enqueue(conn, "test", Payload(7))
    for start in range(1, jobs.MAX_LOST_STARTS + 1):
        runner = JobRunner(database_url, concurrency=2)
        runner.register("test", Payload, handle, on_give_up=give_up)
        task = asyncio.create_task(runner.run())
        await until(lambda start=start: began == start)
        headers = await conn.fetchval("SELECT headers FROM pgqueuer")
        runner.stop()
        runner.hurry()
        await asyncio.wait_for(task, 30)
        # As if it had never been put back.
        await conn.execute("UPDATE pgqueuer SET attempts = 0, headers = $1", headers)
        await _lose(conn)
    runner = JobRunner(database_url, concurrency=2)
    runner.register("test", Payload, handle, on_give_up=give_up)
    async with running(runner):
        await until(lambda: given_up == [7])
    assert began == jobs.MAX_LOST_STARTS
    assert await statuses(conn) == ["failed"]


async def test_attempts_that_ended_are_no_lost_starts(
    database_url: str, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "FIRST_RETRY_S", 0.01)
    attempts = 0

    async def handle(_payload: Payload) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= jobs.MAX_LOST_STARTS + 2:
            raise ValueError("not yet")

    runner = JobRunner(database_url, concurrency=2)
    runner.register("test", Payload, handle, max_attempts=20)
    monkeypatch.setattr(jobs, "LAST_RETRY_S", 0.02)
    async with running(runner):
        await enqueue(conn, "test", Payload(1))
        await until(lambda: attempts == jobs.MAX_LOST_STARTS + 3)


async def test_a_failure_is_tried_again(
    database_url: str, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "FIRST_RETRY_S", 0.05)
    attempts = 0

    async def handle(_payload: Payload) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise ValueError("not yet")

    runner = JobRunner(database_url, concurrency=2)
    runner.register("test", Payload, handle)
    async with running(runner):
        await enqueue(conn, "test", Payload(1))
        await until(lambda: attempts == 3)
    assert await statuses(conn) == []


async def test_after_enough_attempts_it_is_given_up_and_parked(
    database_url: str, conn: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "FIRST_RETRY_S", 0.02)
    attempts = 0
    given_up: list[int] = []

    async def handle(_payload: Payload) -> None:
        nonlocal attempts
        attempts += 1
        raise ValueError("never")

    async def give_up(payload: Payload) -> None:
        given_up.append(payload.number)

    runner = JobRunner(database_url, concurrency=2)
    runner.register("test", Payload, handle, max_attempts=3, on_give_up=give_up)
    async with running(runner):
        await enqueue(conn, "test", Payload(7))
        await until(lambda: bool(given_up))
        await asyncio.sleep(0.3)
    assert (attempts, given_up) == (3, [7])
    assert await statuses(conn) == ["failed"]


async def test_an_absent_database_counts_no_attempt(
    database_url: str, conn: asyncpg.Connection
) -> None:
    attempts = 0

    async def handle(_payload: Payload) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise asyncpg.CannotConnectNowError("starting up")

    runner = JobRunner(database_url, concurrency=2)
    runner.register("test", Payload, handle, max_attempts=1)
    async with running(runner):
        await enqueue(conn, "test", Payload(1))
        await until(lambda: attempts == 3)
    assert await statuses(conn) == []


async def test_only_one_of_a_kind_waits(conn: asyncpg.Connection) -> None:
    async with conn.transaction():
        for _ in range(3):
            await enqueue(conn, "test", Payload(1), unique="test:1")
        await enqueue(conn, "test", Payload(2), unique="test:2")
    assert len(await statuses(conn)) == 2


async def test_what_is_hurried_goes_back_at_once(
    database_url: str, conn: asyncpg.Connection
) -> None:
    started = asyncio.Event()

    async def handle(_payload: Payload) -> None:
        started.set()
        await asyncio.sleep(60)

    runner = JobRunner(database_url, concurrency=2)
    runner.register("test", Payload, handle)
    await enqueue(conn, "test", Payload(1))
    task = asyncio.create_task(runner.run())
    await asyncio.wait_for(started.wait(), 30)
    runner.stop()
    await asyncio.sleep(0.1)
    assert not task.done()
    runner.hurry()
    await asyncio.wait_for(task, 30)
    assert await statuses(conn) == ["queued"]


async def test_work_goes_on_when_connections_are_lost(
    database_url: str, conn: asyncpg.Connection
) -> None:
    done: list[int] = []

    async def handle(payload: Payload) -> None:
        await asyncio.sleep(0.3)
        done.append(payload.number)

    runner = JobRunner(database_url, concurrency=2)
    runner.register("test", Payload, handle)
    async with running(runner):
        for number in range(4):
            await enqueue(conn, "test", Payload(number))
            await asyncio.sleep(0.2)
            await conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = $1 AND datname = current_database()",
                jobs.APPLICATION,
            )
        await until(lambda: set(done) == {0, 1, 2, 3})


async def test_says_whether_a_worker_listens(database_url: str, conn: asyncpg.Connection) -> None:
    assert not await jobs.worker_listens(conn)
    async with running(JobRunner(database_url, concurrency=2)):
        async with asyncio.timeout(60):
            while not await jobs.worker_listens(conn):
                await asyncio.sleep(0.02)


async def test_measures_how_many_wait(database_url: str, conn: asyncpg.Connection) -> None:
    async def handle(_payload: Payload) -> None:
        await asyncio.sleep(60)

    def depth(status: str) -> float | None:
        return REGISTRY.get_sample_value("talas_jobs", {"job": "measured", "status": status})

    for number in range(5):
        await enqueue(conn, "measured", Payload(number))
    runner = JobRunner(database_url, concurrency=2)
    runner.register("measured", Payload, handle)
    async with running(runner):
        await until(lambda: depth("queued") is not None)
        runner.hurry()
    assert (depth("queued") or 0) + (depth("picked") or 0) == 5


async def test_forgets_what_ended_a_week_ago(conn: asyncpg.Connection) -> None:
    await enqueue(conn, "test", Payload(1))
    await enqueue(conn, "test", Payload(2))
    await conn.execute("UPDATE pgqueuer_log SET created = now() - interval '8 days' WHERE id = 1")
    await jobs.delete_old_log(conn)
    assert await conn.fetchval("SELECT count(*) FROM pgqueuer_log") == 1
