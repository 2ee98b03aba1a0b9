"""One account may pass a private folder, and nobody else."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from talas.core.acl import let_user_search

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can look as others do")


def can_reach(path: Path, user: str) -> bool:
    command = ["cat", str(path)]
    return subprocess.run(command, user=user, group=user, capture_output=True).returncode == 0


@needs_root
def test_only_the_account_gets_through() -> None:
    users = [entry.pw_name for entry in pwd.getpwall() if entry.pw_uid in (1, 2)]
    assert len(users) == 2
    base = Path("/var/tmp") / f"talas-acl-{os.getpid()}"
    base.mkdir(mode=0o700)
    try:
        (base / "file").write_text("open")
        (base / "file").chmod(0o644)
        assert not can_reach(base / "file", users[0])
        if not let_user_search(base, pwd.getpwnam(users[0]).pw_uid):
            pytest.skip("this disk keeps no access control lists")
        assert can_reach(base / "file", users[0])
        assert not can_reach(base / "file", users[1])
        assert base.stat().st_mode & 0o007 == 0
        let_user_search(base, pwd.getpwnam(users[0]).pw_uid)
        let_user_search(base, pwd.getpwnam(users[1]).pw_uid)
        assert can_reach(base / "file", users[1])
    finally:
        (base / "file").unlink()
        base.rmdir()
