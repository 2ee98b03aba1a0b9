"""HTTP/1.1 by hand, for what no client library would send."""

import socket
from collections.abc import Sequence

import msgspec


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes


def send(
    address: tuple[str, int],
    method: str,
    path: str | bytes,
    *,
    headers: Sequence[str | bytes] = (),
    body: bytes = b"",
) -> Answer:
    """One request on a connection of its own; ``headers`` are whole lines."""
    lines = [b" ".join((method.encode(), _bytes(path), b"HTTP/1.1")), b"Host: localhost"]
    lines += [b"Connection: close", *map(_bytes, headers)]
    if body:
        lines.append(f"Content-Length: {len(body)}".encode())
    return exchange(address, b"\r\n".join(lines) + b"\r\n\r\n" + body)


def exchange(address: tuple[str, int], request: bytes) -> Answer:
    """The answer to bytes that need not be a request."""
    received = b""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request)
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return Answer(
        status=int(status.split(" ")[1]),
        headers={name.lower(): value.strip() for name, _, value in pairs},
        body=body,
    )


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
