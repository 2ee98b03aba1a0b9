"""Streams that take long: ended by who listens, by the session's end, by the server's end; and how
many there may be."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import grpc
import psutil
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from tests.builders.grpc import Listener, StreamProcess, refusal, stream_process
from tests.builders.products import create_staff
from tests.builders.streaming import encoders_of
from tests.builders.tracks import WorkerProcess, ready_track, wav
from tests.builders.users import Account, create_user, login
from tests.servers import ApiProcess
from tests.waiting import wait_until

from talas.v1 import audio_stream_pb2 as pb
from talas.v1.audio_stream_pb2_grpc import AudioStreamStub

SECONDS = 600
CONTENT = wav(seconds=SECONDS)
SERVICE = "talas.v1.AudioStream"
SLOW_S = 0.1
"""After each chunk: so the whole takes longer than it may go on without a session."""


@pytest.fixture(scope="module")
def long_track(api: ApiProcess, worker: WorkerProcess, owner: Account) -> int:
    """Its original is larger than what a client takes without being read."""
    return int(ready_track(api, owner.token, content=CONTENT)["id"])


def encoders(streams: StreamProcess) -> list[psutil.Process]:
    return encoders_of(psutil.Process(streams.process.pid))


def take_all(call: Any, into: bytearray, pause_s: float) -> None:
    for chunk in call:
        into += chunk.data
        time.sleep(pause_s)


def ended_with(call: Any, *, pause_s: float = 0) -> tuple[bytes, grpc.RpcError]:
    """What still came, with a pause after each chunk, and how it ended."""
    taken = bytearray()
    with pytest.raises(grpc.RpcError) as raised:
        take_all(call, taken, pause_s)
    return bytes(taken), raised.value


def test_who_goes_ends_the_encoder(
    streams: StreamProcess, listener: Listener, long_track: int
) -> None:
    call = listener.stream(long_track, format="opus", bitrate=96)
    next(call)
    assert encoders(streams)
    call.cancel()
    wait_until(lambda: not encoders(streams))


def test_a_deadline_ends_the_encoder(
    streams: StreamProcess, listener: Listener, long_track: int
) -> None:
    call = listener.stream(long_track, format="opus", bitrate=64, timeout=12)
    wait_until(lambda: bool(encoders(streams)))
    wait_until(lambda: not call.is_active())
    _, error = ended_with(call)
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_until(lambda: not encoders(streams))


def test_the_end_of_the_session_ends_the_stream(
    api: ApiProcess, channel: grpc.Channel, owner: Account, long_track: int
) -> None:
    access = login(api.client, email=owner.email)["access_token"]
    other = Account(owner.id, owner.username, owner.email, owner.password, access, "")
    listener = Listener(channel, other)
    call = listener.stream(long_track)
    next(call)
    assert api.client.post("/auth/logout", token=access).status_code == 200
    gone = (grpc.StatusCode.UNAUTHENTICATED, "Invalid token", "invalid_token")
    taken, error = ended_with(call, pause_s=SLOW_S)
    assert refusal(error) == gone
    assert len(taken) < len(CONTENT)
    with pytest.raises(grpc.RpcError) as raised:
        listener.get_track(long_track)
    assert refusal(raised.value) == gone


def test_suspension_ends_the_stream(
    api: ApiProcess, channel: grpc.Channel, long_track: int
) -> None:
    account = create_user(api)
    admin = create_staff(api, role="admin")
    call = Listener(channel, account).stream(long_track)
    next(call)
    answer = api.client.put(
        f"/admin/users/{account.id}", token=admin.token, json={"status": "suspended"}
    )
    assert answer.status_code == 200
    taken, error = ended_with(call, pause_s=SLOW_S)
    assert error.code() == grpc.StatusCode.UNAUTHENTICATED
    assert len(taken) < len(CONTENT)


def test_health_and_reflection_need_no_token(channel: grpc.Channel) -> None:
    health = HealthStub(channel)
    for service in ("", SERVICE):
        answer = health.Check(HealthCheckRequest(service=service), timeout=60)
        assert answer.status == HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as raised:
        health.Check(HealthCheckRequest(service="talas.v1.Nothing"), timeout=60)
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    database = ProtoReflectionDescriptorDatabase(channel)
    assert set(database.get_services()) == {SERVICE, "grpc.health.v1.Health"}
    described = database.FindFileContainingSymbol(SERVICE)
    methods = [method.name for method in described.service[0].method]
    assert methods == ["GetTrack", "Stream", "Waveform"]


def test_open_calls_without_a_token_are_bounded(streams: StreamProcess) -> None:
    with streams.channel() as channel, contextlib.ExitStack() as watches:
        health = HealthStub(channel)

        def watch() -> grpc.StatusCode | None:
            """None where it stays open."""
            call = health.Watch(HealthCheckRequest(service=""))
            watches.callback(call.cancel)
            try:
                next(call)
            except grpc.RpcError as error:
                code: grpc.StatusCode = error.code()
                return code
            return None

        # One of before may not have ended yet.
        codes = [watch() for _ in range(65)]
        assert codes[:60] == [None] * 60
        assert codes[-1] == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert health.Check(HealthCheckRequest(service=""), timeout=60).status == 1


def test_a_message_too_large_is_refused(channel: grpc.Channel, owner: Account) -> None:
    request = pb.StreamRequest(track_id=1, format="x" * 20_000)
    sent = [("authorization", f"Bearer {owner.token}")]
    with pytest.raises(grpc.RpcError) as raised:
        list(AudioStreamStub(channel).Stream(request, metadata=sent, timeout=60))
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.fixture(scope="module")
def limited(api: ApiProcess) -> Iterator[StreamProcess]:
    with stream_process(api, RATE_LIMITS="on") as process:
        yield process


def test_streams_of_one_user_are_bounded(
    api: ApiProcess, limited: StreamProcess, long_track: int
) -> None:
    account = create_user(api)
    with limited.channel() as channel, contextlib.ExitStack() as calls:
        listener = Listener(channel, account)
        for _ in range(32):
            call = listener.stream(long_track)
            calls.callback(call.cancel)
            next(call)
        with pytest.raises(grpc.RpcError) as raised:
            listener.read(long_track)
        code, sentence, error_code = refusal(raised.value)
        assert (code, error_code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "rate_limited")
        assert sentence.startswith("You have 32 streams open")
        assert int(dict(raised.value.trailing_metadata())["retry-after"]) > 0
        assert listener.get_track(long_track).id == long_track


def test_guesses_at_tokens_are_bounded(limited: StreamProcess) -> None:
    with limited.channel() as channel:
        stub = AudioStreamStub(channel)
        codes: list[grpc.StatusCode] = []
        while grpc.StatusCode.RESOURCE_EXHAUSTED not in codes:
            assert len(codes) < 2000
            with pytest.raises(grpc.RpcError) as raised:
                stub.GetTrack(pb.GetTrackRequest(track_id=1), timeout=60)
            codes.append(raised.value.code())
    assert len(codes) > 100
    assert set(codes[:100]) == {grpc.StatusCode.UNAUTHENTICATED}


def test_a_stopped_process_says_where_to_go_on(
    api: ApiProcess, owner: Account, long_track: int
) -> None:
    """A stream that nobody reads is waited for, then ended; another process on the same port has
    the rest."""
    with stream_process(api) as first, first.channel() as channel:
        watch = HealthStub(channel).Watch(HealthCheckRequest(service=SERVICE))
        assert next(watch).status == HealthCheckResponse.SERVING
        call = Listener(channel, owner).stream(long_track)
        data = next(call).data
        with stream_process(api, address=first.address) as second:
            first.process.terminate()
            assert next(watch).status == HealthCheckResponse.NOT_SERVING
            first.process.wait(60)
            assert first.process.returncode == 0
            more, error = ended_with(call)
            taken = data + more
            assert error.code() == grpc.StatusCode.UNAVAILABLE
            assert CONTENT.startswith(taken)
            with second.channel() as another:
                _, rest = Listener(another, owner).read(long_track, offset=len(taken))
        assert taken + rest == CONTENT
        assert "Traceback" not in first.log
