"""The stream process: gRPC on ``GRPC_BIND_ADDR``."""

import asyncio
import signal
import sys

import asyncpg
import uvloop

from talas.core.logging import configure_logging
from talas.core.memory import bound_arenas
from talas.core.open_files import allow_many_sockets
from talas.core.settings import Settings, SettingsError

_OF_THE_EXTRA = {"grpc", "google", "grpc_health", "grpc_reflection"}

try:
    from talas.grpc.server import CannotListen, serve_stream
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] not in _OF_THE_EXTRA:
        raise
    raise SettingsError("gRPC needs packages that are not installed; install talas[grpc]") from None


def run(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT; exits with a sentence and 1 where it cannot start."""
    bound_arenas()
    configure_logging(settings.log_format, "stream")
    allow_many_sockets()
    try:
        uvloop.run(_serve(settings))
    except CannotListen as error:
        where = f"{settings.stream.host}:{settings.stream.port}"
        sys.exit(f"talas stream: cannot serve on {where}: {error}")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        sys.exit(f"talas stream: the database does not answer: {error}")


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await serve_stream(settings, stop)
