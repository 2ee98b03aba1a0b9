"""What a client of gRPC is told, in the same words and under the same rights as over HTTP."""

from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from tests.audio.synthesis import write_tone
from tests.builders.grpc import Listener, StreamProcess, refusal
from tests.builders.tracks import WorkerProcess, create_track, ready_track, wav
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess
from tests.waiting import wait_until

from talas.v1 import audio_stream_pb2 as pb
from talas.v1.audio_stream_pb2_grpc import AudioStreamStub

CONTENT = wav(seconds=10)


@pytest.fixture(scope="module")
def track(api: ApiProcess, worker: WorkerProcess, owner: Account) -> dict[str, Any]:
    return ready_track(
        api,
        owner.token,
        content=CONTENT,
        title="Nacht 夜",
        tags="field,night",
        visibility="private",
        license="CC-BY-4.0",
    )


@pytest.fixture
def stranger(api: ApiProcess, channel: grpc.Channel) -> Listener:
    return Listener(channel, create_user(api))


def test_a_track_as_over_http(listener: Listener, track: dict[str, Any]) -> None:
    got = listener.get_track(track["id"])
    for field in (
        *("id", "user_id", "title", "artist", "visibility", "status", "license", "tags"),
        *("format", "size", "duration_ms", "bitrate", "sample_rate", "channels", "plays"),
        *("likes", "liked", "loudness_lufs", "peak_dbtp"),
    ):
        assert getattr(got, field) == track[field], field
    assert not got.HasField("error")
    assert f"{got.created_at.ToJsonString()[:19]}Z" == f"{track['created_at'][:19]}Z"


def test_the_waveform_as_over_http(
    api: ApiProcess, owner: Account, listener: Listener, track: dict[str, Any]
) -> None:
    for points in (0, 50):
        peaks = listener.waveform(track["id"], points)
        query = {"points": points} if points else {}
        path = f"/tracks/{track['id']}/waveform"
        same = api.client.get(path, token=owner.token, params=query).json()
        assert peaks.length == same["length"]
        assert peaks.samples_per_pixel == same["samples_per_pixel"]
        assert peaks.sample_rate == same["sample_rate"]
        assert [value - 256 * (value > 127) for value in peaks.data] == same["data"]


def test_the_originals_bytes(listener: Listener, track: dict[str, Any]) -> None:
    info, data = listener.read(track["id"])
    assert data == CONTENT
    assert (info.size, info.media_type) == (len(CONTENT), "audio/wav")
    for offset in (1, 65_537, len(CONTENT) - 1, len(CONTENT)):
        again, rest = listener.read(track["id"], offset=offset)
        assert (again, rest) == (info, CONTENT[offset:])


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        ({"format": "mp3", "bitrate": 64}, {"format": "mp3", "bitrate": "64"}),
        ({"format": "flac", "start_ms": 2500}, {"format": "flac", "start": "2.5"}),
        (
            {"format": "wav", "loudness": -30.0, "start_ms": 9000},
            {"format": "wav", "loudness": "-30", "start": "9"},
        ),
    ],
    ids=["mp3", "flac", "wav"],
)
def test_transcodes_as_over_http(
    api: ApiProcess,
    owner: Account,
    listener: Listener,
    track: dict[str, Any],
    fields: dict[str, Any],
    query: dict[str, str],
) -> None:
    """First made, then from the cache, where its length is known and any offset is near."""
    made, data = listener.read(track["id"], **fields)
    kept, again = listener.read(track["id"], **fields)
    assert again == data
    assert (kept.etag, kept.media_type, kept.size) == (made.etag, made.media_type, len(data))
    offset = len(data) // 2
    assert listener.read(track["id"], **fields, offset=offset)[1] == data[offset:]
    path = f"/tracks/{track['id']}/stream"
    assert api.client.get(path, token=owner.token, params=query).content == data


def test_an_offset_into_what_is_still_encoded(listener: Listener, track: dict[str, Any]) -> None:
    _, whole = listener.read(track["id"], format="aac", bitrate=96)
    other = {"format": "aac", "bitrate": 128}
    info, rest = listener.read(track["id"], **other, offset=20_000)
    assert not info.HasField("size")
    assert listener.read(track["id"], **other)[1][20_000:] == rest
    with pytest.raises(grpc.RpcError) as raised:
        listener.read(track["id"], format="aac", bitrate=64, offset=len(whole))
    assert refusal(raised.value)[::2] == (
        grpc.StatusCode.OUT_OF_RANGE,
        "range_not_satisfiable",
    )


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"format": "ogg"}, "format must be one of mp3, aac, opus, flac, wav"),
        ({"format": "mp3", "bitrate": 100}, "bitrate must be one of"),
        ({"format": "mp3", "bitrate": -64}, "bitrate must be one of"),
        ({"format": "flac", "bitrate": 64}, "flac is lossless and takes no bitrate"),
        ({"bitrate": 64}, "bitrate needs a format"),
        ({"start_ms": 1}, "start needs a format"),
        ({"start_ms": -1}, "start_ms must be a whole number between 0 and"),
        ({"offset": -1}, "offset must be a whole number between 0 and"),
        ({"format": "mp3", "start_ms": 10_000}, "start must be before the track's end"),
        ({"format": "mp3", "start_ms": 2**40}, "start_ms must be a whole number between"),
        ({"format": "mp3", "loudness": float("nan")}, "loudness must be a number from"),
        ({"loudness": -14.0}, "loudness needs a format"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_does_not_fit_is_named(
    listener: Listener, track: dict[str, Any], fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        listener.read(track["id"], **fields)
    code, said, error_code = refusal(raised.value)
    assert (code, error_code) == (grpc.StatusCode.INVALID_ARGUMENT, "invalid_data")
    assert said.startswith(sentence)


def test_points_and_offsets_that_there_are_not(listener: Listener, track: dict[str, Any]) -> None:
    for points in (-1, 2**18 + 1):
        with pytest.raises(grpc.RpcError) as raised:
            listener.waveform(track["id"], points)
        assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as raised:
        listener.read(track["id"], offset=len(CONTENT) + 1)
    assert raised.value.code() == grpc.StatusCode.OUT_OF_RANGE


def test_what_one_may_not_see_is_not_there(
    listener: Listener, stranger: Listener, track: dict[str, Any]
) -> None:
    nothing = (grpc.StatusCode.NOT_FOUND, "Track not found", "not_found")
    for track_id in (track["id"], 0, -1, 2**31 - 1):
        for ask in (stranger.get_track, stranger.waveform, stranger.read):
            with pytest.raises(grpc.RpcError) as raised:
                ask(track_id)
            assert refusal(raised.value) == nothing
    assert listener.get_track(track["id"]).id == track["id"]


def test_a_track_that_is_not_ready(
    api: ApiProcess, listener: Listener, owner: Account, worker: WorkerProcess
) -> None:
    silent = b"RIFF" + bytes(4) + b"WAVEfmt " + bytes(60)
    track_id = create_track(api, owner.token, content=silent)["id"]
    for ask in (
        lambda: listener.waveform(track_id),
        lambda: listener.read(track_id, format="mp3"),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            ask()
        assert refusal(raised.value)[::2] == (grpc.StatusCode.NOT_FOUND, "not_ready")
    assert listener.read(track_id)[1] == silent


@pytest.mark.parametrize(
    ("metadata", "sentence", "code"),
    [
        ([], "Missing authorization metadata", "missing_token"),
        ([("authorization", "")], "Invalid token", "invalid_token"),
        ([("authorization", "Bearer x")], "Invalid token", "invalid_token"),
        ([("authorization", "Basic {access}")], "Invalid token", "invalid_token"),
        ([("authorization", "Bearer {media}")], "Invalid token", "invalid_token"),
        ([("authorization", "Bearer {refresh}")], "Invalid token", "invalid_token"),
        ([("authorization", "Bearer {access}")] * 2, "Invalid token", "invalid_token"),
        ([("authorization", "Bearer {access}x")], "Invalid token", "invalid_token"),
    ],
    ids=["none", "empty", "forged", "basic", "media", "refresh", "two", "changed"],
)
def test_only_an_access_token_opens(
    api: ApiProcess,
    owner: Account,
    channel: grpc.Channel,
    metadata: list[tuple[str, str]],
    sentence: str,
    code: str,
) -> None:
    media = api.client.post("/auth/media-token", token=owner.token).json()["data"]["token"]
    tokens = {"access": owner.token, "media": media, "refresh": owner.refresh_token}
    sent = [(name, value.format(**tokens)) for name, value in metadata]
    stub = AudioStreamStub(channel)
    calls: Iterator[Any] = iter(
        [
            lambda: stub.GetTrack(pb.GetTrackRequest(track_id=1), metadata=sent),
            lambda: stub.Waveform(pb.WaveformRequest(track_id=1), metadata=sent),
            lambda: list(stub.Stream(pb.StreamRequest(track_id=1), metadata=sent)),
        ]
    )
    for call in calls:
        with pytest.raises(grpc.RpcError) as raised:
            call()
        assert refusal(raised.value) == (grpc.StatusCode.UNAUTHENTICATED, sentence, code)


def test_a_deleted_track_is_gone(
    api: ApiProcess, owner: Account, listener: Listener, worker: WorkerProcess
) -> None:
    path = api.data_dir / "tone.mp3"
    content = write_tone(path, "mp3").read_bytes()
    track_id = ready_track(api, owner.token, content=content, filename="tone.mp3")["id"]
    _, data = listener.read(track_id, format="opus")
    assert data.startswith(b"OggS")
    assert api.client.delete(f"/tracks/{track_id}", token=owner.token).status_code == 200
    with pytest.raises(grpc.RpcError) as raised:
        listener.read(track_id, format="opus")
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND


def test_what_is_logged(
    streams: StreamProcess, channel: grpc.Channel, owner: Account, track: dict[str, Any]
) -> None:
    sent = [("authorization", f"Bearer {owner.token}"), ("x-request-id", "mine-1")]
    request = pb.GetTrackRequest(track_id=track["id"])
    _, call = AudioStreamStub(channel).GetTrack.with_call(request, metadata=sent)
    assert dict(call.initial_metadata())["x-request-id"] == "mine-1"
    with pytest.raises(grpc.RpcError):
        AudioStreamStub(channel).GetTrack(pb.GetTrackRequest(track_id=2**31 - 1), metadata=sent)
    # A line is written a moment later.
    wait_until(
        lambda: "GRPC /talas.v1.AudioStream/GetTrack - Status: OK, Duration: " in streams.log
    )
    wait_until(lambda: "Status: NOT_FOUND" in streams.log)
    assert owner.token not in streams.log
    assert "Traceback" not in streams.log


def test_other_protocols_do_no_harm(
    streams: StreamProcess, listener: Listener, track: dict[str, Any]
) -> None:
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://{streams.address}/", timeout=60)
    assert listener.get_track(track["id"]).id == track["id"]
    strange = [line for line in streams.log.splitlines() if not line.startswith("[")]
    assert strange == []
