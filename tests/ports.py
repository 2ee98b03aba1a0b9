"""TCP ports that nobody else takes: no other test, in this run or in one beside it."""

import random
import socket

# Below what the kernel hands to outgoing connections.
_PORTS = range(20_000, 32_000)
_held: list[socket.socket] = []


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is this process's until it ends.

    A server may share its port on purpose (SO_REUSEPORT), so two that were given one number
    would answer for each other. The UDP port of the same number is the token for it: whoever
    holds it owns the TCP port as well.
    """
    for port in random.sample(_PORTS, 1000):
        token = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            token.bind(("127.0.0.1", port))
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            token.close()
            continue
        _held.append(token)
        return port
    raise RuntimeError("no free port found")
