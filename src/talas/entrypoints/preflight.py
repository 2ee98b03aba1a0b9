"""What must hold before `talas serve` starts anything: one folder, one server, free ports."""

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from talas.core.settings import Settings, SettingsError

# A new database cluster takes about 60 MiB, a start on an old one a few: rounded up generously.
_NEW_DATABASE_BYTES = 160 * 2**20
_START_BYTES = 32 * 2**20
_MEMORY = Path("/dev/shm")  # noqa: S108, a folder of one's own in it, that nobody else had before


class ServeError(Exception):
    """Serving cannot start or go on; the message is a sentence for whoever started it."""


@contextlib.contextmanager
def only_server(data_dir: Path) -> Iterator[None]:
    """Hold the data folder for this process; it is free again however the process ends.

    Raises SettingsError where the folder cannot be written, ServeError where another holds it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = os.open(data_dir / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(data_dir, error) from None
    try:
        _lock(lock, data_dir)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, data_dir: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        owner = os.pread(lock, 32, 0).decode().strip() or "unknown"
        raise ServeError(
            f"another `talas serve` (pid {owner}) already runs on {data_dir}; "
            "stop it first, or choose another folder with DATA_DIR"
        ) from None
    except OSError as error:
        raise _unusable(data_dir, error) from None


def _unusable(data_dir: Path, error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ServeError(f"the disk that holds {data_dir} is full; make room, or set DATA_DIR")
    return SettingsError(
        f"DATA_DIR: cannot write to {data_dir} ({error.strerror}); "
        "make it writable for this user, or choose another folder"
    )


def check_disk(data_dir: Path, *, new_database: bool) -> None:
    """Raises ServeError: a database that runs out of disk half-way through its start is worse."""
    needed = _NEW_DATABASE_BYTES if new_database else _START_BYTES
    free = shutil.disk_usage(data_dir).free
    if free < needed:
        raise ServeError(
            f"the disk that holds {data_dir} has {free // 2**20} MiB left, and starting needs "
            f"{needed // 2**20} MiB; make room, or choose another folder with DATA_DIR"
        )


def check_ports(
    settings: Settings,
    *,
    http: bool = True,
    chat: bool = True,
    stream: bool | None = None,
    shared: bool = False,
) -> None:
    """Raises ServeError, with the port and its variable, where one cannot be listened on.
    ``stream`` is asked for where it is served, unless said otherwise. ``shared``: the chat's and
    the stream's may be held by others of their kind."""
    stream = settings.stream.is_served if stream is None else stream
    ports = {
        "PORT": settings.http.port if http else None,
        "WS_BIND_ADDR": settings.chat.port if chat else None,
        "GRPC_BIND_ADDR": settings.stream.port if stream else None,
    }
    for (one, port), (other, other_port) in itertools.combinations(ports.items(), 2):
        if port is not None and port == other_port:
            raise ServeError(f"{one} and {other} both name port {port}; give each its own")
    if http:
        _check_port("HTTP", "PORT", "HOST", settings.http.host, settings.http.port)
    if chat:
        address = settings.chat.host, settings.chat.port
        _check_port("chat", "WS_BIND_ADDR", "WS_BIND_ADDR", *address, shared=shared)
    if stream:
        address = settings.stream.host, settings.stream.port
        _check_port("gRPC", "GRPC_BIND_ADDR", "GRPC_BIND_ADDR", *address, shared=shared)


def _check_port(
    use: str,
    port_variable: str,
    host_variable: str,
    host: str,
    port: int,
    *,
    shared: bool = False,
) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                # Who listened too, if only to see, would be given connections of clients.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                probe.bind(address)
            else:
                probe.bind(address)
                probe.listen(1)
    except socket.gaierror:
        raise ServeError(f"{host_variable}: {host!r} is no address that is known here") from None
    except OSError as error:
        raise ServeError(
            _port_sentence(error, use, port_variable, host_variable, host, port)
        ) from None


def _port_sentence(
    error: OSError, use: str, port_variable: str, host_variable: str, host: str, port: int
) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} for {use} is in use on {host}; "
            f"stop what listens there, or set {port_variable} to another port"
        )
    if error.errno == errno.EACCES:
        return f"{port_variable}: this user may not listen on port {port}; take one above 1023"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host_variable}: {host} is no address of this machine"
    return f"{port_variable}: cannot listen on {host}:{port} ({error.strerror})"


@contextlib.contextmanager
def metrics_folder(data_dir: Path) -> Iterator[Path]:
    """Where the processes keep their figures for one another, empty; whoever holds the data folder
    may ask. In memory where the system has a place for it: the files are mapped, and what finds no
    room for a page of one on a full disk is killed by SIGBUS (mmap(2))."""
    identity = data_dir.stat()
    name = f"talas-metrics-{os.getuid()}-{identity.st_dev:x}-{identity.st_ino:x}"
    folder = data_dir / "metrics"
    try:
        try:
            _make_empty(_MEMORY / name)
            folder = _MEMORY / name
        except OSError:
            # There is none, or somebody else was first to take the name.
            _make_empty(folder)
    except OSError as error:
        raise _unusable(folder, error) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def own_metrics_folder() -> Iterator[Path]:
    """Likewise, for processes that hold no data folder."""
    memory = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(
        prefix="talas-metrics-", dir=memory, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


def keep_folder(folder: Path) -> None:
    """Makes it again where it has gone: what lies in /dev/shm goes when its owner has logged out
    everywhere (RemoveIPC, logind.conf(5)), and no process would start without it. Raises OSError
    where somebody else has taken the name."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    # Only there may others make folders; on a share one's own may bear another number.
    if folder.parent == _MEMORY and folder.lstat().st_uid != os.getuid():
        raise PermissionError(errno.EPERM, f"{folder} belongs to somebody else")


def _make_empty(folder: Path) -> None:
    """What a killed server left in it goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
