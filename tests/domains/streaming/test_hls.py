"""HLS as players meet it: playlists, segments, jumps, rights."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from tests.audio.synthesis import sweep
from tests.builders.streaming import (
    Heard,
    encoders,
    encodings,
    media_token,
    segments_of,
    upload_samples,
    wait_until_idle,
)
from tests.builders.tracks import WorkerProcess, create_track, wait_for_analysis, wav
from tests.builders.users import create_user
from tests.servers import ApiProcess, api_process
from tests.waiting import wait_until

SECONDS = 13
RATE = 44100
SEGMENT = 188 * 1024
SIGNAL = sweep(SECONDS, sample_rate=RATE)


@pytest.fixture(scope="module")
def heard(
    api: ApiProcess, worker: WorkerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Heard:
    owner, other = create_user(api), create_user(api)
    folder = tmp_path_factory.mktemp("audio")
    track = upload_samples(api, owner, folder, SIGNAL, sample_rate=RATE)
    return Heard(api, owner, other, media_token(api, other), track)


def decoded(url: str, *, start_s: float = 0.0) -> tuple[int, np.ndarray]:
    """What a player hears of the first channel after a jump to ``start_s``, and the sample that it
    takes for the first."""
    heard, first = [], None
    with av.open(url) as media:
        stream = media.streams.audio[0]
        if start_s:
            media.seek(int(start_s / stream.time_base), stream=stream)
        for frame in media.decode(stream):
            first = frame.pts if first is None else first
            planes = frame.to_ndarray()
            heard.append(planes[0] if frame.format.is_planar else planes[0, :: stream.channels])
    assert first is not None
    return first, np.concatenate(heard)


def test_the_master_playlist_names_what_there_is(heard: Heard) -> None:
    answer = heard.get("hls/master.m3u8")
    assert answer.headers["content-type"] == "application/vnd.apple.mpegurl"
    lines = answer.text.splitlines()
    assert lines[:2] == ["#EXTM3U", "#EXT-X-VERSION:7"]
    assert "#EXT-X-INDEPENDENT-SEGMENTS" in lines
    assert [line for line in lines if line.endswith(".m3u8")] == [
        "aac128/index.m3u8",
        "aac64/index.m3u8",
        "aac256/index.m3u8",
    ]
    assert (
        lines.count(
            '#EXT-X-STREAM-INF:BANDWIDTH=143800,AVERAGE-BANDWIDTH=128000,CODECS="mp4a.40.2"'
        )
        == 1
    )
    lossless = heard.get("hls/master.m3u8?codecs=flac").text
    assert 'CODECS="fLaC"\nflac/index.m3u8\n' in lossless
    refused = heard.get("hls/master.m3u8?codecs=mp3")
    assert (refused.status_code, refused.json()["error"]) == (400, "codecs must be one of flac")


def test_the_media_playlist_is_complete(heard: Heard) -> None:
    playlist = heard.get("hls/aac128/index.m3u8").text
    assert playlist.endswith("#EXT-X-ENDLIST\n")
    for line in ("#EXT-X-PLAYLIST-TYPE:VOD", '#EXT-X-MAP:URI="init.mp4"'):
        assert line in playlist.splitlines()
    segments = segments_of(playlist)
    assert [name for _, name in segments] == [f"{number}.m4s" for number in range(3)]
    assert sum(seconds for seconds, _ in segments) == pytest.approx(SECONDS, abs=1e-5)
    [target] = re.findall(r"#EXT-X-TARGETDURATION:(\d+)", playlist)
    assert all(round(seconds) <= int(target) for seconds, _ in segments)
    init = heard.get("hls/aac128/init.mp4")
    assert init.headers["content-type"] == "audio/mp4"
    assert init.content[4:8] == b"ftyp"


def test_a_player_hears_the_track(heard: Heard) -> None:
    """FFmpeg's own HLS client, with nothing but the address."""
    first, samples = decoded(heard.address("hls/master.m3u8"))
    assert first == 0
    assert len(samples) == pytest.approx(SECONDS * RATE, abs=1024)
    assert _difference(samples[: SECONDS * RATE - 1024], 0) < 0.01


def test_a_player_jumps(heard: Heard) -> None:
    first, samples = decoded(heard.address("hls/aac64/index.m3u8"), start_s=9.5)
    assert 2 * SEGMENT <= first <= 9.6 * RATE
    assert _difference(samples[2048:22528], first + 2048) < 0.01


def test_lossless_is_lossless(heard: Heard) -> None:
    _, samples = decoded(heard.address("hls/flac/index.m3u8"))
    assert len(samples) == SECONDS * RATE
    exact = np.round(SIGNAL[0] * 32767) / 32768
    assert np.abs(samples / 2**31 - exact).max() < 2 / 32768


def _difference(samples: np.ndarray, first: int) -> float:
    """The level of what differs, full scale being 1."""
    original = SIGNAL[0, first : first + len(samples)]
    return float(np.sqrt(np.mean((samples - original) ** 2)))


def test_tokens_travel_with_the_playlists(heard: Heard) -> None:
    for path in ("hls/master.m3u8", "hls/aac64/index.m3u8"):
        named = httpx.get(heard.address(path)).text
        addresses = [line for line in named.splitlines() if line and line[0] != "#"]
        addresses += re.findall('URI="(.*?)"', named)
        assert addresses
        assert all(address.endswith(f"?token={heard.media_token}") for address in addresses)
        assert "token" not in heard.get(path).text
    for path in ("hls/aac64/init.mp4", "hls/aac64/0.m4s"):
        assert httpx.get(heard.address(path)).status_code == 200
        assert heard.api.client.get(f"/tracks/{heard.track['id']}/{path}").status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        *("aac128/3.m4s", "aac128/99999999999999.m4s", "aac128/-1.m4s", "aac128/00.m4s"),
        *("aac128/x.m4s", "aac128/1.mp4", "aac128/1", "aac128/%D9%A1.m4s", "aac128/1.m4s%00"),
        *("aac96/0.m4s", "aac96/index.m3u8", "aac96/init.mp4", "AAC128/0.m4s", "stream/0.m4s"),
        *("..%2faac128/0.m4s", "%00/index.m3u8"),
    ],
)
def test_what_is_not_there_is_404(heard: Heard, path: str) -> None:
    assert heard.get(f"hls/{path}").status_code == 404


def test_no_better_than_the_source(heard: Heard, tmp_path: Path) -> None:
    quiet = sweep(1, sample_rate=22050, channels=1)
    track = upload_samples(
        heard.api, heard.owner, tmp_path, quiet, container="mp3", sample_rate=22050
    )
    playlist = heard.api.client.get(
        f"/tracks/{track['id']}/hls/master.m3u8", token=heard.other.token
    ).text
    assert track["bitrate"] < 200_000
    assert "aac256" not in playlist
    assert "aac64/" in playlist


def test_a_segment_is_content_like_any_other(heard: Heard) -> None:
    whole = heard.get("hls/aac64/1.m4s")
    assert whole.headers["cache-control"] == "private, max-age=3600"
    assert whole.headers["x-content-type-options"] == "nosniff"
    part = heard.get("hls/aac64/1.m4s", range="bytes=100-199")
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    etag = whole.headers["etag"]
    assert heard.get("hls/aac64/1.m4s", if_none_match=etag).status_code == 304
    assert heard.get("hls/aac64/2.m4s").headers["etag"] != etag
    address = f"/tracks/{heard.track['id']}/hls/aac64/1.m4s"
    head = heard.api.client.request("HEAD", address, token=heard.other.token)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


def test_what_can_be_said_without_an_encoder_starts_none(heard: Heard, tmp_path: Path) -> None:
    track = upload_samples(heard.api, heard.owner, tmp_path, SIGNAL, sample_rate=RATE)
    address = f"/tracks/{track['id']}/hls/aac128/0.m4s"
    wait_until_idle(heard.api)
    made = encodings(heard.api, "segment")
    head = heard.api.client.request("HEAD", address, token=heard.other.token)
    assert (head.status_code, head.content) == (200, b"")
    assert "content-length" not in head.headers
    etag = head.headers["etag"]
    for method in ("GET", "HEAD"):
        known = [("If-None-Match", etag), ("Range", "bytes=0-9")]
        answer = heard.api.client.request(method, address, token=heard.other.token, headers=known)
        assert answer.status_code == 304
    past = address.replace("/0.m4s", "/3.m4s")
    for headers in ([], [("If-None-Match", "*")]):
        answer = heard.api.client.request("HEAD", past, token=heard.other.token, headers=headers)
        assert answer.status_code == 404
    assert encodings(heard.api, "segment") == made
    assert encoders(heard.api) == []
    whole = heard.api.client.get(address, token=heard.other.token)
    assert whole.headers["etag"] == etag
    wait_until(lambda: encodings(heard.api, "segment") == made + 3)


def test_two_more_are_made_before_they_are_asked_for(heard: Heard, tmp_path: Path) -> None:
    track = upload_samples(heard.api, heard.owner, tmp_path, SIGNAL, sample_rate=RATE)
    path = f"/tracks/{track['id']}/hls/aac128"
    wait_until_idle(heard.api)
    made = encodings(heard.api, "segment")
    assert heard.api.client.get(f"{path}/0.m4s", token=heard.other.token).status_code == 200
    wait_until(lambda: encodings(heard.api, "segment") == made + 3)
    for number in (0, 1, 2):
        answer = heard.api.client.get(f"{path}/{number}.m4s", token=heard.other.token)
        assert answer.status_code == 200
    assert encodings(heard.api, "segment") == made + 3


def test_a_hundred_who_ask_at_once_cost_one_encoder(
    heard: Heard, module_database_url: str, tmp_path: Path
) -> None:
    """Half of them at another process of the same machine."""
    track = upload_samples(
        heard.api, heard.owner, tmp_path, sweep(3, sample_rate=RATE), sample_rate=RATE
    )
    data_dir = str(heard.api.data_dir)
    with api_process(module_database_url, tmp_path, DATA_DIR=data_dir) as second:

        def made() -> float:
            return encodings(heard.api, "segment") + encodings(second, "segment")

        wait_until_idle(heard.api)
        before = made()
        path = f"/api/v1/tracks/{track['id']}/hls/aac128/0.m4s?token={heard.media_token}"
        addresses = [f"{api.url}{path}" for api in (heard.api, second)] * 50
        with ThreadPoolExecutor(100) as threads:
            answers = list(threads.map(lambda url: httpx.get(url), addresses))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        # One is counted when it ends.
        wait_until(lambda: encoders(heard.api) == encoders(second) == [] and made() > before)
        assert made() == before + 1


def test_what_is_not_ready_is_not_there_yet(heard: Heard) -> None:
    api, token = heard.api, heard.owner.token
    broken = create_track(api, token, content=wav(size=44))
    assert wait_for_analysis(api, token, broken["id"])["status"] == "failed"
    for path in ("master.m3u8", "aac64/index.m3u8", "aac64/init.mp4", "aac64/0.m4s"):
        address = f"/tracks/{broken['id']}/hls/{path}"
        answer = api.client.get(address, token=token)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_ready")
        hidden = api.client.get(address, token=heard.other.token)
        assert hidden.json()["code"] == "not_found"


def test_private_is_private_at_once(heard: Heard, tmp_path: Path) -> None:
    api = heard.api
    track = upload_samples(api, heard.owner, tmp_path, sweep(3, sample_rate=RATE), sample_rate=RATE)
    paths = [
        f"/tracks/{track['id']}/hls/{path}"
        for path in ("master.m3u8", "aac64/index.m3u8", "aac64/init.mp4", "aac64/0.m4s")
    ]
    paths.append(f"/tracks/{track['id']}/stream?format=mp3")
    statuses: list[Any] = [
        api.client.get(path, token=heard.other.token).status_code for path in paths
    ]
    assert statuses == [200] * 5
    change = {"visibility": "private"}
    api.client.put(f"/tracks/{track['id']}", token=heard.owner.token, json=change)
    for path in paths:
        assert api.client.get(path, token=heard.other.token).status_code == 404
        answer = api.client.get(path, token=heard.owner.token)
        assert answer.headers["cache-control"] == "private, no-cache"
