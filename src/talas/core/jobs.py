"""Background jobs: pgqueuer's tables, in the same database and the same transactions.

A job runs at least once: a worker that dies leaves its job to the next one, so handlers must do
no harm the second time. Nobody else knows that it is pgqueuer.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import asyncpg
import msgspec
import structlog
from pgqueuer.core.executors import AbstractEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.core.qm import QueueManager
from pgqueuer.core.sm import SchedulerManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Context, Job, Schedule
from pgqueuer.ports.driver import Driver
from pgqueuer.queries import Queries
from prometheus_client import Counter, Gauge

from talas.core.database import Connection, is_unavailable, open_connection

HEARTBEAT_TIMEOUT = dt.timedelta(seconds=10)
POLL = dt.timedelta(seconds=3)
MAX_BACKOFF_S = 5.0
STATEMENT_TIMEOUT_S = 10.0
DEPTH_EVERY_S = 10.0
FIRST_RETRY_S = 2.0
LAST_RETRY_S = 300.0
OUTLAST_S = 600.0
URGENT = 10
MAX_LOST_STARTS = 5
PLACES_ASIDE = 2
APPLICATION = "talas jobs"

DEPTH = Gauge(
    "talas_jobs", "Jobs that wait, run or have failed", ["job", "status"], multiprocess_mode="max"
)
OUTCOMES = Counter("talas_job_outcomes_total", "How attempts at jobs ended", ["job", "outcome"])

log = structlog.get_logger()
# Its remarks repeat what is logged here, with the payloads.
logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)

PayloadT = TypeVar("PayloadT")
Handler = Callable[[PayloadT], Awaitable[None]]


async def enqueue(
    conn: Connection,
    name: str,
    payload: msgspec.Struct,
    *,
    priority: int = 0,
    delay_s: float = 0,
    unique: str | None = None,
) -> None:
    """The job exists if the transaction of ``conn`` commits. Of jobs with the same ``unique``
    only one waits or runs at a time; a second is not added. Higher ``priority`` first."""
    queries = Queries.from_asyncpg_connection(conn)  # type: ignore[arg-type]
    await queries.enqueue(
        name,
        msgspec.json.encode(payload),
        priority=priority,
        execute_after=dt.timedelta(seconds=delay_s),
        dedupe_key=unique,
        on_conflict="skip",
    )


DELETE_OLD_LOG = """
DELETE FROM pgqueuer_log
WHERE created < now() - interval '7 days'
"""


async def delete_old_log(conn: Connection) -> None:
    """What the queue wrote about jobs that ended more than a week ago."""
    await conn.execute(DELETE_OLD_LOG)


SELECT_WORKER_LISTENS = """
SELECT EXISTS (
  SELECT
  FROM pg_stat_activity
  WHERE datname = current_database() AND application_name = $1
)
"""


async def worker_listens(conn: Connection) -> bool:
    """Whether some worker waits for jobs now."""
    listens: bool = await conn.fetchval(SELECT_WORKER_LISTENS, APPLICATION)
    return listens


class StartsLost(Exception):
    """A job was begun too often by workers that died before it ended."""


class JobRunner:
    """Runs registered jobs until told to stop, at most ``concurrency`` at a time, and two more of
    those that run aside.

    It survives the loss of the database: what runs goes on, and finds it again.
    """

    def __init__(self, database_url: str, *, concurrency: int) -> None:
        self._url = database_url
        self._concurrency = max(2, concurrency)
        self._executors: dict[str, _Executor] = {}
        self._aside: set[str] = set()
        self._schedules: dict[str, tuple[str, Callable[[], Awaitable[object]]]] = {}
        self._stopping = asyncio.Event()
        self._managers: list[QueueManager | SchedulerManager] = []

    def register(
        self,
        name: str,
        payload_type: type[PayloadT],
        handler: Handler[PayloadT],
        *,
        max_attempts: int = 5,
        on_give_up: Handler[PayloadT] | None = None,
        aside: bool = False,
    ) -> None:
        """An exception puts the job back with a growing delay; after ``max_attempts`` it is
        logged, ``on_give_up`` is called, and the job is parked as failed. The same happens to one
        that workers began MAX_LOST_STARTS times and died. While the database is away an attempt
        is repeated and not counted. ``aside`` has places of its own, for short jobs that must not
        wait behind long ones."""
        executor = _Executor(name, payload_type, handler, on_give_up, max_attempts)
        self._executors[name] = executor
        if aside:
            self._aside.add(name)

    def every(self, name: str, crontab: str, function: Callable[[], Awaitable[object]]) -> None:
        """Called when due (in UTC) by one of all workers."""
        self._schedules[name] = (crontab, function)

    def stop(self) -> None:
        """Takes no more jobs; ``run`` returns when those that run have ended."""
        self._stopping.set()
        for manager in self._managers:
            manager.shutdown.set()

    def hurry(self) -> None:
        """What still runs is broken off and put back for another worker, at once."""
        for executor in self._executors.values():
            executor.break_off()

    async def run(self) -> None:
        backoff = 0.2
        while not self._stopping.is_set():
            started = asyncio.get_running_loop().time()
            try:
                await self._run_connected()
            except Exception as error:
                if not is_unavailable(error) and not isinstance(error, asyncpg.PostgresError):
                    log.exception("jobs.broke_off")
                else:
                    log.warning("jobs.database_lost", error=str(error))
            if asyncio.get_running_loop().time() - started > 30:
                backoff = 0.2
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), backoff)
            backoff = min(MAX_BACKOFF_S, backoff * 2)

    async def _run_connected(self) -> None:
        conn = await open_connection(
            self._url, application_name=APPLICATION, statement_timeout="10000"
        )
        try:
            queries = Queries.from_asyncpg_connection(_Timed(conn))  # type: ignore[arg-type]
            main, aside = QueueManager(queries), QueueManager(queries)
            for name, executor in self._executors.items():
                executor.driver = queries.driver
                (aside if name in self._aside else main).register_executor(name, executor)
            scheduler = SchedulerManager(queries)
            for name, (crontab, function) in self._schedules.items():
                scheduler.schedule(name, crontab)(_scheduled(name, function))
            self._managers = [main, aside, scheduler]
            if self._stopping.is_set():
                return
            queues = [(main, self._concurrency), (aside, PLACES_ASIDE)]
            await self._run_together(queues, scheduler, queries)
        finally:
            self._managers = []
            conn.terminate()

    async def _run_together(
        self, queues: list[tuple[QueueManager, int]], scheduler: SchedulerManager, queries: Queries
    ) -> None:
        """Until all have stopped, or one fails and the others have been stopped for it."""
        tasks = {
            asyncio.create_task(_run_queue(queue, places))
            for queue, places in queues
            if queue.entrypoint_registry
        }
        tasks.add(asyncio.create_task(scheduler.run()))
        depth = asyncio.create_task(_measure_depth(queries, self._executors))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            depth.cancel()
            for manager in self._managers:
                manager.shutdown.set()
            await asyncio.wait(tasks)
        for task in tasks:
            task.result()


async def _run_queue(queue: QueueManager, places: int) -> None:
    await queue.run(
        dequeue_timeout=POLL,
        batch_size=1,
        max_concurrent_tasks=places,
        shutdown_on_listener_failure=True,
        heartbeat_timeout=HEARTBEAT_TIMEOUT,
        log_aggregation_interval=dt.timedelta(0),
    )


class _Timed:
    """The connection, with a limit on the client's side for a server that has gone silent."""

    def __init__(self, conn: asyncpg.Connection) -> None:
        self._conn = conn
        self.add_listener = conn.add_listener
        self.remove_listener = conn.remove_listener

    async def fetch(self, query: str, *args: object) -> list[Any]:
        return list(await self._conn.fetch(query, *args, timeout=STATEMENT_TIMEOUT_S))

    async def execute(self, query: str, *args: object) -> str:
        return await self._conn.execute(query, *args, timeout=STATEMENT_TIMEOUT_S)


UPDATE_STARTS = """
UPDATE pgqueuer
SET headers = jsonb_build_object('starts', coalesce((headers->>'starts')::int, 0) + 1)
WHERE id = $1
RETURNING (headers->>'starts')::int - 1 - attempts AS lost
"""


class _Executor(AbstractEntrypointExecutor):
    """One kind of job: decodes the payload, counts attempts, repeats what may be repeated."""

    driver: Driver

    def __init__(
        self,
        name: str,
        payload_type: type[Any],
        handler: Handler[Any],
        on_give_up: Handler[Any] | None,
        max_attempts: int,
    ) -> None:
        super().__init__(
            EntrypointExecutorParameters(
                concurrency_limit=0, func=self._unused, accepts_context=False, on_failure="hold"
            )
        )
        self._name = name
        self._payload_type = payload_type
        self._handler = handler
        self._on_give_up = on_give_up
        self._max_attempts = max_attempts
        self._running: set[asyncio.Task[None]] = set()
        self._broken_off = False

    def break_off(self) -> None:
        self._broken_off = True
        for task in self._running:
            task.cancel()

    async def execute(self, job: Job, context: Context) -> None:  # noqa: ARG002 (the library's)
        """Raises RetryRequested to have the job put back, anything else to have it parked."""
        payload = msgspec.json.decode(job.payload or b"{}", type=self._payload_type)
        if await self._lost_starts(job) >= MAX_LOST_STARTS:
            log.error("job.given_up", job=self._name, lost_starts=MAX_LOST_STARTS)
            await self._give_up(payload)
            raise StartsLost(self._name)
        task = asyncio.create_task(self._attempt(job, payload))
        self._running.add(task)
        try:
            await task
        except asyncio.CancelledError:
            if self._broken_off:
                raise RetryRequested(dt.timedelta(0), "the worker stops") from None
            task.cancel()
            raise
        finally:
            self._running.discard(task)

    async def _lost_starts(self, job: Job) -> int:
        """How often a worker began this job and died; 0 where the database cannot tell. The
        library counts what it puts back, and what another worker takes over is not."""
        try:
            rows = await self.driver.fetch(UPDATE_STARTS, job.id)
        except Exception as error:
            if not is_unavailable(error):
                raise
            return 0
        lost = rows[0]["lost"] if rows else 0
        assert isinstance(lost, int)
        return lost

    async def _give_up(self, payload: Any) -> None:
        OUTCOMES.labels(self._name, "given_up").inc()
        if self._on_give_up is not None:
            await _outlasting(self._on_give_up, payload)

    async def _attempt(self, job: Job, payload: Any) -> None:
        try:
            await _outlasting(self._handler, payload)
            OUTCOMES.labels(self._name, "done").inc()
        except Exception as error:
            attempt = job.attempts + 1
            if attempt < self._max_attempts:
                delay_s = min(LAST_RETRY_S, FIRST_RETRY_S * 2.0**job.attempts)
                log.warning(
                    "job.failed", job=self._name, attempt=attempt, again_in_s=delay_s, error=error
                )
                OUTCOMES.labels(self._name, "retried").inc()
                raise RetryRequested(dt.timedelta(seconds=delay_s), str(error)) from error
            log.exception("job.given_up", job=self._name, attempts=attempt)
            await self._give_up(payload)
            raise

    async def _unused(self, _job: Job) -> None:
        raise NotImplementedError


async def _outlasting(handler: Handler[Any], payload: Any) -> None:
    """Calls it again while the database cannot be reached, for ten minutes."""
    backoff, deadline = 0.5, time.monotonic() + OUTLAST_S
    while True:
        try:
            await handler(payload)
            return
        except Exception as error:
            if not is_unavailable(error) or time.monotonic() > deadline:
                raise
            log.warning("job.waits_for_database", error=str(error))
        await asyncio.sleep(backoff)
        backoff = min(MAX_BACKOFF_S, backoff * 2)


def _scheduled(
    name: str, function: Callable[[], Awaitable[object]]
) -> Callable[[Schedule], Awaitable[None]]:
    async def call(_schedule: Schedule) -> None:
        try:
            await function()
        except Exception:
            log.exception("schedule.failed", schedule=name)

    return call


async def _measure_depth(queries: Queries, names: Iterable[str]) -> None:
    known = {(name, "queued") for name in names}
    while True:
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            now: dict[tuple[str, str], int] = {}
            for row in await queries.queue_size():
                key = (str(row.entrypoint), str(row.status))
                now[key] = now.get(key, 0) + row.count
            for key in known - now.keys():
                DEPTH.labels(*key).set(0)
            for key, count in now.items():
                DEPTH.labels(*key).set(count)
            known |= now.keys()
        await asyncio.sleep(DEPTH_EVERY_S)
