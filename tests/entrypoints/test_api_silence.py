"""Who connects and says nothing, or speaks another protocol, holds no connection for long."""

import socket
import time
from pathlib import Path

import pytest
from tests.servers import api_process

PATIENCE_S = 60
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def test_silent_connections_are_closed(database_url: str, tmp_path: Path) -> None:
    openings = [b"", b"G", b"GET / HT", H2_PREFACE[:10], H2_PREFACE, H2_PREFACE + bytes(9)]
    with api_process(database_url, tmp_path) as api:
        began_at = time.monotonic()
        connections = []
        for opening in openings:
            connection = socket.create_connection(api.address, timeout=PATIENCE_S)
            connection.sendall(opening)
            connections.append(connection)
        for connection, opening in zip(connections, openings, strict=True):
            connection.settimeout(max(0.1, PATIENCE_S - (time.monotonic() - began_at)))
            try:
                while connection.recv(4096):
                    pass
            except TimeoutError:
                pytest.fail(f"still open after {opening!r}")
            except ConnectionResetError:
                pass
            finally:
                connection.close()
