"""The API process: granian serves the application until SIGTERM, then drains."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator

import asyncpg
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from talas.core.database import Database
from talas.core.disk_cache import DiskCache
from talas.core.events import EventListener
from talas.core.http.application import create_app
from talas.core.http.edge import Edge
from talas.core.http.request import ApiContext
from talas.core.logging import configure_logging
from talas.core.memory import bound_arenas
from talas.core.metrics import sample_process
from talas.core.open_files import allow_many_sockets
from talas.core.sessions import SessionGuard
from talas.core.settings import Settings
from talas.core.storage import Storage
from talas.core.tokens import TokenSigner
from talas.domains.admin.routes import api_routes as admin_routes
from talas.domains.auth.routes import api_routes as auth_routes
from talas.domains.chat.attachments.routes import api_routes as attachment_routes
from talas.domains.chat.blocks.routes import api_routes as blocks_routes
from talas.domains.chat.conversations.routes import api_routes as conversations_routes
from talas.domains.chat.groups.routes import api_routes as group_routes
from talas.domains.chat.invites.routes import api_routes as invite_routes
from talas.domains.chat.lookup.routes import api_routes as lookup_routes
from talas.domains.chat.members.routes import api_routes as member_routes
from talas.domains.chat.messages.routes import api_routes as messages_routes
from talas.domains.chat.reads.routes import api_routes as reads_routes
from talas.domains.chat.rooms.routes import api_routes as room_routes
from talas.domains.chat.routes import api_routes as chat_routes
from talas.domains.docs.routes import api_routes as docs_routes
from talas.domains.files.routes import api_routes as files_routes
from talas.domains.files.routes import media_routes as file_uploads
from talas.domains.following.routes import api_routes as following_routes
from talas.domains.listening.routes import api_routes as listening_routes
from talas.domains.notifications.routes import api_routes as notification_routes
from talas.domains.playlists.routes import api_routes as playlists_routes
from talas.domains.products.routes import api_routes as products_routes
from talas.domains.reports.routes import api_routes as reports_routes
from talas.domains.search.feed import feeding
from talas.domains.search.index import FollowedIndex
from talas.domains.search.routes import api_routes as search_routes
from talas.domains.streaming.cleaning import cleaning
from talas.domains.streaming.routes import api_routes as streaming_routes
from talas.domains.streaming.routes import media_routes as streamed_uploads
from talas.domains.streaming.service import Streaming
from talas.domains.tags.routes import api_routes as tags_routes
from talas.domains.tracks.routes import api_routes as tracks_routes
from talas.domains.tracks.routes import media_routes as track_uploads
from talas.domains.tracks.similar.index import SoundIndex
from talas.domains.user_products.routes import api_routes as user_products_routes
from talas.domains.users.media import media_routes as user_uploads
from talas.domains.users.routes import api_routes as users_routes

HEADER_TIMEOUT_MS = 10_000
MAX_CONNECTIONS = 16_384
NOTICE_S = 0.5
DRAIN_S = 13.0

API_ROUTES = [
    *auth_routes,
    *users_routes,
    *tracks_routes,
    *streaming_routes,
    *listening_routes,
    *following_routes,
    *playlists_routes,
    *products_routes,
    *user_products_routes,
    *files_routes,
    *docs_routes,
    *room_routes,
    *member_routes,
    *invite_routes,
    *group_routes,
    *chat_routes,
    *messages_routes,
    *reads_routes,
    *conversations_routes,
    *blocks_routes,
    *lookup_routes,
    *attachment_routes,
    *notification_routes,
    *tags_routes,
    *search_routes,
    *reports_routes,
    *admin_routes,
]
MEDIA_ROUTES = [*user_uploads, *track_uploads, *streamed_uploads, *file_uploads]
# Shown to many, changed by few.
HOT_PATHS = ["/products/search", "/tags", "/tracks", "/chat/rooms"]


def run(settings: Settings) -> None:
    """Blocks until SIGTERM or SIGINT; open requests are answered before it returns."""
    bound_arenas()
    configure_logging(settings.log_format, "api")
    allow_many_sockets()
    try:
        uvloop.run(_serve(settings))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        sys.exit(f"talas api: the database does not answer: {error}")


async def _serve(settings: Settings) -> None:
    async with open_context(settings) as context:
        edge = build(context)
        server = Server(
            edge,
            address=settings.http.host,
            port=settings.http.port,
            interface=Interfaces.ASGI,
            # HTTP/2 without TLS is what a proxy may speak to clients, not to us; its limits on
            # headers and on silence are not ours.
            http=HTTPModes.http1,
            websockets=False,
            backlog=1024,
            # So many connections; more would wait to be taken, also those of good clients.
            backpressure=MAX_CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
            log_enabled=False,
        )
        await _serve_until_signal(server, edge, context)


def build(context: ApiContext) -> Edge:
    return create_app(
        context, api_routes=API_ROUTES, media_routes=MEDIA_ROUTES, hot_paths=HOT_PATHS
    )


@contextlib.asynccontextmanager
async def open_context(settings: Settings) -> AsyncIterator[ApiContext]:
    """The pool, the event listener and the storage, for as long as the block lasts."""
    assert settings.database.url is not None
    db = await Database.connect(settings.database, application="talas api")
    events = EventListener(settings.database.url)
    guard = SessionGuard(TokenSigner(settings.auth.jwt_secret), db, events)
    await events.start()
    sampling = asyncio.create_task(sample_process("api"))
    search = FollowedIndex(settings.data_dir / "search")
    try:
        async with feeding(search, db):
            storage = Storage.open(settings.files)
            streaming = Streaming(storage, DiskCache.open(settings.stream))
            context = ApiContext(
                settings,
                db,
                guard,
                storage=storage,
                docs_storage=Storage.open_docs(settings.files),
                search=search,
                parts=[streaming, SoundIndex()],
            )
            # What another process tells of may have changed any answer.
            events.on_any(context.hot_reads.forget_all)
            async with cleaning(streaming, db, events):
                yield context
    finally:
        sampling.cancel()
        await events.stop()
        await db.close()


async def _serve_until_signal(server: Server, edge: Edge, context: ApiContext) -> None:
    """On a signal: ``/ready`` says 503 for a moment, so that a load balancer looks elsewhere,
    then no more connections are taken and the open requests end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        context.draining = True
        await asyncio.sleep(NOTICE_S)
        server.stop()  # type: ignore[no-untyped-call]
        if not await edge.wait_until_idle(DRAIN_S):
            # What is made for hours on end would be waited for as long.
            await context.part(Streaming).close()
    stopping.cancel()
    await serving
