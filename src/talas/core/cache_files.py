"""Folders of files that may go at any moment: looked through, and made again."""

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """``size`` in bytes; ``used_at`` in seconds since 1970."""

    path: Path
    size: int
    used_at: float


def make_private(folder: Path) -> None:
    """For the owner of the folder around it alone, also when root came first."""
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        owner = folder.parent.stat()
        os.chown(folder, owner.st_uid, owner.st_gid)


def walk(folder: Path) -> Iterator[Entry]:
    """Every file below; what goes meanwhile is left out."""
    pending = [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as items:
                for item in items:
                    if item.is_dir(follow_symlinks=False):
                        pending.append(item.path)
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        found = item.stat(follow_symlinks=False)
                        yield Entry(Path(item.path), found.st_size, found.st_mtime)
        except (FileNotFoundError, NotADirectoryError):
            continue


def remove_empty(folder: Path, tops: Collection[Path]) -> None:
    """The folder and those around it below ``tops``, up to the first that holds something."""
    while folder not in tops:
        try:
            folder.rmdir()
        except OSError:
            return
        folder = folder.parent
