"""The chat process from its first socket to its last."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from functools import partial

import structlog

from talas.core.database import Database
from talas.core.events import CHANNEL, CHAT_CHANNEL, EventListener
from talas.core.metrics import sample_process
from talas.core.sessions import SessionGuard
from talas.core.settings import Settings, SettingsError
from talas.core.tokens import TokenSigner
from talas.domains.chat.bus import Bus, PostgresBus
from talas.domains.chat.connection import Close
from talas.domains.chat.hub import Member
from talas.domains.chat.metrics import QUEUE_DEPTH
from talas.domains.chat.node import Node
from talas.domains.chat.revocation import watch_events
from talas.domains.chat.socket import ChatSocket

READ_CONNECTIONS = 4
OWN_CONNECTIONS = 4
OWN_IDLE_S = 60.0
READY_S = 0.5
LAST_WORDS_S = 0.1
BACKLOG = 1024
SWEEP_S = 10.0
COUNT_S = 1.0
DRAIN_SPREAD_S = 5.0
DRAIN_STEP_S = 0.005
SETTLE_S = 3.0
LEAVE_S = 2.5
_AT_ONCE = 10
_POLL_S = 0.02

log = structlog.get_logger()


async def serve_chat(settings: Settings, stop: asyncio.Event) -> None:
    """Serves until ``stop`` is set and all sockets are closed. Raises OSError where it cannot
    listen, SettingsError where Redis is asked for and its library is missing."""
    async with _open_node(settings) as node:
        server = await node.loop.create_server(
            lambda: ChatSocket(node),
            settings.chat.host,
            settings.chat.port,
            backlog=BACKLOG,
            # Any number of chat processes may share the port of a machine.
            reuse_port=True,
        )
        log.info("chat.listening", host=settings.chat.host, port=settings.chat.port)
        await _until_stopped_or_broken(node, stop)
        node.stopping = True
        if not node.broken.is_set():
            await _let_balancers_look()
        node.draining = True
        server.close()
        await drain(node)
        # What closed sockets had sent is kept too.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(node.writer.drained(), SETTLE_S)
        await node.presence.end()
    if node.broken.is_set():
        raise RuntimeError("a part of the chat ended by itself; the log says which")


async def _let_balancers_look() -> None:
    """They ask whether this process is ready, and send who comes elsewhere."""
    await asyncio.sleep(READY_S)


async def _until_stopped_or_broken(node: Node, stop: asyncio.Event) -> None:
    """A process without its writer would accept messages and keep none: it leaves instead, and is
    started again."""
    waits = [asyncio.create_task(event.wait()) for event in (stop, node.broken)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


@contextlib.asynccontextmanager
async def _open_node(settings: Settings) -> AsyncIterator[Node]:
    own_db = await Database.connect(
        settings.database,
        application="talas chat writer",
        max_connections=OWN_CONNECTIONS,
        idle_s=OWN_IDLE_S,
    )
    reading = min(READ_CONNECTIONS, settings.database.max_connections)
    db = await Database.connect(
        settings.database, application="talas chat", max_connections=reading, lazily=True
    )
    events = EventListener(settings.database.url or "", channels=(CHANNEL, CHAT_CHANNEL))
    guard = SessionGuard(TokenSigner(settings.auth.jwt_secret), db, events)
    bus = _open_bus(settings, db, events)
    node = Node(settings, db, own_db, guard, bus)
    watch_events(node, events)
    background = [
        asyncio.create_task(work)
        for work in (
            node.writer.run(),
            node.follower.run(),
            node.presence.run(),
            node.wheel.run(),
            bus.run(),
            _sweep(node),
            _count_waiting(node),
            sample_process("chat"),
        )
    ]
    for task in background:
        task.add_done_callback(partial(_ended, node))
    try:
        await events.start()
        yield node
        # What is to be told when leaving has a moment to go out.
        await asyncio.sleep(LAST_WORDS_S)
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await events.stop()
        await asyncio.gather(db.close(), own_db.close())


def _ended(node: Node, task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        log.error("chat.part_ended", part=repr(task.get_coro()), error=repr(task.exception()))
        node.broken.set()


def _open_bus(settings: Settings, db: Database, events: EventListener) -> Bus:
    if settings.redis_url is None:
        return PostgresBus(db, events)
    try:
        from talas.domains.chat.redis_bus import RedisBus
    except ImportError:
        raise SettingsError(
            "REDIS_URL: needs the Python package redis; install talas[redis], or leave it unset"
        ) from None
    return RedisBus(settings.redis_url)


async def drain(node: Node) -> None:
    """Every client is told to come back, spread over some seconds so that they do not all come
    at once; before that it hears what became of its messages."""
    members = list(node.hub.sockets)
    random.shuffle(members)
    log.info("chat.draining", sockets=len(members))
    pause_s = min(DRAIN_STEP_S, DRAIN_SPREAD_S / max(1, len(members)))
    for place, member in enumerate(members):
        member.hold()
        node.spawn(_close_when_settled(node, member))
        if place % _AT_ONCE == 0:
            await asyncio.sleep(pause_s * _AT_ONCE)
    deadline = node.loop.time() + SETTLE_S + LEAVE_S
    while (node.hub.sockets or node.leaving) and node.loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)


async def _close_when_settled(node: Node, member: Member) -> None:
    deadline = node.loop.time() + SETTLE_S
    while member.in_flight and node.loop.time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_POLL_S)
    member.close(Close.SHUTTING_DOWN, "shutting down")


async def _sweep(node: Node) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        node.hub.forget_absent_users(node.loop.time())


async def _count_waiting(node: Node) -> None:
    """Now and then: to say so at each message would cost as much as reading it."""
    while True:
        QUEUE_DEPTH.set(node.writer.waiting)
        await asyncio.sleep(COUNT_S)
