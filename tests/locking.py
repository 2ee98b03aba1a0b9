"""Somebody else who holds what others wait for."""

import asyncio
import contextlib
from collections.abc import Iterator

import asyncpg


@contextlib.contextmanager
def held(url: str, statement: str) -> Iterator[None]:
    """A transaction that has run ``statement`` stays open meanwhile, and then commits."""
    loop = asyncio.new_event_loop()
    conn = loop.run_until_complete(asyncpg.connect(url))
    loop.run_until_complete(conn.execute(f"BEGIN; {statement}"))
    try:
        yield
    finally:
        with contextlib.suppress(asyncpg.PostgresError, OSError):
            loop.run_until_complete(conn.execute("COMMIT"))
        loop.run_until_complete(conn.close())
        loop.close()
