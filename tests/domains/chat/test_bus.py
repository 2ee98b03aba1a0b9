"""What the chat processes hear from each other may be nonsense; they go on hearing the rest."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis
from tests.builders.chat import ChatProcess, connected
from tests.builders.messages import tell
from tests.builders.redis import RedisServer, needs_redis
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess

from talas.domains.chat.redis_bus import CHANNEL, RedisBus


@needs_redis
async def test_nonsense_in_redis_does_not_end_the_subscription(tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.start()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    connections: asyncio.Queue[None] = asyncio.Queue()
    bus = RedisBus(server.url)
    bus.on("known", heard.put_nowait)
    bus.on_gap(lambda: connections.put_nowait(None))
    running = asyncio.create_task(bus.run())
    try:
        async with asyncio.timeout(60), Redis.from_url(server.url) as redis:
            await connections.get()
            for nonsense in (b'{"topic":"\xff"}', b'{"topic":[1]}', b"[" * 5000, b"{}", b""):
                await redis.publish(CHANNEL, nonsense)
            await redis.publish(CHANNEL, b'{"topic":"known","number":1}')
            assert await heard.get() == {"number": 1}
            assert connections.empty()
    finally:
        running.cancel()
        server.stop()


@pytest.mark.parametrize(
    "top",
    [["x", 1, 5], [2**40, 1, 5], [1, "x", 5], [1, 2**70, 2**70], [-1, 1, 5], [1.5, 1, 5], [None]],
)
async def test_nonsense_about_conversations_keeps_nobody_from_the_next_message(
    chat: ChatProcess,
    api: ApiProcess,
    make_person: MakePerson,
    db: asyncpg.Connection,
    top: list[Any],
) -> None:
    ann, bob = await make_person(), await make_person()
    async with connected(chat, ann) as client:
        conversation = [top[0], ann.id, bob.id, *top[1:]]
        event = {"topic": "chat.tops", "rooms": [], "conversations": [conversation]}
        payload = json.dumps(event)
        await db.execute("SELECT pg_notify('talas_chat', $1)", payload)
        await asyncio.to_thread(tell, api, bob, ann, "after it")
        assert (await client.receive_kind("dm"))["content"] == "after it"
