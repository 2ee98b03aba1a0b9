"""Waiting for what another process does in its own time."""

import asyncio
import datetime as dt
import time
from collections.abc import Callable

import asyncpg

UNSEEN = """
SELECT EXISTS (
  SELECT
  FROM pg_class
  WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relallvisible < relpages
    AND ($1::TEXT IS NULL OR relname = $1)
)
"""


def wait_until(condition: Callable[[], bool], *, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.02)


def wait_out_midnight(*, left_s: float = 120) -> None:
    """Returns when the day, in UTC, is to last so long at least: for who counts from today."""
    now = dt.datetime.now(dt.UTC)
    midnight = dt.datetime.combine(now.date() + dt.timedelta(1), dt.time(), dt.UTC)
    if (midnight - now).total_seconds() < left_s:
        time.sleep((midnight - now).total_seconds() + 0.1)


async def vacuum(conn: asyncpg.Connection, table: str | None = None) -> None:
    """The planner then knows ``table``, or all of them, and that an index alone will do. Any other
    connection that begins or ends, to whichever database, can be in the way for a moment."""
    async with asyncio.timeout(60):
        await conn.execute(f"VACUUM ANALYZE {table or ''}")
        while await conn.fetchval(UNSEEN, table):
            await asyncio.sleep(0.05)
            await conn.execute(f"VACUUM ANALYZE {table or ''}")
