"""One migrated PostgreSQL for the whole run, and a database of its own for every test."""

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import asyncpg
import httpx
import hypothesis
import pytest
from tests.ports import free_port

from talas.core import embedded_postgres
from talas.core.file_lock import FileLock
from talas.core.migrations import migrate_up
from talas.core.settings import Settings, load_settings

JWT_SECRET = "a-secret-for-tests-that-is-long-enough-for-hs256"
_RUN_DIR = "TALAS_TEST_RUN_DIR"
_RUN_PREFIX = "talas-tests-"
_RUN_LOCK = pytest.StashKey[FileLock]()
_UNSAFE_BUT_FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "400",
    "max_wal_size": "2GB",
    "autovacuum": "off",
}

# The same examples each time, however long each takes on a busy machine.
hypothesis.settings.register_profile(
    "talas",
    deadline=None,
    derandomize="TALAS_FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("talas")

# Where a test names no other, httpx gives up after five seconds: a busy machine may need more.
for _step in ("connect", "read", "write", "pool"):
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, _step, 60.0)

AnswerT = TypeVar("AnswerT")


class MakeSettings(Protocol):
    def __call__(self, **overrides: Any) -> Settings: ...


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """The run's folder is made by the first process and inherited by the workers of xdist.

    pytest's own temporary folders move into it: their usual parent is made private again by every
    other run that starts, which shuts out the account that runs PostgreSQL for root.
    """
    _heed_signals()
    if not hasattr(config, "workerinput"):
        _remove_killed_runs()
        run_dir = Path(tempfile.mkdtemp(prefix=_RUN_PREFIX))
        os.environ[_RUN_DIR] = str(run_dir)
        config.stash[_RUN_LOCK] = _hold(run_dir)
        if config.option.basetemp is None:
            config.option.basetemp = run_dir / "tmp"


def pytest_unconfigure(config: pytest.Config) -> None:
    """The server has ended with its worker; at the latest when that one's process did."""
    if not hasattr(config, "workerinput") and _RUN_DIR in os.environ:
        shutil.rmtree(os.environ.pop(_RUN_DIR), ignore_errors=True)


def _heed_signals() -> None:
    """What runs in the background of a shell, or under nohup, ignores these, and so does all that
    it starts; tests send them."""
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            handler = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, handler)


def _hold(run_dir: Path) -> FileLock:
    """Locked before it has its name, so that nobody ever finds it free while the run lives."""
    lock = FileLock(run_dir / "run.lock.new")
    lock.exclusive()
    (run_dir / "run.lock.new").rename(run_dir / "run.lock")
    return lock


def _remove_killed_runs() -> None:
    """A run that was killed could not remove its folder; its server has ended with it."""
    for path in Path(tempfile.gettempdir()).glob(f"{_RUN_PREFIX}*/run.lock"):
        with suppress(OSError):
            lock = FileLock(path)
            if lock.try_exclusive():
                shutil.rmtree(path.parent, ignore_errors=True)
            lock.release()


class TestServer:
    """Makes and drops databases, over one connection in a thread with an event loop of its own."""

    __test__ = False

    def __init__(self, url: str) -> None:
        self._url = url
        self._run_name = Path(os.environ[_RUN_DIR]).name.replace("-", "_").lower()
        self._worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        self._numbers = itertools.count(1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._conn: asyncpg.Connection = self._wait(asyncpg.connect(url))

    def prepare_template(self) -> None:
        """Whoever comes first migrates; the others wait for that."""
        with self._alone():
            exists = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)"
            if not self._wait(self._conn.fetchval(exists, self._run_name)):
                self._execute(f"CREATE DATABASE {self._run_name}")
                self._wait(migrate_up(self._url_of(self._run_name)))

    def create_database(self, *, empty: bool = False) -> str:
        """The URL of a new database: a copy of the migrated template, or without any table."""
        name = f"{self._run_name}_{self._worker}_{next(self._numbers)}"
        template = "template0" if empty else self._run_name
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self._url_of(name)

    def drop_database(self, url: str) -> None:
        self._execute(f"DROP DATABASE {urlsplit(url).path.lstrip('/')} WITH (FORCE)")

    def close(self, *, last: bool) -> None:
        if last:
            self._execute(f"DROP DATABASE IF EXISTS {self._run_name} WITH (FORCE)")
        self._wait(self._conn.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._execute("SELECT pg_advisory_lock(hashtext('talas tests'))")
        yield
        self._execute("SELECT pg_advisory_unlock(hashtext('talas tests'))")

    def _url_of(self, name: str) -> str:
        return urlsplit(self._url)._replace(path=f"/{name}").geturl()

    def _execute(self, statement: str) -> None:
        self._wait(self._conn.execute(statement))

    def _wait(self, awaitable: Awaitable[AnswerT]) -> AnswerT:
        async def awaited() -> AnswerT:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(60)


@pytest.fixture(scope="session")
def test_server() -> Iterator[TestServer]:
    """The server of ``TEST_DATABASE_URL`` (a role that may create databases), else an embedded one
    that the first worker starts and that ends with the last."""
    run_dir = Path(os.environ[_RUN_DIR])
    given = os.environ.get("TEST_DATABASE_URL")
    started = embedded_postgres.running(run_dir / "server", settings=_UNSAFE_BUT_FAST)
    with nullcontext(given) if given else started as url:
        users = FileLock(run_dir / "users.lock")
        users.shared()
        server = TestServer(url)
        server.prepare_template()
        yield server
        server.close(last=users.try_exclusive())
        users.release()


@pytest.fixture
def database_url(test_server: TestServer) -> Iterator[str]:
    """A migrated database that only this test uses."""
    url = test_server.create_database()
    yield url
    test_server.drop_database(url)


@pytest.fixture
def empty_database_url(test_server: TestServer) -> Iterator[str]:
    """A database without tables."""
    url = test_server.create_database(empty=True)
    yield url
    test_server.drop_database(url)


@pytest.fixture
def make_settings(database_url: str, tmp_path: Path) -> MakeSettings:
    """Settings as ``load_settings`` makes them, on this test's database, folder and free ports.

    Rate limits are off; overrides are the variables' names in lower case.
    """

    def make(**overrides: Any) -> Settings:
        values = {
            "_env_file": None,
            "database_url": database_url,
            "data_dir": tmp_path / "data",
            "port": free_port(),
            "ws_bind_addr": f"127.0.0.1:{free_port()}",
            "jwt_secret": JWT_SECRET,
            "rate_limits": False,
        }
        return load_settings(**{**values, **overrides})

    return make
