"""From an upload to a track that is ready or failed, with a real worker that may be killed."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
from tests.audio.synthesis import (
    silence,
    tone,
    wav_bytes,
    write_samples,
)
from tests.builders.products import run_sql
from tests.builders.storage import stored_files
from tests.builders.tracks import (
    WorkerProcess,
    create_track,
    get_track,
    ready_track,
    wait_for_analysis,
    wav,
)
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def owner(api: ApiProcess) -> Account:
    return create_user(api, username="owner")


def _analysed(api: ApiProcess, owner: Account, content: bytes, **upload: Any) -> dict[str, Any]:
    track = create_track(api, owner.token, content=content, **upload)
    return wait_for_analysis(api, owner.token, track["id"])


@pytest.mark.usefixtures("worker")
class TestAnalysis:
    @pytest.mark.parametrize("encoding", ["mp3", "m4a", "flac", "wav", "aiff", "ogg", "opus"])
    def test_facts_of_each_container(
        self, api: ApiProcess, owner: Account, tmp_path: Path, encoding: str
    ) -> None:
        path = write_samples(tmp_path / "x", tone(2.5, dbfs=-20.0), encoding)
        track = _analysed(api, owner, path.read_bytes(), filename="x.bin")
        assert track["status"] == "ready", track
        assert abs(track["duration_ms"] - 2500) < 60
        assert track["duration"] in (2, 3)
        assert (track["sample_rate"], track["channels"]) == (48000, 2)
        assert track["bitrate"] > 10_000
        assert track["loudness_lufs"] == pytest.approx(-20.0, abs=0.6)
        assert track["peak_dbtp"] == pytest.approx(-20.0, abs=0.6)
        assert track["waveform_url"] == f"/uploads/waveforms/{track['id']}.png"
        assert track["file_url"] == f"/uploads/tracks/{track['id']}.{track['format']}"
        answer = api.client.get(track["file_url"], token=owner.token)
        assert answer.content == path.read_bytes()

    def test_tags_name_what_the_uploader_did_not(
        self, api: ApiProcess, owner: Account, tmp_path: Path
    ) -> None:
        tags = {"title": "From the Tag", "artist": "Tagged Artist"}
        path = write_samples(tmp_path / "x", tone(1.0), "flac", tags=tags)
        track = _analysed(api, owner, path.read_bytes(), filename="file.flac")
        assert (track["title"], track["artist"]) == ("From the Tag", "owner")
        track = _analysed(api, owner, path.read_bytes(), title="Said")
        assert track["title"] == "Said"

    def test_an_edit_during_the_analysis_wins(
        self, api: ApiProcess, owner: Account, tmp_path: Path
    ) -> None:
        path = write_samples(tmp_path / "x", tone(1.0), "flac", tags={"title": "Tag"})
        track = create_track(api, owner.token, content=path.read_bytes())
        change = {"title": "Edited", "visibility": "private"}
        api.client.put(f"/tracks/{track['id']}", token=owner.token, json=change)
        track = wait_for_analysis(api, owner.token, track["id"])
        assert (track["title"], track["visibility"]) == ("Edited", "private")

    def test_silence_is_a_track_without_loudness(
        self, api: ApiProcess, owner: Account, tmp_path: Path
    ) -> None:
        path = write_samples(tmp_path / "x", silence(1.0), "wav")
        track = _analysed(api, owner, path.read_bytes())
        assert (track["status"], track["loudness_lufs"], track["peak_dbtp"]) == (
            "ready",
            None,
            None,
        )

    def test_a_header_that_promises_4_gb_is_bounded(self, api: ApiProcess, owner: Account) -> None:
        promising = wav_bytes(bytes(88_200 * 2), promised=2**32 - 100)
        track = _analysed(api, owner, promising)
        assert track["status"] == "ready"
        assert track["duration_ms"] == 2000

    def test_a_corrupt_middle_leaves_the_rest(
        self, api: ApiProcess, owner: Account, tmp_path: Path
    ) -> None:
        content = bytearray(write_samples(tmp_path / "x", tone(4.0), "mp3").read_bytes())
        content[30_000:40_000] = os.urandom(10_000)
        track = _analysed(api, owner, bytes(content))
        assert track["status"] == "ready"
        assert 2000 < track["duration_ms"] < 4500

    @pytest.mark.parametrize(
        "content",
        [
            wav_bytes(b""),
            b"fLaC\0\0\0\x22" + b"\xff" * 2000,
            b"RIFF\xff\xff\xff\xffWAVE" + b"#EXTM3U\nfile:///etc/passwd\n" * 50,
        ],
        ids=["0 s", "broken flac", "playlist in a wav"],
    )
    def test_what_cannot_be_heard_fails_with_a_reason(
        self, api: ApiProcess, owner: Account, content: bytes
    ) -> None:
        track = _analysed(api, owner, content)
        assert track["status"] == "failed"
        assert len(track["error"]) > 10
        assert track["waveform_url"] is None
        answer = api.client.get(f"/tracks/{track['id']}/waveform.dat", token=owner.token)
        assert answer.status_code == 404


@pytest.fixture
def heard_events(api: ApiProcess) -> Iterator["_Events"]:
    events = _Events(api.database_url)
    yield events
    events.close()


class _Events:
    """What was announced since, read when asked."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._conn = self._loop.run_until_complete(asyncpg.connect(url))
        self._events: list[dict[str, Any]] = []
        listening = self._conn.add_listener(
            "talas", lambda *args: self._events.append(json.loads(args[3]))
        )
        self._loop.run_until_complete(listening)

    def of_track(self, track_id: int) -> list[dict[str, Any]]:
        """Once there is one, and a moment later."""
        wait_until(lambda: bool(self._come(track_id)))
        self._loop.run_until_complete(asyncio.sleep(0.3))
        return self._come(track_id)

    def _come(self, track_id: int) -> list[dict[str, Any]]:
        self._loop.run_until_complete(asyncio.sleep(0))
        return [
            event
            for event in self._events
            if event["topic"] == "user.notify" and event["data"]["id"] == track_id
        ]

    def close(self) -> None:
        self._loop.run_until_complete(self._conn.close())
        self._loop.close()


@pytest.mark.usefixtures("worker")
def test_the_uploader_is_told_once(api: ApiProcess, owner: Account, heard_events: _Events) -> None:
    track = ready_track(api, owner.token, title="Heard", content=wav(seed=41))
    assert heard_events.of_track(track["id"]) == [
        {
            "topic": "user.notify",
            "user_id": owner.id,
            "type": "track",
            "data": {"id": track["id"], "status": "ready", "title": "Heard"},
        }
    ]
    failed = _analysed(api, owner, wav_bytes(b""), title="Empty")
    (event,) = heard_events.of_track(failed["id"])
    assert event["data"]["error"] == failed["error"]


@pytest.mark.usefixtures("worker")
def test_a_track_deleted_meanwhile_leaves_nothing(api: ApiProcess, owner: Account) -> None:
    before = stored_files(api)
    for seed in range(4):
        track = create_track(api, owner.token, content=wav(seconds=3, seed=60 + seed))
        time.sleep(seed * 0.15)
        api.client.delete(f"/tracks/{track['id']}", token=owner.token)
    jobs = "SELECT count(*) FROM pgqueuer WHERE status IN ('queued', 'picked')"
    wait_until(lambda: run_sql(api, jobs)[0][0] == 0 and stored_files(api) == before)


def test_an_idle_worker_is_small_and_quiet(
    api: ApiProcess, owner: Account, worker: WorkerProcess
) -> None:
    ready_track(api, owner.token, content=wav(seed=42))
    process = psutil.Process(worker.pid)

    def is_quiet() -> bool:
        began = sum(process.cpu_times()[:2])
        time.sleep(1.5)
        return sum(process.cpu_times()[:2]) - began < 0.2

    # Once it has done what was left to do.
    wait_until(is_quiet)
    assert process.memory_info().rss < 110_000_000


def test_a_killed_workers_job_ends_well_once(
    api: ApiProcess, owner: Account, worker: WorkerProcess, heard_events: _Events
) -> None:
    """SIGKILL while the decoder runs: the decoder dies with its worker, another worker takes the
    job over, and the uploader hears of one end."""
    content = wav(seconds=600, seed=80)
    track = create_track(api, owner.token, content=content)
    decoder = _decoder_of(worker)
    worker.kill()
    wait_until(lambda: _has_ended(decoder))
    worker.start()
    track = wait_for_analysis(api, owner.token, track["id"])
    assert track["status"] == "ready"
    assert len(heard_events.of_track(track["id"])) == 1


def _decoder_of(worker: WorkerProcess) -> psutil.Process:
    found: list[psutil.Process] = []

    def is_found() -> bool:
        for child in psutil.Process(worker.pid).children():
            with contextlib.suppress(psutil.Error):
                if "talas.audio.child" in " ".join(child.cmdline()):
                    found.append(child)
        return bool(found)

    wait_until(is_found)
    return found[0]


def _has_ended(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_sigterm_lets_a_job_end(api: ApiProcess, owner: Account, worker: WorkerProcess) -> None:
    track = create_track(api, owner.token, content=wav(seconds=60, seed=81))
    started = "SELECT count(*) FROM pgqueuer WHERE status <> 'queued'"
    wait_until(
        lambda: (
            bool(run_sql(api, started)[0][0])
            or get_track(api, owner.token, track["id"])["status"] == "ready"
        )
    )
    worker.stop()
    assert get_track(api, owner.token, track["id"])["status"] == "ready"
    worker.start()


def test_the_decoder_is_never_left_alone(
    api: ApiProcess, owner: Account, worker: WorkerProcess
) -> None:
    """A decoder that hangs does not keep the worker from ending, nor does it outlive it."""
    track = create_track(api, owner.token, content=wav(seconds=600, seed=82))
    decoder = _decoder_of(worker)
    decoder.send_signal(signal.SIGSTOP)
    worker.stop()
    wait_until(lambda: _has_ended(decoder))
    worker.start()
    track = wait_for_analysis(api, owner.token, track["id"])
    assert track["status"] == "ready"


def test_survives_the_loss_of_its_connections(
    api: ApiProcess, owner: Account, worker: WorkerProcess
) -> None:
    async def cut() -> None:
        conn = await asyncpg.connect(api.database_url)
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name IN ('talas worker', 'talas jobs') "
            "AND datname = current_database()"
        )
        await conn.close()

    ready_track(api, owner.token, content=wav(seed=83))
    asyncio.run(cut())
    assert ready_track(api, owner.token, content=wav(seed=84))["status"] == "ready"
    assert worker.process is not None
    assert worker.process.poll() is None


def test_an_idle_worker_holds_no_decoder() -> None:
    """What only the subprocess needs would take 14 MB and more of every worker."""
    heavy = "{'numpy', 'av', 'PIL', 'litestar'}"
    script = f"import sys, talas.entrypoints.worker; sys.exit(str({heavy} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ended.stderr == "set()\n"
