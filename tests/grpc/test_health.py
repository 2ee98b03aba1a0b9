"""The health says whether calls can be answered."""

import asyncio

import asyncpg
import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from tests.conftest import MakeSettings
from tests.ports import free_port

from talas.grpc import server
from talas.grpc.server import serve_stream

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING


async def test_it_follows_the_database(
    make_settings: MakeSettings,
    database_url: str,
    empty_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "PING_S", 0.1)
    settings = make_settings(grpc_bind_addr=f"127.0.0.1:{free_port()}")
    stop = asyncio.Event()
    serving = asyncio.create_task(serve_stream(settings, stop))
    conn = await asyncpg.connect(database_url)
    name = await conn.fetchval("SELECT current_database()")
    await conn.close()
    elsewhere = await asyncpg.connect(empty_database_url)
    address = f"{settings.stream.host}:{settings.stream.port}"
    try:
        async with grpc.aio.insecure_channel(address) as channel:
            request = HealthCheckRequest(service="talas.v1.AudioStream")
            watch = HealthStub(channel).Watch(request, timeout=60, wait_for_ready=True)
            assert (await watch.read()).status == SERVING
            await elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            await elsewhere.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
            )
            assert (await watch.read()).status == NOT_SERVING
            await elsewhere.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            assert (await watch.read()).status == SERVING
    finally:
        await elsewhere.close()
        stop.set()
        await serving
