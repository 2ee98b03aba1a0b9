"""Everything on one machine: the database, its migrations, then api, chat and worker."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from talas.core import lifeline
from talas.core.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from talas.core.settings import Settings
from talas.entrypoints import preflight, probes
from talas.entrypoints.preflight import ServeError
from talas.entrypoints.stop_signals import StopSignals
from talas.entrypoints.supervisor import Role, Supervisor

# Roles get 15 s (Pace.drain_s), then the database this: together less than 20 s.
_DATABASE_STOP_S = 3.0

_log = structlog.get_logger()


def serve(
    settings: Settings, environment: Mapping[str, str], on_ready: Callable[[float], None]
) -> None:
    """Returns after a stop signal, when nothing runs any more. ``environment`` is what the
    processes start from; ``on_ready`` gets the seconds that the start took.

    Raises ServeError and SettingsError with the sentence for whoever started it.
    """
    began_at = time.monotonic()
    new_database = not (settings.data_dir / "postgres" / "PG_VERSION").exists()
    with StopSignals() as signals, preflight.only_server(settings.data_dir):
        preflight.check_ports(settings)
        preflight.check_disk(
            settings.data_dir, new_database=new_database and settings.database.url is None
        )
        metrics_dir = preflight.empty_metrics_folder(settings.data_dir)
        with _database(settings, signals) as (database, url):
            env = {
                **environment,
                "DATABASE_URL": url,
                "PROMETHEUS_MULTIPROC_DIR": str(metrics_dir),
            }
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
    database = EmbeddedPostgres(settings.data_dir, report=_log.info)
    try:
        database.start()
        yield database, database.url
    except EmbeddedPostgresError as error:
        # Ctrl-C during the first start reaches initdb too: that is no failure.
        if not signals.asked:
            raise ServeError(str(error)) from None
    finally:
        database.stop(_DATABASE_STOP_S)


def _migrate(env: Mapping[str, str], signals: StopSignals) -> None:
    """In a process of its own, so that what it imports does not stay in memory."""
    process, tie = lifeline.spawn(_command("migrate", "up"), env=env)
    try:
        while process.poll() is None and not signals.asked:
            signals.wait(1.0)
    finally:
        process.terminate()
        code = process.wait()
        os.close(tie)
    if code != 0 and not signals.asked:
        raise ServeError("the database could not be migrated; the messages above say why")


def _roles(settings: Settings, env: Mapping[str, str]) -> list[Role]:
    http, chat = settings.http, settings.chat
    return [
        Role("api", _command("api"), env, lambda: probes.answers_ready(http.host, http.port)),
        Role("chat", _command("chat"), env, lambda: probes.accepts(chat.host, chat.port)),
        Role("worker", _command("worker"), env),
    ]


def _command(*words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "talas", *words)
