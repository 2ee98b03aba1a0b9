"""`talas api`, `talas chat`, `talas stream`, `talas worker`: one process each, alone or under
`talas serve`."""

import io
import os
import sys
from importlib import import_module

import msgspec
import typer

from talas.core import embedded_postgres, lifeline
from talas.core.logging import configure_logging
from talas.core.settings import Settings, SettingsError, load_settings
from talas.entrypoints.preflight import check_ports
from talas.entrypoints.serve import serve_api, serve_chat

app = typer.Typer()


@app.command()
def api() -> None:
    """Run the HTTP server alone: HOST, PORT, API_WORKERS."""
    _run("api")


@app.command()
def chat() -> None:
    """Run the WebSocket server alone: WS_BIND_ADDR, CHAT_WORKERS. Several may share the port."""
    _run("chat")


@app.command()
def stream() -> None:
    """Run the gRPC server alone: GRPC_BIND_ADDR. Several may share the port."""
    _run("stream")


@app.command()
def worker() -> None:
    """Run a worker alone: audio and clean-up jobs. Start as many as you need."""
    _run("worker")


def _run(role: str) -> None:
    supervised = lifeline.watch()
    _write_whole_lines()
    settings = _with_database(load_settings())
    # Several supervised processes share a port on purpose; their supervisor checked it.
    if not supervised:
        only = {"http": role == "api", "chat": role == "chat", "stream": role == "stream"}
        check_ports(settings, **only, shared=True)
    several = {
        "api": (serve_api, settings.http.workers),
        "chat": (serve_chat, settings.chat.workers),
    }
    serve_them, number = several.get(role, (serve_api, 1))
    if number > 1:
        configure_logging(settings.log_format, role)
        serve_them(settings, {**os.environ, "DATABASE_URL": settings.database.url or ""})
        return
    import_module(f"talas.entrypoints.{role}").run(settings)


def _write_whole_lines() -> None:
    """Several processes share the output: a line goes out by one write, also where Python was
    told not to buffer."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, write_through=False)


def _with_database(settings: Settings) -> Settings:
    """Without DATABASE_URL, the embedded database that runs on the same data folder."""
    if settings.database.url is not None:
        return settings
    if not embedded_postgres.is_running(settings.data_dir):
        raise SettingsError(
            f"DATABASE_URL is unset, and no embedded PostgreSQL runs on {settings.data_dir}; "
            "start everything with `talas serve`, or set DATABASE_URL"
        )
    url = embedded_postgres.database_url(settings.data_dir)
    return msgspec.structs.replace(
        settings, database=msgspec.structs.replace(settings.database, url=url)
    )
