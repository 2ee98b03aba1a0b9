"""The folder of the index: a folder for each generation, and a file that names the current one.

A generation is built beside the current one and takes its place by a rename, so that there is
either the old one or the new one, whole, at every moment and after every crash.
"""

import os
import secrets
import shutil
from pathlib import Path

FEEDER_LOCK = "feeder.lock"
REBUILD_LOCK = "rebuild.lock"
_CURRENT = "current"
_SUSPECT = "suspect"
_PREFIX = "generation-"


def make_folder(folder: Path) -> None:
    """Raises OSError where it cannot be."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True)
        _hand_over(folder.parent, folder)


def current(folder: Path) -> Path | None:
    """The generation that is to be read; None where the folder does not say, or says nonsense."""
    try:
        name = (folder / _CURRENT).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not name.startswith(_PREFIX) or Path(name).name != name:
        return None
    return folder / name


def create(folder: Path) -> Path:
    """A new generation, empty, which nobody reads yet."""
    generation = folder / f"{_PREFIX}{secrets.token_hex(8)}"
    generation.mkdir(mode=0o700)
    return generation


def switch(folder: Path, generation: Path) -> None:
    """Makes it the current one, for good once this returns."""
    _hand_over(folder, generation, *generation.iterdir())
    written = folder / f"{_CURRENT}.new"
    with written.open("w") as file:
        file.write(f"{generation.name}\n")
        file.flush()
        os.fsync(file.fileno())
    _hand_over(folder, written)
    written.replace(folder / _CURRENT)
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def delete_others(folder: Path) -> None:
    """All but the current one: old ones, and what crashes left half built. Whoever still reads an
    old one has its files open and keeps them. Only for the holder of the rebuild lock."""
    kept = current(folder)
    for generation in folder.glob(f"{_PREFIX}*"):
        if generation != kept:
            shutil.rmtree(generation, ignore_errors=True)


def suspect(folder: Path) -> None:
    """Asks the process that feeds the index to check it."""
    (folder / _SUSPECT).touch()


def take_suspicion(folder: Path) -> bool:
    """Whether somebody asked since the last call."""
    try:
        (folder / _SUSPECT).unlink()
    except FileNotFoundError:
        return False
    return True


def _hand_over(folder: Path, *made: Path) -> None:
    """What root made, to whom its folder belongs, as whom the server may run."""
    if os.geteuid() == 0:
        owner = folder.stat()
        for path in made:
            os.chown(path, owner.st_uid, owner.st_gid)
