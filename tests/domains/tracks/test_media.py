"""A track's bytes over HTTP: ranges, rights, tokens, waveforms."""

import json
import socket
import struct
import subprocess
import time
from email import message_from_bytes
from typing import Any

import httpx
import msgspec
import psutil
import pytest
from tests import raw_http
from tests.builders.tracks import WorkerProcess, create_track, ready_track, wav
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess, api_process
from tests.waiting import wait_until

from talas.core.http.ranges import MAX_STREAMS

CONTENT = wav(seconds=3, seed=7)


class Heard(msgspec.Struct):
    """A ready public track, its uploader, and somebody else."""

    api: ApiProcess
    owner: Account
    other: Account
    track: dict[str, Any]

    def get(self, path: str, *, token: str | None = None, **headers: str) -> httpx.Response:
        pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return self.api.client.get(path, token=token or self.other.token, headers=pairs)

    def waveform(self, query: str = "", *, token: str | None = None) -> httpx.Response:
        """By a client that expects no envelope."""
        return httpx.get(
            f"{self.api.url}/api/v1/tracks/{self.track['id']}/waveform{query}",
            headers={"Authorization": f"Bearer {token or self.other.token}"},
        )

    @property
    def stream(self) -> str:
        return f"/tracks/{self.track['id']}/stream"


@pytest.fixture(scope="module")
def heard(api: ApiProcess, worker: WorkerProcess) -> Heard:
    owner = create_user(api)
    track = ready_track(api, owner.token, content=CONTENT, title="Grüße / 1")
    return Heard(api, owner, create_user(api), track)


def test_the_original_comes_back_as_it_was(heard: Heard) -> None:
    for path in (heard.stream, heard.track["file_url"]):
        answer = heard.get(path)
        assert answer.status_code == 200
        assert answer.content == CONTENT
        headers = answer.headers
        assert headers["content-type"] == "audio/wav"
        assert headers["content-length"] == str(len(CONTENT))
        assert headers["accept-ranges"] == "bytes"
        assert headers["etag"].startswith('"')
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert headers["cache-control"] == "private, max-age=3600"
        assert headers["content-disposition"].startswith('inline; filename="Gr__e _ 1.wav"')


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=-10", -10, None),
        ("bytes=9-", 9, None),
    ],
)
def test_one_range(heard: Heard, wanted: str, start: int, end: int | None) -> None:
    answer = heard.get(heard.stream, range=wanted)
    assert answer.status_code == 206
    part = CONTENT[start:end]
    first = CONTENT.index(part) if len(part) > 1 else 0
    assert answer.content == part
    expected = f"bytes {first}-{first + len(part) - 1}/{len(CONTENT)}"
    assert answer.headers["content-range"] == expected


def test_several_ranges(heard: Heard) -> None:
    answer = heard.get(heard.stream, range="bytes=0-9,20000-20009,-5")
    assert answer.status_code == 206
    assert len(answer.content) == int(answer.headers["content-length"])
    head = f"Content-Type: {answer.headers['content-type']}\r\n\r\n".encode()
    parts = message_from_bytes(head + answer.content).get_payload()
    assert [part.get_payload(decode=True) for part in parts] == [
        CONTENT[:10],
        CONTENT[20000:20010],
        CONTENT[-5:],
    ]
    assert parts[1]["content-range"] == f"bytes 20000-20009/{len(CONTENT)}"
    assert parts[1]["content-type"] == "audio/wav"


def test_a_range_outside_is_416_in_the_envelope(heard: Heard) -> None:
    answer = heard.get(heard.stream, range=f"bytes={len(CONTENT)}-")
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(CONTENT)}"
    assert answer.json()["code"] == "range_not_satisfiable"


def test_what_the_client_has_is_not_sent_again(heard: Heard) -> None:
    etag = heard.get(heard.stream).headers["etag"]
    answer = heard.get(heard.stream, if_none_match=etag)
    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["etag"] == etag
    assert "content-length" not in answer.headers
    assert heard.get(heard.stream, if_match='"another"').status_code == 412


def test_head_says_the_same_without_the_body(heard: Heard) -> None:
    for path in (heard.stream, heard.track["file_url"], heard.track["waveform_url"]):
        whole = heard.get(path)
        head = heard.api.client.request("HEAD", path, token=heard.other.token)
        assert head.status_code == 200
        assert head.content == b""
        for name in ("content-length", "etag", "content-type", "last-modified"):
            assert head.headers[name] == whole.headers[name], name


def test_curl_resumes_a_download(heard: Heard, tmp_path: Any) -> None:
    target = tmp_path / "song.wav"
    target.write_bytes(CONTENT[:1000])
    subprocess.run(
        [
            *("curl", "-sSf", "-C", "-", "-o", str(target)),
            *("-H", f"Authorization: Bearer {heard.other.token}"),
            f"{heard.api.url}{heard.track['file_url']}",
        ],
        check=True,
    )
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("name", ["1.mp3", "1", "1.wav.wav", "01.wav", "-1.wav", "x.wav", "1.WAV"])
def test_other_names_are_not_there(heard: Heard, name: str) -> None:
    name = name.replace("1", str(heard.track["id"]), 1)
    assert heard.get(f"/uploads/tracks/{name}").status_code == 404


def test_a_media_token_opens_media_and_nothing_else(heard: Heard) -> None:
    api, track_id = heard.api, heard.track["id"]
    token = api.client.post("/auth/media-token", token=heard.other.token).json()["data"]["token"]
    for path in (
        heard.stream,
        heard.track["file_url"],
        heard.track["waveform_url"],
        f"/tracks/{track_id}/waveform.dat",
    ):
        for method in ("GET", "HEAD"):
            assert api.client.request(method, path, params={"token": token}).status_code == 200
        assert api.client.get(path).status_code == 401
        assert api.client.get(path, params={"token": token + "x"}).status_code == 401
        assert api.client.get(path, params={"token": heard.other.token}).status_code == 401
        assert api.client.get(path, token=token).status_code == 401
    for path in ("/tracks", f"/tracks/{track_id}", "/users/me"):
        assert api.client.get(path, params={"token": token}).status_code == 401
    answer = api.client.delete(f"/tracks/{track_id}", params={"token": token})
    assert answer.status_code == 401


@pytest.mark.parametrize("visibility", ["private", "unlisted"])
def test_rights_are_those_of_the_track(heard: Heard, visibility: str) -> None:
    api, owner = heard.api, heard.owner
    track = ready_track(api, owner.token, content=wav(seed=11), visibility=visibility)
    paths = [
        track["file_url"],
        track["waveform_url"],
        *(f"/tracks/{track['id']}{rest}" for rest in ("", "/stream", "/waveform.dat")),
    ]
    expected = 404 if visibility == "private" else 200
    for path in paths:
        assert heard.get(path, token=owner.token).status_code == 200, path
        assert heard.get(path).status_code == expected, path
    address = f"{api.url}/api/v1/tracks/{track['id']}/waveform"
    for token, status in [(owner.token, 200), (heard.other.token, expected)]:
        answer = httpx.get(address, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == status
    if visibility == "private":
        answer = heard.get(track["file_url"], token=owner.token)
        assert answer.headers["cache-control"] == "private, no-cache"
        unknown = heard.get("/tracks/99999/stream")
        assert heard.get(f"/tracks/{track['id']}/stream").json() == unknown.json()


class TestWaveform:
    def test_json_is_audiowaveforms(self, heard: Heard) -> None:
        answer = heard.waveform()
        assert answer.headers["content-type"] == "application/json"
        peaks = json.loads(answer.content)
        assert (peaks["version"], peaks["channels"], peaks["bits"]) == (2, 1, 8)
        assert peaks["sample_rate"] == 8000
        assert len(peaks["data"]) == 2 * peaks["length"]

    def test_binary_holds_the_same(self, heard: Heard) -> None:
        peaks = heard.waveform().json()
        data = heard.get(f"/tracks/{heard.track['id']}/waveform.dat").content
        version, flags, rate, step, length, channels = struct.unpack_from("<iIiiIi", data)
        assert (version, flags, rate, channels) == (2, 1, 8000, 1)
        assert (step, length) == (peaks["samples_per_pixel"], peaks["length"])
        assert list(struct.unpack(f"{2 * length}b", data[24:])) == peaks["data"]

    def test_fewer_points_keep_the_extremes(self, heard: Heard) -> None:
        fine, coarse = heard.waveform().json(), heard.waveform("?points=4").json()
        assert coarse["length"] <= 4
        assert min(coarse["data"]) == min(fine["data"])
        assert max(coarse["data"]) == max(fine["data"])
        etags = {heard.waveform(query).headers["etag"] for query in ("", "?points=4")}
        assert len(etags) == 2

    @pytest.mark.parametrize("points", ["0", "-1", "x", "1e3", "99999999", "1" * 40])
    def test_points_have_bounds(self, heard: Heard, points: str) -> None:
        assert heard.get(f"/tracks/{heard.track['id']}/waveform?points={points}").status_code == 400

    def test_the_picture_is_a_png(self, heard: Heard) -> None:
        answer = heard.get(heard.track["waveform_url"])
        assert answer.headers["content-type"] == "image/png"
        assert answer.content.startswith(b"\x89PNG")
        assert struct.unpack(">II", answer.content[16:24]) == (1800, 280)

    def test_there_is_none_before_the_track_is_ready(self, heard: Heard) -> None:
        api, token = heard.api, heard.owner.token
        track = create_track(api, token, content=wav(seconds=20, seed=5))
        answer = heard.get(f"/tracks/{track['id']}/waveform", token=token)
        if answer.status_code != 200:
            assert answer.status_code == 404
            assert "not ready" in answer.json()["error"]


def test_slow_readers_cost_no_memory_and_leave_nothing_open(heard: Heard, tmp_path: Any) -> None:
    """Ten who read 4 KiB and stop; then they go."""
    api = heard.api
    track = create_track(api, heard.owner.token, content=wav(size=80_000_000))
    process = psutil.Process(api.process.pid)
    before = process.memory_info().rss
    request = (
        f"GET /api/v1/tracks/{track['id']}/stream HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {heard.owner.token}\r\n\r\n"
    ).encode()
    readers = [socket.create_connection(api.address) for _ in range(10)]
    for reader in readers:
        reader.sendall(request)
    for reader in readers:
        assert reader.recv(4096).startswith(b"HTTP/1.1 200")
    time.sleep(0.5)
    assert process.memory_info().rss - before < 100_000_000
    assert len(_open_originals(process)) == 10
    for reader in readers:
        reader.close()
    wait_until(lambda: _open_originals(process) == [])


def _open_originals(process: psutil.Process) -> list[str]:
    return [file.path for file in process.open_files() if file.path.endswith("/original")]


def test_a_lost_object_is_not_there(heard: Heard) -> None:
    track = ready_track(heard.api, heard.owner.token, content=wav(seed=13))
    for path in (heard.api.data_dir / "uploads").rglob("original"):
        if path.read_bytes() == wav(seed=13):
            path.unlink()
    assert heard.get(track["file_url"]).status_code == 404
    answer = raw_http.send(
        heard.api.address,
        "GET",
        track["file_url"],
        headers=[f"Authorization: Bearer {heard.other.token}"],
    )
    assert answer.status == 404


def test_one_listener_opens_so_many_streams(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with api_process(
        module_database_url, tmp_path_factory.mktemp("limited"), RATE_LIMITS="on"
    ) as api:
        greedy, modest = create_user(api), create_user(api)
        path = f"/tracks/{create_track(api, greedy.token, content=wav(size=20_000_000))['id']}"
        own = f"/tracks/{create_track(api, modest.token, content=wav(size=3_000_000))['id']}"
        request = (
            f"GET /api/v1{path}/stream HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {greedy.token}\r\n\r\n"
        )
        readers = [socket.create_connection(api.address) for _ in range(MAX_STREAMS)]
        for reader in readers:
            reader.sendall(request.encode())
            assert reader.recv(4096).startswith(b"HTTP/1.1 200")
        refused = api.client.get(f"{path}/stream", token=greedy.token)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        part = api.client.get(
            f"{path}/stream", token=greedy.token, headers=[("Range", "bytes=0-9")]
        )
        assert part.status_code == 206
        assert api.client.get(f"{own}/stream", token=modest.token).status_code == 200
        for reader in readers:
            reader.close()
