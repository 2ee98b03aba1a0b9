"""`talas serve`: everything on one machine."""

import os
import shlex
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from talas.core.logging import configure_logging, timestamp
from talas.core.settings import Settings, load_settings
from talas.entrypoints.banner import banner, facts
from talas.entrypoints.serve import serve as run_everything

app = typer.Typer()


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on for HTTP; stands for HOST.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on for HTTP; stands for PORT.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of all that is kept; stands for DATA_DIR.")
    ] = None,
) -> None:
    """Run everything on this machine until Ctrl-C: database, API, chat and worker.

    Without DATABASE_URL, an embedded PostgreSQL keeps its data under DATA_DIR/postgres.
    What dies is started again. SIGTERM and Ctrl-C let requests, messages and jobs finish, for
    20 seconds at most.
    """
    given = {"host": host, "port": port, "data_dir": data_dir}
    overrides = {name: str(value) for name, value in given.items() if value is not None}
    settings = load_settings(**overrides)
    configure_logging(settings.log_format, "serve")
    environment = {**os.environ, **{name.upper(): value for name, value in overrides.items()}}
    run_everything(settings, environment, lambda started_in_s: _tell_ready(settings, started_in_s))


def _tell_ready(settings: Settings, started_in_s: float) -> None:
    talas_version = version("talas")
    if settings.log_format == "json":
        record = {"time": timestamp(), "role": "serve", "level": "info", "event": "ready"}
        record |= {"version": talas_version, **facts(settings)}
        text = msgspec.json.encode(record).decode() + "\n"
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        text = banner(
            settings,
            program=_program(settings),
            version=talas_version,
            started_in_s=started_in_s,
            colour=colour,
        )
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:  # nobody reads it: no reason to stop serving
        return


def _program(settings: Settings) -> str:
    """`talas` where the shell finds it, else the path by which it was called; with the data
    folder, where another shell would not find it by itself."""
    called = Path(sys.argv[0])
    found = shutil.which("talas") or called.name != "talas"
    program = "talas" if found else os.path.relpath(called)
    if settings.data_dir == Path.cwd() / "data":
        return program
    return f"DATA_DIR={shlex.quote(str(settings.data_dir))} {program}"
