"""Connections ended from below: ASGI has no word for it, and the server keeps what it has buffered
for a client that reads nothing for as long as that client likes."""

import asyncio
import contextlib
import os
import socket
import stat
import struct
import sys

from talas.core.http.edge import Scope

_OPEN_FILES = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
_FORGET_UNSENT = struct.pack("ii", 1, 0)


async def cut_connection(scope: Scope) -> None:
    """Ends the connection that ``scope`` came by, without what has not been sent yet.

    It is known by its ports, since a proxy's word may have replaced the peer's address.
    """
    local, remote = scope.get("server"), scope.get("client")
    if local and remote:
        await asyncio.to_thread(_cut, int(local[1]), int(remote[1]))


def _cut(local_port: int, remote_port: int) -> None:
    for name in os.listdir(_OPEN_FILES):
        with contextlib.suppress(OSError):
            descriptor = int(name)
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                _cut_if(descriptor, local_port, remote_port)


def _cut_if(descriptor: int, local_port: int, remote_port: int) -> None:
    """Looks at a duplicate: the server may close the descriptor, and its number go to another."""
    with socket.socket(fileno=os.dup(descriptor)) as connection:
        if connection.family not in (socket.AF_INET, socket.AF_INET6):
            return
        ports = connection.getsockname()[1], connection.getpeername()[1]
        if ports == (local_port, remote_port):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FORGET_UNSENT)
            connection.shutdown(socket.SHUT_RDWR)
