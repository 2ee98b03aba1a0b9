"""Transcodes as players meet them: while they are made, and once they are whole."""

import contextlib
import io
import os
import signal
import socket
from pathlib import Path

import av
import httpx
import msgspec
import numpy as np
import psutil
import pytest
from tests import raw_http
from tests.audio.synthesis import silence, tone
from tests.builders.streaming import (
    Heard,
    encoders,
    encodings,
    figure,
    media_token,
    upload_samples,
    wait_until_idle,
)
from tests.builders.tracks import WorkerProcess
from tests.builders.users import create_user
from tests.servers import ApiProcess, api_process
from tests.waiting import wait_until

SECONDS, RATE = 6, 44100
LONG_SECONDS = 1800
LONG = f"-{LONG_SECONDS * 8000}"
"""How the names of what is made of it end."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audio")


@pytest.fixture(scope="module")
def heard(api: ApiProcess, worker: WorkerProcess, folder: Path) -> Heard:
    owner, other = create_user(api), create_user(api)
    signal = tone(SECONDS, sample_rate=RATE)
    track = upload_samples(api, owner, folder, signal, sample_rate=RATE)
    return Heard(api, owner, other, media_token(api, other), track)


@pytest.fixture(scope="module")
def long(heard: Heard, folder: Path) -> Heard:
    """Half an hour of silence, which takes an encoder a while."""
    track = upload_samples(
        heard.api,
        heard.owner,
        folder,
        silence(LONG_SECONDS, sample_rate=8000, channels=1),
        container="flac",
        sample_rate=8000,
    )
    return Heard(heard.api, heard.owner, heard.other, heard.media_token, track)


def samples_of(content: bytes) -> np.ndarray:
    """Of the first channel, full scale being 1."""
    heard = []
    with av.open(io.BytesIO(content)) as media:
        resampler = av.AudioResampler("fltp")
        for frame in media.decode(audio=0):
            heard += [same.to_ndarray()[0] for same in resampler.resample(frame)]
    return np.concatenate(heard)


@pytest.mark.parametrize(
    ("name", "media_type", "rate", "slack"),
    [
        ("mp3", "audio/mpeg", 44100, 0),
        ("aac", "audio/aac", 44100, 2048),
        ("opus", "audio/ogg", 48000, 0),
        ("flac", "audio/flac", 44100, 0),
        ("wav", "audio/wav", 44100, 0),
    ],
)
def test_every_format(heard: Heard, name: str, media_type: str, rate: int, slack: int) -> None:
    path = f"stream?format={name}"
    growing = heard.get(path)
    assert growing.status_code == 200
    assert growing.headers["content-type"] == media_type
    assert growing.headers["accept-ranges"] == "none"
    assert "content-length" not in growing.headers
    assert growing.headers["content-disposition"] == f'inline; filename="Sound.{name}"'
    assert len(samples_of(growing.content)) == pytest.approx(SECONDS * rate, abs=slack)
    wait_until(lambda: "content-length" in heard.get(path).headers)
    whole = heard.get(path)
    assert whole.content == growing.content
    assert whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["etag"] == growing.headers["etag"]
    part = heard.get(path, range="bytes=1000-1999", if_range=whole.headers["etag"])
    assert (part.status_code, part.content) == (206, whole.content[1000:2000])
    assert heard.get(path, if_none_match=whole.headers["etag"]).status_code == 304


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("format=ogg", "format must be one of mp3, aac, opus, flac, wav"),
        ("format=", "format must be one of mp3, aac, opus, flac, wav"),
        (
            "format=mp3&bitrate=100",
            "bitrate must be one of 64, 96, 128, 192, 256, 320, in kbit/s",
        ),
        (
            "format=mp3&bitrate=0128",
            "bitrate must be one of 64, 96, 128, 192, 256, 320, in kbit/s",
        ),
        ("format=wav&bitrate=128", "wav is lossless and takes no bitrate"),
        ("format=mp3&loudness=loud", "loudness must be a number from -40 to -5"),
        ("format=mp3&loudness=nan", "loudness must be a number from -40 to -5"),
        ("format=mp3&loudness=3", "loudness must be a number from -40 to -5"),
        ("format=mp3&start=-1", "start must be a number from 0 to 43200"),
        ("format=mp3&start=1e9", "start must be a number from 0 to 43200"),
        ("format=mp3&start=6", "start must be before the track's end at 6.000 s"),
        ("bitrate=128", "bitrate needs a format: one of mp3, aac, opus, flac, wav"),
        ("start=2", "start needs a format: one of mp3, aac, opus, flac, wav"),
    ],
)
def test_what_cannot_be_is_refused(heard: Heard, query: str, sentence: str) -> None:
    answer = heard.get(f"stream?{query}")
    assert (answer.status_code, answer.json()["error"]) == (400, sentence)


def test_without_a_format_it_is_the_original(heard: Heard) -> None:
    answer = heard.get("stream")
    original = heard.api.client.get(heard.track["file_url"], token=heard.other.token)
    assert answer.content == original.content
    assert answer.headers["etag"] == original.headers["etag"]


def test_it_begins_where_one_asks(heard: Heard) -> None:
    late = samples_of(heard.get("stream?format=wav&start=4.5").content)
    assert len(late) == round(1.5 * RATE)
    whole = samples_of(heard.get("stream?format=wav").content)
    assert np.abs(late - whole[-len(late) :]).max() < 1e-4


def test_it_is_as_loud_as_one_asks(heard: Heard) -> None:
    plain = samples_of(heard.get("stream?format=wav").content)
    louder = samples_of(heard.get("stream?format=wav&loudness=-20").content)
    gain_db = 20 * np.log10(np.abs(louder).max() / np.abs(plain).max())
    assert gain_db == pytest.approx(-20 - heard.track["loudness_lufs"], abs=0.1)


def test_loudness_stops_at_the_peak(heard: Heard) -> None:
    loudest = samples_of(heard.get("stream?format=wav&loudness=-5").content)
    quietest = samples_of(heard.get("stream?format=wav&loudness=-40").content)
    assert 20 * np.log10(np.abs(loudest).max()) <= -1.0 + 0.05
    assert np.abs(quietest).max() < np.abs(loudest).max() / 4


def test_head_starts_no_encoder(long: Heard) -> None:
    wait_until_idle(long.api)
    before = encodings(long.api, "transcode")
    address = f"/tracks/{long.track['id']}/stream?format=opus"
    answer = long.api.client.request("HEAD", address, token=long.other.token)
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "audio/ogg"
    assert "etag" in answer.headers
    assert encoders(long.api) == []
    assert encodings(long.api, "transcode") == before


def test_a_player_that_asks_for_a_range_gets_the_beginning(long: Heard) -> None:
    """As browsers do: `bytes=0-`."""
    with httpx.stream("GET", long.address("stream?format=mp3"), headers={"Range": "bytes=0-"}) as (
        answer
    ):
        assert answer.status_code == 200
        assert "content-range" not in answer.headers
        assert next(answer.iter_raw())
    wait_until(lambda: encoders(long.api) == [])


def test_who_leaves_takes_the_encoder_along(long: Heard) -> None:
    with httpx.stream("GET", long.address("stream?format=mp3&bitrate=320")) as answer:
        chunks = answer.iter_raw()
        assert next(chunks)
        assert len(encoders(long.api)) == 1
    wait_until(lambda: encoders(long.api) == [])
    drafts = long.api.data_dir / "cache" / ".incoming"
    wait_until(lambda: list(drafts.iterdir()) == [])
    assert not any("mp3-320" in name for name in long.cached if name.endswith(LONG))


def test_two_listeners_share_an_encoder(long: Heard) -> None:
    address = long.address("stream?format=mp3&bitrate=256")
    with httpx.stream("GET", address) as first:
        chunks = first.iter_raw()
        begun = next(chunks)
        with httpx.stream("GET", address) as second:
            more = second.iter_raw()
            assert begun.startswith(next(more)[:100])
            assert len(encoders(long.api)) == 1
        assert next(chunks)
        assert len(encoders(long.api)) == 1
    wait_until(lambda: encoders(long.api) == [])


def test_two_processes_share_an_encoder(
    heard: Heard, long: Heard, module_database_url: str, tmp_path: Path
) -> None:
    data_dir = str(heard.api.data_dir)
    with api_process(module_database_url, tmp_path, DATA_DIR=data_dir) as second:
        path = "stream?format=mp3&bitrate=320"
        with (
            httpx.stream("GET", long.address(path, api=second)) as theirs,
            httpx.stream("GET", long.address(path)) as ours,
        ):
            their_chunks, our_chunks = theirs.iter_raw(), ours.iter_raw()
            assert next(our_chunks).startswith(next(their_chunks)[:100])
            assert len(encoders(heard.api)) + len(encoders(second)) == 1
            theirs.close()
            # Whoever made it goes on for who still listens.
            taken = 0
            while taken < 2_000_000:
                taken += len(next(our_chunks))
            assert len(encoders(heard.api)) + len(encoders(second)) == 1
        wait_until(lambda: encoders(heard.api) + encoders(second) == [])


def test_who_reads_nothing_holds_no_encoder(heard: Heard, folder: Path) -> None:
    track = upload_samples(
        heard.api,
        heard.owner,
        folder,
        silence(240, sample_rate=RATE),
        container="flac",
        sample_rate=RATE,
    )
    with socket.create_connection(heard.api.address) as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        path = f"/api/v1/tracks/{track['id']}/stream?format=wav&token={heard.media_token}"
        reader.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert reader.recv(1000).startswith(b"HTTP/1.1 200")
        wait_until(
            lambda: (
                figure(heard.api, "talas_encoders", kind="transcode") == 0
                and encoders(heard.api) == []
            )
        )
        reader.recv(1)
    wait_until(lambda: any(f"-{240 * RATE}" in name for name in heard.cached))


def test_an_encoder_that_dies_cuts_the_stream(long: Heard) -> None:
    with httpx.stream("GET", long.address("stream?format=mp3&bitrate=192")) as answer:
        chunks = answer.iter_raw()
        next(chunks)
        [encoder] = encoders(long.api)
        os.kill(encoder.pid, signal.SIGKILL)
        with pytest.raises(httpx.TransportError):
            for _ in chunks:
                pass
    assert not any("mp3-192" in name for name in long.cached if name.endswith(LONG))
    assert "encoding.failed" in long.api.log
    again = httpx.stream("GET", long.address("stream?format=mp3&bitrate=192"))
    with again as answer:
        assert answer.status_code == 200


def test_more_than_there_are_cores_wait_and_are_sent_away(long: Heard) -> None:
    wait_until(lambda: encoders(long.api) == [])
    cores = len(os.sched_getaffinity(0))
    with contextlib.ExitStack() as listening:
        for start in range(cores):
            # One user leaves places to others.
            listener = msgspec.structs.replace(
                long, media_token=media_token(long.api, create_user(long.api))
            )
            address = listener.address(f"stream?format=mp3&bitrate=320&start={start}")
            chunks = listening.enter_context(httpx.stream("GET", address)).iter_raw()
            assert next(chunks)
            listening.callback(chunks.close)
        assert len(encoders(long.api)) == cores
        refused = long.get("stream?format=mp3&bitrate=64&start=100")
        assert (refused.status_code, refused.json()["code"]) == (503, "encoders_busy")
        assert int(refused.headers["retry-after"]) > 0
        # Segments have places of their own.
        assert long.get("hls/aac64/0.m4s").status_code == 200
    wait_until(lambda: encoders(long.api) == [])


def test_a_track_deleted_while_it_streams(heard: Heard, folder: Path) -> None:
    track = upload_samples(
        heard.api,
        heard.owner,
        folder,
        silence(120, sample_rate=8000, channels=1),
        container="flac",
        sample_rate=8000,
    )
    api, path = heard.api, f"/tracks/{track['id']}"
    assert api.client.get(f"{path}/hls/aac64/0.m4s", token=heard.other.token).status_code == 200
    entries = api.data_dir / "cache" / "entries"
    before = set(os.listdir(entries))
    address = f"{api.url}/api/v1{path}/stream?format=mp3&bitrate=320&token={heard.media_token}"
    with httpx.stream("GET", address) as answer:
        chunks = answer.iter_raw()
        content = next(chunks)
        assert api.client.delete(path, token=heard.owner.token).status_code == 200
        content += b"".join(chunks)
    assert len(content) == pytest.approx(120 * 40_000, rel=0.01)
    wait_until(lambda: len(before - set(os.listdir(entries))) == 1)
    assert api.client.get(f"{path}/stream?format=mp3", token=heard.other.token).status_code == 404
    wait_until(lambda: encoders(api) == [] and len(os.listdir(entries)) == len(before) - 1)


def test_what_is_too_large_is_refused(
    long: Heard, module_database_url: str, tmp_path: Path
) -> None:
    with api_process(
        module_database_url,
        tmp_path,
        DATA_DIR=str(long.api.data_dir),
        CACHE_PATH=str(tmp_path / "small"),
        CACHE_SIZE=str(64 * 2**20),
    ) as small:
        answer = httpx.get(long.address("stream?format=wav", api=small))
        assert (answer.status_code, answer.json()["code"]) == (400, "transcode_too_large")
        assert answer.json()["error"].startswith("As wav this would take 43 MB, more than")


def test_no_encoder_outlives_the_api(long: Heard, module_database_url: str, tmp_path: Path) -> None:
    data_dir = str(long.api.data_dir)
    with (
        api_process(module_database_url, tmp_path, DATA_DIR=data_dir) as doomed,
        httpx.stream("GET", long.address("stream?format=mp3", api=doomed)) as answer,
    ):
        chunks = answer.iter_raw()
        assert next(chunks)
        [encoder] = encoders(doomed)
        doomed.process.kill()
        wait_until(lambda: not encoder.is_running() or encoder.status() == psutil.STATUS_ZOMBIE)
    drafts = long.api.data_dir / "cache" / ".incoming"
    assert list(drafts.iterdir())
    with httpx.stream("GET", long.address("stream?format=mp3")) as answer:
        assert next(answer.iter_raw())
    wait_until(lambda: encoders(long.api) == [])
    wait_until(lambda: list(drafts.iterdir()) == [])


def test_idle_it_holds_no_decoder(long: Heard) -> None:
    """Neither FFmpeg nor numpy is loaded by an api process that has encoded, in others."""
    maps = Path(f"/proc/{long.api.process.pid}/maps")
    if not maps.exists():
        pytest.skip("needs /proc")
    loaded = maps.read_text()
    assert "libavcodec" not in loaded
    assert "numpy" not in loaded
    refused = raw_http.send(long.api.address, "GET", f"/api/v1/tracks/{long.track['id']}/stream")
    assert refused.status == 401
