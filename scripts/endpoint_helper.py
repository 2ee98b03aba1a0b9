"""What `test_endpoints.sh` cannot do with curl: JSON, a small WAV file, and WebSockets.

Runs on the Python 3 of a fresh machine (3.8 or newer), with its standard library and nothing else.

    endpoint_helper.py json FILE NAME.NAME...    prints a value out of a JSON file
    endpoint_helper.py wav FILE SECONDS          writes a tone that fades in and out
    endpoint_helper.py admin                     prints what ADMIN_EMAIL signs in with
    endpoint_helper.py chat WS_URL ROOM USER_ID  tokens in TOKEN_A and TOKEN_B; see `chat`
"""

import base64
import hashlib
import json
import math
import os
import socket
import ssl
import struct
import sys
import wave
from urllib.parse import quote, urlsplit

PATIENCE_S = 10
ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Failed(Exception):
    """A check that did not hold; the message says what was expected and what came."""


class Socket:
    """As much of a WebSocket client (RFC 6455) as the check needs."""

    def __init__(self, url, token):
        parts = urlsplit(url)
        secure = parts.scheme == "wss"
        self._buffer = b""
        try:
            self._socket = socket.create_connection(
                (parts.hostname, parts.port or (443 if secure else 80)), PATIENCE_S
            )
            if secure:
                context = ssl.create_default_context()
                self._socket = context.wrap_socket(self._socket, server_hostname=parts.hostname)
        except OSError as error:
            raise Failed(f"a WebSocket to {url}: expected a server, got: {error}") from None
        self._open(url, parts, token)

    def _open(self, url, parts, token):
        key = base64.b64encode(os.urandom(16))
        path = f"{parts.path or '/'}?token={quote(token)}"
        self._socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key.decode()}\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._receive(f"the handshake with {url}")
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        if " 101" not in lines[0]:
            raise Failed(f"the handshake with {url}: expected 101, got: {lines[0]}")
        headers = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines}
        accept = base64.b64encode(hashlib.sha1(key + ACCEPT_SUFFIX).digest()).decode()  # noqa: S324
        if headers.get("sec-websocket-accept") != accept:
            raise Failed(f"the handshake with {url}: the server did not answer our key")

    def send(self, **message):
        self._send_frame(TEXT, json.dumps(message).encode())

    def expect(self, kind, **wanted):
        """The data of the next frame of this type that holds the wanted values; others are let
        pass, but for an error that nobody asked for."""
        while True:
            frame = self._next_message(f"a {kind} frame with {wanted}")
            data = frame.get("data", {})
            if frame.get("type") == kind and all(data.get(k) == v for k, v in wanted.items()):
                return data
            if frame.get("type") == "error":
                raise Failed(f"expected a {kind} frame with {wanted}, got: {json.dumps(frame)}")

    def close(self):
        try:
            self._send_frame(CLOSE, struct.pack("!H", 1000))
        finally:
            self._socket.close()

    def _next_message(self, awaited):
        while True:
            code, payload = self._next_frame(awaited)
            if code == TEXT:
                return json.loads(payload.decode())
            if code == PING:
                self._send_frame(PONG, payload)
            if code == CLOSE:
                number = struct.unpack("!H", payload[:2])[0] if len(payload) > 1 else "no code"
                raise Failed(f"expected {awaited}, got: the server closed ({number})")

    def _next_frame(self, awaited):
        """The server's frames are whole and unmasked."""
        first, second = self._take(2, awaited)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack("!H", self._take(2, awaited))[0]
        elif length == 127:
            length = struct.unpack("!Q", self._take(8, awaited))[0]
        return first & 0x0F, self._take(length, awaited)

    def _take(self, count, awaited):
        while len(self._buffer) < count:
            self._receive(awaited)
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _receive(self, awaited):
        try:
            data = self._socket.recv(65536)
        except OSError as error:
            raise Failed(f"expected {awaited}, got: {error}") from None
        if not data:
            raise Failed(f"expected {awaited}, got: the connection ended")
        self._buffer += data

    def _send_frame(self, code, payload):
        mask = os.urandom(4)
        size = len(payload)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack("!H", size)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self._socket.sendall(bytes([0x80 | code]) + length + mask + masked)


def chat(url, room, user_b):
    """Two sockets of one user talk in their private room, which a second user is kept out of;
    then the first writes to the second, and both histories hold what was said."""
    one, two = (Socket(url, os.environ["TOKEN_A"]) for _ in range(2))
    other = Socket(url, os.environ["TOKEN_B"])
    for member in (one, two):
        member.send(type="join", room=room)
        member.expect("joined", room=room, status="ok")
    other.send(type="join", room=room)
    other.expect("error", message="Room not found")
    said = "Is this thing on? Été, 日本, 🎛"
    one.send(type="message", room=room, content=said)
    for member in (one, two):
        member.expect("message", room=room, content=said)
    two.send(type="room_history", room=room, limit=10)
    expect_said(two.expect("room_history", room=room), said)
    one.send(type="dm", to=int(user_b), content="For you alone")
    other.expect("dm", content="For you alone")
    sender = one.expect("dm", content="For you alone")["from"]
    other.send(type="dm_history", limit=10, **{"with": sender})
    expect_said(other.expect("dm_history"), "For you alone")
    for connection in (one, two, other):
        connection.close()


def expect_said(history, content):
    if content not in [message.get("content") for message in history.get("messages", [])]:
        raise Failed(f"expected a history with {content!r}, got: {json.dumps(history)[:300]}")


def print_admin():
    """The body of a sign-in, of ADMIN_EMAIL and ADMIN_PASSWORD."""
    body = {"email": os.environ["ADMIN_EMAIL"], "password": os.environ.get("ADMIN_PASSWORD", "")}
    sys.stdout.write(json.dumps(body))


def write_wav(path, seconds):
    """16 bit, stereo, 44.1 kHz: 440 Hz left, 660 Hz right."""
    rate = 44100
    count = int(rate * float(seconds))
    frames = bytearray()
    for i in range(count):
        level = 12000 * math.sin(math.pi * i / count)
        left = int(level * math.sin(2 * math.pi * 440 * i / rate))
        right = int(level * math.sin(2 * math.pi * 660 * i / rate))
        frames += struct.pack("<hh", left, right)
    with wave.open(path, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(frames))


def print_value(path, names):
    """Nothing is printed for what is not there."""
    with open(path, encoding="utf-8") as file:
        try:
            value = json.load(file)
        except ValueError:
            return
    for name in names.split("."):
        if isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return
    sys.stdout.write(value if isinstance(value, str) else json.dumps(value))


def main(command, *arguments):
    commands = {"json": print_value, "wav": write_wav, "admin": print_admin, "chat": chat}
    try:
        commands[command](*arguments)
    except Failed as error:
        sys.stdout.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
