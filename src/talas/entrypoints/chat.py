"""The chat process: WebSockets on ``WS_BIND_ADDR``."""

import asyncio
import signal
import sys

import asyncpg
import uvloop

from talas.core.logging import configure_logging
from talas.core.open_files import allow_many_sockets
from talas.core.settings import Settings
from talas.domains.chat.server import serve_chat


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; exits with a sentence and 1 where it cannot start."""
    configure_logging(settings.log_format, "chat")
    allow_many_sockets()
    try:
        uvloop.run(_serve(settings))
    except OSError as error:
        where = f"{settings.chat.host}:{settings.chat.port}"
        sys.exit(f"talas chat: cannot serve on {where}: {error.strerror or error}")
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        sys.exit(f"talas chat: the database does not answer: {error}")


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve_chat(settings, stop)
