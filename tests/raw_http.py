"""HTTP/1.1 by hand, for what no client library would send."""

import socket
from collections.abc import Sequence

import msgspec

PATIENCE_S = 60.0


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
    with socket.create_connection(address, timeout=PATIENCE_S) as connection:
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


def form_headers(token: str) -> list[str]:
    """Of a form whose boundary is ``XyZ``."""
    return [
        f"Authorization: Bearer {token}",
        "Content-Type: multipart/form-data; boundary=XyZ",
    ]


def form_head(path: str, token: str, length: str) -> bytes:
    """As ``form_headers``; ``length`` is the header that tells of the body's."""
    lines = (f"POST /api/v1{path} HTTP/1.1", "Host: x", length, *form_headers(token))
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def pour(
    address: tuple[str, int], head: bytes, block: bytes, *, chunked: bool
) -> tuple[bytes, int]:
    """Sends a gigabyte that begins with ``block``, unless the other end hangs up before: how its
    answer begins, and how many bytes were sent."""
    sent = 0
    with socket.create_connection(address, timeout=PATIENCE_S) as connection:
        connection.sendall(head)
        try:
            while sent < 1_000_000_000:
                chunk = b"%x\r\n%s\r\n" % (len(block), block) if chunked else block
                connection.sendall(chunk)
                sent += len(chunk)
                block = bytes(65536)
        except ConnectionError:
            pass
        return connection.recv(65536), sent


def break_off(address: tuple[str, int], request: bytes) -> None:
    """Sends what is no whole request, and waits until the other end has hung up."""
    with socket.create_connection(address, timeout=PATIENCE_S) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
