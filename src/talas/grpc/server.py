"""The stream process from its first call to its last."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
import structlog
from grpc_health.v1 import health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_reflection.v1alpha import reflection_pb2_grpc

from talas.core.database import Database
from talas.core.disk_cache import DiskCache
from talas.core.events import EventListener
from talas.core.metrics import sample_process
from talas.core.sessions import SessionGuard
from talas.core.settings import Settings
from talas.core.storage import Storage
from talas.core.tokens import TokenSigner
from talas.domains.streaming.cleaning import cleaning
from talas.domains.streaming.service import Streaming
from talas.grpc.calls import SERVICE, Calls
from talas.grpc.open_services import Health, Reflection
from talas.grpc.servicer import AudioStream
from talas.v1 import audio_stream_pb2_grpc

MAX_CONNECTIONS = 8
"""To the database."""

NOTICE_S = 0.5
DRAIN_S = 5.0
LEAVE_S = 2.0
_HOURS = 3600 * 1000
OPTIONS = [
    # Any number of stream processes may share the port of a machine.
    ("grpc.so_reuseport", 1),
    ("grpc.max_receive_message_length", 16 * 1024),
    # The longest waveform has 512 KiB, a chunk 64.
    ("grpc.max_send_message_length", 1024 * 1024),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 100),
    # Who has gone without a word is found out within a minute and a half.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Who asks more often whether the server lives is sent away.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 3),
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 10 * 60 * 1000),
    # A client that reads nothing keeps what it was sent last only for so long.
    ("grpc.max_connection_age_ms", 6 * _HOURS),
    ("grpc.max_connection_age_grace_ms", 6 * _HOURS),
]
MAX_CALLS = 4096
PING_S = 5.0

log = structlog.get_logger()


class CannotListen(Exception):
    """The address cannot be had."""


async def serve_stream(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until ``stop`` is set and all streams have ended. Raises CannotListen."""
    async with _open_service(settings) as (calls, db, service):
        server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
        health = Health()
        audio_stream_pb2_grpc.add_AudioStreamServicer_to_server(service, server)  # type: ignore[no-untyped-call]
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
            Reflection([SERVICE, "grpc.health.v1.Health"]), server
        )
        _listen(server, settings.stream.host, settings.stream.port)
        await health.set(SERVICE, HealthCheckResponse.SERVING)
        await server.start()
        log.info("stream.listening", host=settings.stream.host, port=settings.stream.port)
        pinging = asyncio.create_task(_tell_health(health, db))
        await stop.wait()
        pinging.cancel()
        await _drain(server, health, calls)


def _listen(server: grpc.aio.Server, host: str, port: int) -> None:
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound = server.add_insecure_port(address)
    except RuntimeError as error:
        raise CannotListen(str(error)) from None
    if bound != port:
        raise CannotListen(f"cannot listen on {address}")


async def _tell_health(health: Health, db: Database) -> None:
    """While the database does not answer, calls are better made elsewhere."""
    while True:
        await asyncio.sleep(PING_S)
        try:
            await db.ping()
            status = HealthCheckResponse.SERVING
        except Exception as error:  # whatever it was, nothing can be answered
            log.warning("database.unavailable", error=str(error))
            status = HealthCheckResponse.NOT_SERVING
        for service in ("", SERVICE):
            await health.set(service, status)


async def _drain(server: grpc.aio.Server, health: Health, calls: Calls) -> None:
    """Who looks for a server is told to look elsewhere, then none is taken any more; streams have
    DRAIN_S to end by themselves, and are told where to go on after that."""
    await health.enter_graceful_shutdown()
    calls.drain()
    log.info("stream.draining", calls=calls.under_way)
    await asyncio.sleep(NOTICE_S)
    stopping = asyncio.create_task(server.stop(DRAIN_S + LEAVE_S))
    await calls.wait_until_idle(DRAIN_S)
    calls.end_all()
    await calls.wait_until_idle(LEAVE_S)
    # What is still open are watches of the health, which end with the server.
    await server.stop(0)
    await stopping


@contextlib.asynccontextmanager
async def _open_service(settings: Settings) -> AsyncIterator[tuple[Calls, Database, AudioStream]]:
    db = await Database.connect(
        settings.database,
        application="talas stream",
        max_connections=min(MAX_CONNECTIONS, settings.database.max_connections),
    )
    events = EventListener(settings.database.url or "")
    guard = SessionGuard(TokenSigner(settings.auth.jwt_secret), db, events)
    storage = Storage.open(settings.files)
    streaming = Streaming(storage, DiskCache.open(settings.stream))
    calls = Calls(guard, log_format=settings.log_format, rate_limits=settings.rate_limits)
    background = [asyncio.create_task(work) for work in (calls.watch(), sample_process("stream"))]
    try:
        async with cleaning(streaming, db, events):
            await events.start()
            yield calls, db, AudioStream(calls, db, storage, streaming)
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await events.stop()
        await db.close()
