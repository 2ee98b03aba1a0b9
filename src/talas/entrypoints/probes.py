"""Quick questions to a server on this machine: does it listen, is it ready?"""

import socket

_PATIENCE_S = 2.0
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104, nothing is bound here


def reachable_host(host: str) -> str:
    """Where a client on this machine finds a server that listens on ``host``."""
    return _LOOPBACK_OF.get(host, host)


def accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((reachable_host(host), port), _PATIENCE_S):
            return True
    except OSError:
        return False


def answers_ready(host: str, port: int) -> bool:
    """Whether ``GET /ready`` gets a 200. By hand: an HTTP client would stay in memory for good."""
    request = f"GET /ready HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((reachable_host(host), port), _PATIENCE_S) as connection:
            connection.sendall(request.encode("ascii"))
            status_line = connection.makefile("rb").readline(64)
    except OSError:
        return False
    return status_line.startswith((b"HTTP/1.1 200 ", b"HTTP/1.0 200 "))
