"""A client that takes nothing is let go of, and told so when it reads on."""

import asyncio
import time
from collections.abc import Callable
from hashlib import sha256

import asyncpg
import grpc
import pytest
from prometheus_client import REGISTRY
from tests.conftest import MakeSettings
from tests.ports import free_port
from tests.waiting import wait_until

from talas.core.settings import Settings
from talas.core.tokens import Claims, TokenSigner, TokenType
from talas.grpc import calls
from talas.grpc.server import serve_stream
from talas.v1 import audio_stream_pb2 as pb
from talas.v1.audio_stream_pb2_grpc import AudioStreamStub

SIZE = 4 * 2**20
KEY = "tracks/one/original"
AN_ABORTED_STREAM = "talas_grpc_calls_total", {"method": "Stream", "status": "ABORTED"}
INSERT = """
WITH owner AS (
  INSERT INTO users (username, email, password_hash) VALUES ('ann', 'a@example.com', '')
  RETURNING id
), session AS (
  INSERT INTO sessions (user_id, expires_at) SELECT id, now() + interval '1 day' FROM owner
  RETURNING id, user_id
), track AS (
  INSERT INTO tracks (
    user_id, title, artist, container, media_type, filename, content_hash, size, storage_key, status
  )
  SELECT id, 't', 'a', 'wav', 'audio/wav', 'a.wav', $1, $2, $3, 'ready' FROM owner
  RETURNING id
)
SELECT session.id, session.user_id, track.id FROM session, track
"""


async def token_and_track(settings: Settings) -> tuple[str, int]:
    """Of a user whose track has SIZE bytes."""
    assert settings.database.url is not None
    conn = await asyncpg.connect(settings.database.url)
    row = await conn.fetchrow(INSERT, sha256(b"").digest(), SIZE, KEY)
    await conn.close()
    path = settings.files.upload_path / KEY
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(SIZE))
    now = int(time.time())
    claims = Claims(row[1], "ann", "user", row[0], TokenType.ACCESS, now, now + 3600)
    return TokenSigner(settings.auth.jwt_secret).sign(claims), row[2]


async def run_beside(settings: Settings, work: Callable[[], None]) -> None:
    stop = asyncio.Event()
    serving = asyncio.create_task(serve_stream(settings, stop))
    try:
        await asyncio.to_thread(work)
    finally:
        stop.set()
        await serving


def aborted_streams() -> float:
    return REGISTRY.get_sample_value(*AN_ABORTED_STREAM) or 0


async def test_who_takes_nothing_is_let_go_of(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "SEND_DEADLINE_S", 0.5)
    settings = make_settings(grpc_bind_addr=f"127.0.0.1:{free_port()}")
    token, track_id = await token_and_track(settings)
    address = f"{settings.stream.host}:{settings.stream.port}"
    ended = []
    aborted_before = aborted_streams()

    def listen() -> None:
        with grpc.insecure_channel(address, options=[("grpc.http2.bdp_probe", 0)]) as channel:
            grpc.channel_ready_future(channel).result(60)
            call = AudioStreamStub(channel).Stream(
                pb.StreamRequest(track_id=track_id),
                metadata=[("authorization", f"Bearer {token}")],
                timeout=60,
            )
            taken = len(next(call).data)
            wait_until(lambda: aborted_streams() == aborted_before + 1)
            with pytest.raises(grpc.RpcError) as raised:
                taken += sum(len(chunk.data) for chunk in call)
            trailers = dict(raised.value.trailing_metadata())
            ended.append((raised.value.code(), trailers["error-code"], taken < SIZE))

    await run_beside(settings, listen)
    assert ended == [(grpc.StatusCode.ABORTED, "too_slow", True)]
