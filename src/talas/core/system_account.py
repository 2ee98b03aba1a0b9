"""The operating-system account that runs PostgreSQL, which refuses to run as root."""

import os
import pwd
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import structlog

from talas.core.acl import let_user_search

log = structlog.get_logger()

ACCOUNT_NAME = "talas-db"
_USERADD = (
    "useradd",
    "--system",
    "--no-create-home",
    "--home-dir=/nonexistent",
    "--shell=/usr/sbin/nologin",
    "--comment=Talas database",
    ACCOUNT_NAME,
)


class Account(msgspec.Struct, frozen=True):
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()

    def process_arguments(self) -> dict[str, Any]:
        """What ``subprocess`` needs to start a process as this account."""
        if self.is_ours:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def account_for(folder: Path) -> Account:
    """Who runs the server of ``folder``: ourselves, or when we are root its owner.

    Root with a folder that nobody owns yet gets the system user ``talas-db``, made when it can be
    made, else ``nobody``. Raises LookupError when there is neither.
    """
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if folder.exists() and (owner := folder.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    entry = _find(ACCOUNT_NAME) or _create() or _find("nobody")
    if entry is None:
        raise LookupError(f"there is neither a user {ACCOUNT_NAME!r} nor 'nobody' to run it as")
    return Account(entry.pw_uid, entry.pw_gid)


def _find(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _create() -> pwd.struct_passwd | None:
    """None where users cannot be made. Several processes may try at once: one of them makes it."""
    for _ in range(20):
        try:
            done = subprocess.run(_USERADD, capture_output=True, check=False)
        except OSError:
            return None
        if entry := _find(ACCOUNT_NAME):
            return entry
        if b"lock" not in done.stderr:
            return None
        time.sleep(0.1)
    return None


def hand_over(folder: Path, account: Account) -> None:
    """Give ``folder`` and all in it to ``account``; links are given, never followed."""
    os.lchown(folder, account.uid, account.gid)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.lchown(os.path.join(parent, name), account.uid, account.gid)


def let_search(path: Path, account: Account) -> None:
    """Let ``account`` pass through the folders above ``path``, without letting it list them.

    Where the disk keeps access control lists, nobody but ``account`` gains by it. Elsewhere a
    private folder becomes passable for all who know a name in it, which is said.
    """
    for folder in path.resolve().parents:
        if _may_search(folder, account) or let_user_search(folder, account.uid):
            continue
        log.warning("permissions.widened", folder=str(folder), reason="PostgreSQL lies below it")
        _allow(folder, account, read=False)


def _may_search(folder: Path, account: Account) -> bool:
    found = folder.stat()
    shift = 6 if found.st_uid == account.uid else 3 if found.st_gid == account.gid else 0
    return bool(found.st_mode >> shift & stat.S_IXOTH)


def let_read(folder: Path, account: Account) -> None:
    """Let ``account`` read what ``folder`` holds and run what is executable in it."""
    let_search(folder, account)
    for path in _tree(folder.resolve()):
        _allow(path, account, read=True)


def _tree(folder: Path) -> Iterator[Path]:
    yield folder
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))


def _allow(path: Path, account: Account, *, read: bool) -> None:
    found = path.stat()
    runs = stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_IXUSR
    wanted = (stat.S_IROTH if read else 0) | (stat.S_IXOTH if runs else 0)
    if found.st_uid == account.uid:
        wanted <<= 6
    elif found.st_gid == account.gid:
        wanted <<= 3
    if found.st_mode & wanted != wanted:
        path.chmod(stat.S_IMODE(found.st_mode) | wanted)
