"""Everything on one machine: the database, its migrations, then api, chat and worker, and stream
where GRPC_BIND_ADDR is set."""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

import structlog

from talas.core import lifeline
from talas.core.embedded_postgres import EmbeddedPostgres
from talas.core.settings import Settings
from talas.entrypoints import preflight, probes
from talas.entrypoints.preflight import ServeError
from talas.entrypoints.stop_signals import StopSignals
from talas.entrypoints.supervisor import Role, Supervisor

# All must be over 20 s after the signal. The roles take 15 s of them at most (Pace.drain_s).
_STOP_S = 19.0
_LEAST_DATABASE_STOP_S = 3.0
_LEAST_CONNECTIONS = 5

_log = structlog.get_logger()


def serve(
    settings: Settings, environment: Mapping[str, str], on_ready: Callable[[float], None]
) -> None:
    """Returns after a stop signal, when nothing runs any more. ``environment`` is what the
    processes start from; ``on_ready`` gets the seconds that the start took.

    Raises ServeError, EmbeddedPostgresError and SettingsError, each a sentence for a person.
    """
    began_at = time.monotonic()
    new_database = not (settings.data_dir / "postgres" / "PG_VERSION").exists()
    with StopSignals() as signals, preflight.only_server(settings.data_dir):
        preflight.check_ports(settings)
        preflight.check_disk(
            settings.data_dir, new_database=new_database and settings.database.url is None
        )
        with (
            preflight.metrics_folder(settings.data_dir) as metrics_dir,
            _database(settings, signals) as (database, url),
        ):
            env = {
                **environment,
                "DATABASE_URL": url,
                "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir),
            }
            if not signals.asked:
                _migrate(env, signals)
            Supervisor(
                _roles(settings, env), signals=signals, database=database, metrics_dir=metrics_dir
            ).run(lambda: on_ready(time.monotonic() - began_at))


@contextmanager
def _database(
    settings: Settings, signals: StopSignals
) -> Iterator[tuple[EmbeddedPostgres | None, str]]:
    if settings.database.url is not None:
        yield None, settings.database.url
        return

    def report(sentence: str) -> None:
        """Hears of a start that takes long, and is the way out of it."""
        if signals.asked:
            raise ServeError("stopped while the embedded database was starting")
        _log.info(sentence, process="database")

    database = EmbeddedPostgres(settings.data_dir, report=report)
    try:
        database.start()
        yield database, database.url
    finally:
        database.stop(max(_LEAST_DATABASE_STOP_S, _STOP_S - signals.asked_for_s()))


def _migrate(env: Mapping[str, str], signals: StopSignals) -> None:
    """In a process of its own, so that what it imports does not stay in memory."""
    with tempfile.TemporaryFile() as said:
        process, tie = lifeline.spawn(_command("migrate", "up"), env=env, stdout=said)
        try:
            while process.poll() is None and not signals.asked:
                signals.wait(1.0)
        finally:
            process.terminate()
            code = process.wait()
            os.close(tie)
        said.seek(0)
        for line in said.read().decode(errors="replace").splitlines():
            if line != "nothing to apply":
                _log.info(line, process="migrate")
    if code != 0 and not signals.asked:
        raise ServeError("the database could not be migrated; the messages above say why")


def serve_api(settings: Settings, environment: Mapping[str, str]) -> None:
    """`talas api` with API_WORKERS above 1: that many processes accept on one port."""
    _serve_roles(_api_roles, settings, environment)


def serve_chat(settings: Settings, environment: Mapping[str, str]) -> None:
    """`talas chat` with CHAT_WORKERS above 1, likewise."""
    _serve_roles(_chat_roles, settings, environment)


def _serve_roles(
    roles: Callable[[Settings, Mapping[str, str]], list[Role]],
    settings: Settings,
    environment: Mapping[str, str],
) -> None:
    with StopSignals() as signals, preflight.own_metrics_folder() as metrics_dir:
        env = {**environment, "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir)}
        Supervisor(
            roles(settings, env), signals=signals, database=None, metrics_dir=metrics_dir
        ).run(lambda: None)


def _api_roles(settings: Settings, env: Mapping[str, str]) -> list[Role]:
    """The processes share the database connections that the settings allow."""
    http, workers = settings.http, settings.http.workers
    share = max(_LEAST_CONNECTIONS, settings.database.max_connections // workers)
    env = {**env, "API_WORKERS": "1", "DATABASE_MAX_CONNECTIONS": str(share)}
    names = ["api"] if workers == 1 else [f"api {number}" for number in range(1, workers + 1)]
    return [
        Role(name, _command("api"), env, lambda: probes.answers_ready(http.host, http.port))
        for name in names
    ]


def _chat_roles(settings: Settings, env: Mapping[str, str]) -> list[Role]:
    chat = settings.chat
    env = {**env, "CHAT_WORKERS": "1"}
    names = [f"chat {number}" for number in range(1, chat.workers + 1)]
    return [
        Role(name, _command("chat"), env, lambda: probes.accepts(chat.host, chat.port))
        for name in (names if chat.workers > 1 else ["chat"])
    ]


def _stream_roles(settings: Settings, env: Mapping[str, str]) -> list[Role]:
    stream = settings.stream
    if not stream.is_served:
        return []
    ready = partial(probes.accepts, stream.host, stream.port)
    return [Role("stream", _command("stream"), env, ready)]


def _roles(settings: Settings, env: Mapping[str, str]) -> list[Role]:
    return [
        *_api_roles(settings, env),
        *_chat_roles(settings, env),
        *_stream_roles(settings, env),
        Role("worker", _command("worker"), env),
    ]


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "talas", *words)
