"""People with tokens, a chat process, and clients that talk to it through real sockets."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from talas.core.settings import Settings
from talas.core.tokens import Claims, TokenSigner, TokenType

# For what comes at once where nothing else goes on; a machine may be busy with much else.
ANSWER_S = 30.0

_numbers = itertools.count(1)


def unique_name(prefix: str) -> str:
    """Of a person or a room; tests of a module share a database."""
    return f"{prefix}{os.getpid()}-{next(_numbers)}"


class Person(msgspec.Struct):
    """An account with one session."""

    id: int
    username: str
    session_id: int
    token: str


async def create_person(
    conn: asyncpg.Connection,
    settings: Settings,
    *,
    username: str | None = None,
    status: str = "active",
    role: str = "user",
    lifetime_s: int = 3600,
) -> Person:
    username = username or unique_name("person")
    user_id = await conn.fetchval(
        "INSERT INTO users (username, email, password_hash, role, status) "
        "VALUES ($1, $2, 'x', $3, $4) RETURNING id",
        username,
        f"{username}@example.com",
        role,
        status,
    )
    session_id = await conn.fetchval(
        "INSERT INTO sessions (user_id, expires_at) VALUES ($1, $2) RETURNING id",
        user_id,
        datetime.now(UTC) + timedelta(days=30),
    )
    person = Person(user_id, username, session_id, "")
    person.token = create_token(settings, person, lifetime_s=lifetime_s, role=role)
    return person


def create_token(
    settings: Settings,
    person: Person,
    *,
    lifetime_s: int = 3600,
    role: str = "user",
    typ: TokenType = TokenType.ACCESS,
    session_id: int | None = None,
) -> str:
    now = int(time.time())
    claims = Claims(
        user_id=person.id,
        username=person.username,
        role=role,
        sid=session_id or person.session_id,
        typ=typ,
        iat=now,
        exp=now + lifetime_s,
    )
    return TokenSigner(settings.auth.jwt_secret).sign(claims)


async def create_room(
    conn: asyncpg.Connection, name: str, *, private: bool = False, members: tuple[int, ...] = ()
) -> int:
    room_id = await conn.fetchval(
        "INSERT INTO rooms (name, name_key, is_private) VALUES ($1, $2, $3) RETURNING id",
        name,
        name.casefold(),
        private,
    )
    for user_id in members:
        await conn.execute(
            "INSERT INTO room_members (room_id, user_id) VALUES ($1, $2)", room_id, user_id
        )
    return int(room_id)


async def keep_unannounced(
    conn: asyncpg.Connection, room: str, author: Person, content: str, *, age_s: float = 0
) -> int:
    """A message in a room of which no process was told; its ``seq``."""
    return int(
        await conn.fetchval(
            """
            WITH top AS (
                UPDATE rooms SET seq = seq + 1 WHERE name = $1 RETURNING id, seq
            )
            INSERT INTO messages (from_user, room, room_id, content, seq, "timestamp")
            SELECT $2, $1, top.id, $3, top.seq, clock_timestamp() - make_interval(secs => $4)
            FROM top
            RETURNING seq
            """,
            room,
            author.id,
            content,
            age_s,
        )
    )


async def keep_direct_unannounced(
    conn: asyncpg.Connection, author: Person, to: Person, content: str, *, age_s: float = 0
) -> int:
    """As ``keep_unannounced``, of a direct message."""
    low, high = sorted((author.id, to.id))
    return int(
        await conn.fetchval(
            """
            WITH top AS (
                INSERT INTO conversations AS c (user_low, user_high, seq)
                VALUES ($1, $2, 1)
                ON CONFLICT (user_low, user_high) DO UPDATE SET seq = c.seq + 1
                RETURNING id, seq
            )
            INSERT INTO messages (
                from_user, to_user, conversation_id, content, seq, "timestamp"
            )
            SELECT $3, $4, top.id, $5, top.seq, clock_timestamp() - make_interval(secs => $6)
            FROM top
            RETURNING seq
            """,
            low,
            high,
            author.id,
            to.id,
            content,
            age_s,
        )
    )


class ChatProcess:
    """``talas chat`` in a process of its own."""

    def __init__(self, settings: Settings, *, log: Path | None = None, **variables: str) -> None:
        """``log``: where its output goes instead of where that of the tests goes."""
        self.settings = settings
        self._log = log
        self.url = f"ws://{settings.chat.host}:{settings.chat.port}/"
        self.http = f"http://{settings.chat.host}:{settings.chat.port}"
        self._variables = variables
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        settings = self.settings
        output = self._log.open("ab") if self._log else None
        self.process = subprocess.Popen(
            [sys.executable, "-m", "talas", "chat"],
            env={
                **os.environ,
                "DATABASE_URL": settings.database.url or "",
                "DATA_DIR": str(settings.data_dir),
                "JWT_SECRET": settings.auth.jwt_secret,
                "WS_BIND_ADDR": f"{settings.chat.host}:{settings.chat.port}",
                "RATE_LIMITS": "on" if settings.rate_limits else "off",
                "CORS_ALLOWED_ORIGINS": ",".join(settings.http.cors_origins),
                "METRICS_TOKEN": settings.http.metrics_token or "",
                "REDIS_URL": settings.redis_url or "",
                **self._variables,
            },
            stdout=output,
            stderr=output,
        )
        if output is not None:
            output.close()
        await self.until_it_listens()

    async def until_it_listens(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                _, writer = await self.open_raw()
            except OSError:
                if self.process is not None and self.process.poll() is not None:
                    raise AssertionError(f"chat ended with {self.process.returncode}") from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
        raise AssertionError("chat does not listen")

    async def open_raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.settings.chat.host, self.settings.chat.port)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    async def wait(self, timeout: float = 60) -> int:
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, timeout)

    async def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await self.wait()
            except subprocess.TimeoutExpired:
                self.process.kill()
                await self.wait()
                raise AssertionError("chat did not end after SIGTERM") from None

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.wait()


class Client:
    """A client of the ``websockets`` library that speaks JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._skipped: defaultdict[str, deque[dict[str, Any]]] = defaultdict(deque)

    async def send(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame, ensure_ascii=False))

    async def receive(self, timeout: float = ANSWER_S) -> dict[str, Any]:
        async with asyncio.timeout(timeout):
            frame: dict[str, Any] = json.loads(await self.socket.recv())
        return frame

    async def ask(self, **frame: Any) -> dict[str, Any]:
        await self.send(**frame)
        return await self.receive()

    async def join(self, room: str = "general") -> None:
        answer = await self.ask(type="join", room=room)
        assert answer["type"] == "joined", answer

    async def receive_kind(self, kind: str, timeout: float = ANSWER_S) -> dict[str, Any]:
        """The data of the next frame of this kind. Those of other kinds are kept for when theirs
        is asked for: between two kinds no order is promised."""
        skipped = self._skipped[kind]
        async with asyncio.timeout(timeout):
            while not skipped:
                frame = json.loads(await self.socket.recv())
                self._skipped[frame["type"]].append(frame.get("data", {}))
        return skipped.popleft()

    async def is_silent(self, seconds: float = 0.2) -> bool:
        """Nothing is on its way: a pong comes back alone."""
        await asyncio.sleep(seconds)
        await self.send(type="ping")
        return (await self.receive())["type"] == "pong"

    async def receive_until(
        self, kind: str, timeout: float = ANSWER_S, **wanted: Any
    ) -> list[dict[str, Any]]:
        """All frames until one of this kind with these data has come, that one too."""
        frames: list[dict[str, Any]] = []
        async with asyncio.timeout(timeout):
            while True:
                frame = json.loads(await self.socket.recv())
                frames.append(frame)
                data = frame.get("data", {})
                if frame["type"] == kind and all(data.get(k) == v for k, v in wanted.items()):
                    return frames

    async def close_code(self, timeout: float = ANSWER_S) -> int | None:
        """Once the server has closed; what it sent before is skipped."""
        async with asyncio.timeout(timeout):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.socket.recv()
        return self.socket.close_code


@contextlib.asynccontextmanager
async def connected(
    chat: ChatProcess, person: Person, *, version: int | None = None, **options: Any
) -> AsyncIterator[Client]:
    query = f"?token={person.token}" + (f"&v={version}" if version else "")
    async with connect(
        chat.url + query,
        compression=None,
        proxy=None,
        ping_interval=None,
        open_timeout=ANSWER_S,
        **options,
    ) as socket:
        yield Client(socket)
