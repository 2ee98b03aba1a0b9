"""POSIX access control lists (acl(5)) as Linux keeps them: one user more, and nobody else."""

import os
import struct
from pathlib import Path

_ATTRIBUTE = "system.posix_acl_access"
_HEADER = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")
_NO_ID = 0xFFFFFFFF
_OWNER, _USER, _GROUP, _NAMED_GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
SEARCH = 1

Entry = tuple[int, int, int]


def let_user_search(folder: Path, uid: int) -> bool:
    """Lets ``uid`` pass through a folder; False where the system or the disk has no such lists."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        entries = _read(folder)
        others = [e for e in entries if (e[0], e[2]) != (_USER, uid) and e[0] != _MASK]
        given = [(_USER, SEARCH, uid)]
        # The mask bounds what named users and the group get; the group gets no more than before.
        mask = SEARCH
        for tag, rights, _ in others:
            if tag in (_USER, _GROUP, _NAMED_GROUP):
                mask |= rights
        entries = sorted([*others, *given, (_MASK, mask, _NO_ID)], key=lambda e: (e[0], e[2]))
        packed = b"".join(_ENTRY.pack(*entry) for entry in entries)
        os.setxattr(folder, _ATTRIBUTE, _HEADER + packed)
    except OSError:
        return False
    return True


def _read(folder: Path) -> list[Entry]:
    try:
        stored = os.getxattr(folder, _ATTRIBUTE)
        return list(_ENTRY.iter_unpack(stored[len(_HEADER) :]))
    except OSError:
        mode = folder.stat().st_mode
        return [
            (_OWNER, mode >> 6 & 7, _NO_ID),
            (_GROUP, mode >> 3 & 7, _NO_ID),
            (_OTHER, mode & 7, _NO_ID),
        ]
