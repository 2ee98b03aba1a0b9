"""The bus over Redis, when Redis goes and comes back."""

import asyncio
from pathlib import Path
from typing import Any

from tests.builders.redis import RedisServer, needs_redis

from talas.domains.chat.redis_bus import RedisBus


@needs_redis
async def test_the_first_hint_after_redis_came_back_arrives(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.start()
    bus = RedisBus(server.url)
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    listening: asyncio.Queue[None] = asyncio.Queue()
    bus.on("chat.test", heard.put_nowait)
    bus.on_gap(lambda: listening.put_nowait(None))
    running = asyncio.create_task(bus.run())
    try:
        for number in range(3):
            async with asyncio.timeout(60):
                await listening.get()
                # The connection that publishes is one that the Redis before this one had.
                bus.send("chat.test", {"number": number})
                assert await heard.get() == {"number": number}
            server.stop()
            server.start()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.stop()
