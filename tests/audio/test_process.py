"""The capped subprocess: what it hands back, and every way it can die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.audio.synthesis import ENCODINGS, id3_tag, picture, wav_bytes, write_tone

from talas.audio import capped_process
from talas.audio.containers import CONTAINERS, MP3, WAV
from talas.audio.errors import AudioError
from talas.audio.measurements import FEATURES, AnalysisResult
from talas.audio.process import analyse_file
from talas.audio.seeking import SeekIndexBuilder
from talas.audio.waveform import Peaks, from_dat, to_dat

HOURS_OF_ZEROS = 2**31


def run(path: Path, container: str = "wav", **limits: Any) -> AnalysisResult:
    caps = {"wall_limit_s": 60.0, "cpu_limit_s": 20.0, "memory_limit_bytes": 512 << 20, **limits}
    return asyncio.run(analyse_file(path, CONTAINERS[container], **caps))


@pytest.fixture
def bomb(tmp_path: Path) -> Path:
    """A sparse WAV of hours: a few bytes on disk, much to decode."""
    path = tmp_path / "bomb.wav"
    path.write_bytes(wav_bytes(b"\0", promised=HOURS_OF_ZEROS))
    os.truncate(path, HOURS_OF_ZEROS)
    return path


_earlier: set[int] = set()


@pytest.fixture(autouse=True)
def _note_children_of_other_tests() -> None:
    """Servers that live as long as the session, for one."""
    _earlier.clear()
    _earlier.update(children())


def children() -> list[int]:
    """Processes that this test has started and that have not been reaped."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                found.append(int(stat.parent.name))
    return [pid for pid in found if pid not in _earlier]


@pytest.mark.parametrize("encoding", ["aac", "alac", "flac", "aiff", "ogg", "opus"])
def test_a_file_of_every_kind_comes_back_whole(tmp_path: Path, encoding: str) -> None:
    """Each kind, since what its decoding imports late could no longer be opened."""
    file = write_tone(tmp_path / "-rf; $(touch x).html", encoding, seconds=1.5)
    result = run(file, ENCODINGS[encoding].container)
    assert result.measurements.duration_ms == pytest.approx(1500, abs=45)
    assert from_dat(result.waveform_dat).pairs.shape[1] == 2
    assert result.waveform_png.startswith(b"\x89PNG")
    assert result.cover_jpeg is None


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_cover_comes_back_as_jpeg(tmp_path: Path, kind: str) -> None:
    file = write_tone(tmp_path / "sound", "mp3", seconds=1.5)
    file.write_bytes(id3_tag(title="Töne", picture=picture(kind=kind)) + file.read_bytes())
    result = run(file, "mp3")
    assert result.measurements.tags.title == "Töne"
    assert result.cover_jpeg is not None
    assert result.cover_jpeg.startswith(b"\xff\xd8\xff")


def test_a_refusal_comes_back_as_the_sentence(tmp_path: Path) -> None:
    file = tmp_path / "sound.mp3"
    file.write_text("no sound at all")
    with pytest.raises(AudioError, match="not audio in a format that is accepted"):
        run(file, "mp3")


def test_a_missing_file_is_no_failure_of_the_audio(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(tmp_path / "none")


def test_too_long_by_the_clock(bomb: Path) -> None:
    with pytest.raises(AudioError, match="took too long to decode"):
        run(bomb, wall_limit_s=0.7, cpu_limit_s=600)
    assert children() == []


def test_too_much_processor_time(bomb: Path) -> None:
    with pytest.raises(AudioError, match="took too long to decode"):
        run(bomb, cpu_limit_s=1)
    assert children() == []


def test_a_file_of_nothing_but_tags(tmp_path: Path) -> None:
    """FFmpeg's time for them grows with the square of their number."""
    file = write_tone(tmp_path / "sound", "mp3", seconds=1)
    file.write_bytes(id3_tag(user_frames=60_000) + file.read_bytes())
    with pytest.raises(AudioError, match="took too long to decode") as failed:
        run(file, "mp3", wall_limit_s=80, cpu_limit_s=60, opening_cpu_limit_s=3)
    assert failed.value.detail == "used up its processor time"


def test_the_time_to_open_a_file_is_not_the_time_to_decode_it(bomb: Path) -> None:
    began = time.monotonic()
    with pytest.raises(AudioError, match="took too long to decode"):
        run(bomb, cpu_limit_s=4, opening_cpu_limit_s=2)
    assert time.monotonic() - began > 3


@pytest.mark.parametrize("mebibytes", [2, 7, 15, 24, 48])
def test_too_little_memory_to_begin_with(tmp_path: Path, mebibytes: int) -> None:
    file = write_tone(tmp_path / "sound", seconds=1)
    with pytest.raises(AudioError, match="needs more memory to decode than is allowed"):
        run(file, memory_limit_bytes=mebibytes << 20)


def test_a_tag_that_fills_the_memory(tmp_path: Path) -> None:
    file = write_tone(tmp_path / "sound", "mp3", seconds=1)
    file.write_bytes(id3_tag(picture=bytes(150 << 20)) + file.read_bytes())
    with contextlib.suppress(AudioError):
        assert run(file, "mp3", memory_limit_bytes=128 << 20).cover_jpeg is None
    assert children() == []


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("kill -SEGV $$", "broke down"),
        ("kill -ABRT $$", "broke down"),
        ("kill -KILL $$", "more memory"),
        ("kill -XCPU $$", "too long"),
        ("exit 7", "broke down"),
        ("exit 14", "broke down"),
        ("exit 0", "broke down"),
        ("echo garbage", "broke down"),
        ("printf '\\201\\244type\\250analysed'", "broke down"),
        ("yes", "broke down"),
        ("exec >&-; sleep 60", "too long"),
    ],
)
def test_every_way_to_die_has_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, sentence: str
) -> None:
    pretend(monkeypatch, tmp_path, script)
    with pytest.raises(AudioError, match=sentence) as raised:
        run(write_tone(tmp_path / "sound"), wall_limit_s=1 if "sleep" in script else 60)
    assert raised.value.reason.endswith(".")
    assert children() == []


def answer_with(**changed: Any) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "format": "wav",
        "codec": "pcm_s16le",
        "samples": 48000,
        "duration_ms": 1000,
        "sample_rate": 48000,
        "channels": 2,
        "bitrate": 1536000,
        "loudness_lufs": -23.0,
        "peak_dbtp": -23.0,
        "leading_silence_ms": 0,
        "trailing_silence_ms": 0,
        "bpm": 120.0,
        "bpm_confidence": 0.5,
        "key": "C# minor",
        "key_confidence": 0.5,
        "damaged": False,
        "tags": {},
    }
    files = {
        "features": bytes(FEATURES),
        "seek_index": SeekIndexBuilder().to_bytes(),
        "waveform_dat": to_dat(Peaks(48000, 256, np.zeros((2, 2), np.int8))),
        "waveform_png": b"\x89PNG\r\n",
        "cover_jpeg": None,
    }
    for name in changed.keys() & figures.keys():
        figures[name] = changed.pop(name)
    return {"type": "analysed", "result": {"measurements": figures, **files, **changed}}


@pytest.mark.parametrize(
    "changed",
    [
        {"loudness_lufs": float("nan")},
        {"peak_dbtp": float("inf")},
        {"duration_ms": 2**40},
        {"sample_rate": 0},
        {"codec": "x" * 99},
        {"tags": {"title": "x" * 256}},
        {"samples": 0},
        {"bpm": 0.0},
        {"key_confidence": 1.5},
        {"key": "H minor"},
        {"features": b"short"},
        {"seek_index": b"short"},
        {"waveform_dat": b"short"},
        {"waveform_png": b"<svg/>"},
        {"cover_jpeg": b"<html>"},
    ],
)
def test_an_answer_that_lies_is_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    sound = write_tone(tmp_path / "sound")
    pretend(monkeypatch, tmp_path, f"exec cat {tmp_path}/answer")
    (tmp_path / "answer").write_bytes(msgspec.msgpack.encode(answer_with()))
    assert run(sound).measurements.duration_ms == 1000
    (tmp_path / "answer").write_bytes(msgspec.msgpack.encode(answer_with(**changed)))
    with pytest.raises(AudioError, match="broke down"):
        run(sound)


@pytest.mark.parametrize("ending", ["wait", "exit 0"])
def test_what_the_subprocess_started_dies_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    pretend(monkeypatch, tmp_path, f"sleep 60 >&- & echo $! > {tmp_path}/pid; {ending}")
    with pytest.raises(AudioError):
        run(write_tone(tmp_path / "sound"), wall_limit_s=5)
    assert gone(int((tmp_path / "pid").read_text()))


def test_the_subprocess_sees_no_path_and_no_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JWT_SECRET", "canary")
    pretend(monkeypatch, tmp_path, f"(echo $0 $@; env; pwd; ls -l /proc/$$/fd) > {tmp_path}/seen")
    with pytest.raises(AudioError):
        run(write_tone(tmp_path / "sound-canary"))
    seen = (tmp_path / "seen").read_text()
    assert "JWT_SECRET" not in seen
    assert "PWD=/\n" in seen
    assert seen.count("sound-canary") == 1, "only as the open standard input"


@pytest.mark.parametrize("after", [0.0, 0.005, 0.05, 0.4])
def test_cancelling_leaves_nothing(bomb: Path, after: float) -> None:
    async def cancelled() -> None:
        limits = {"wall_limit_s": 60.0, "cpu_limit_s": 60.0, "memory_limit_bytes": 512 << 20}
        task = asyncio.create_task(analyse_file(bomb, WAV, **limits))
        await asyncio.sleep(after)
        while after > 0.1 and not children():
            assert not task.done()
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        if after < 0.1:
            # What was being started then is ended as soon as it is there.
            await asyncio.sleep(0.05)
            async with asyncio.timeout(60):
                while children():
                    await asyncio.sleep(0.01)
        assert children() == []

    asyncio.run(cancelled())


def test_it_dies_with_its_parent(bomb: Path) -> None:
    program = f"""
import asyncio
from pathlib import Path
from talas.audio.containers import WAV
from talas.audio.process import analyse_file
print(flush=True)
asyncio.run(analyse_file(Path({str(bomb)!r}), WAV, wall_limit_s=60, cpu_limit_s=60,
                         memory_limit_bytes=1 << 29))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        child = eventually(lambda: _only_child(parent.pid))
        # It asks the kernel for this once Python is up.
        time.sleep(0.5)
        parent.send_signal(signal.SIGKILL)
    assert gone(child)


def test_confinement_leaves_nothing_to_reach() -> None:
    program = """
import os, socket
from talas.audio import confinement
confinement.leave_network()
confinement.limit_resources(cpu_seconds=5, opening_cpu_seconds=5)
confinement.limit_memory(64 << 20)
confinement.open_nothing_more()
def refused(act):
    try:
        act()
    except (OSError, MemoryError) as error:
        return type(error).__name__
    return "allowed"
os.close(0)  # its number would do for another file
print(refused(lambda: open("/etc/passwd")), refused(lambda: socket.socket()),
      refused(os.pipe), refused(lambda: bytearray(100 << 20)))
"""
    said = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True
    )
    assert said.stdout == "OSError OSError OSError MemoryError\n"


def test_two_at_a_time(tmp_path: Path) -> None:
    good = write_tone(tmp_path / "good", "mp3", seconds=1)
    bad = tmp_path / "bad"
    bad.write_bytes(b"nothing")

    async def both() -> list[AnalysisResult | BaseException]:
        limits = {"wall_limit_s": 60.0, "cpu_limit_s": 20.0, "memory_limit_bytes": 512 << 20}
        tasks = (analyse_file(path, MP3, **limits) for path in (good, bad))
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second = asyncio.run(both())
    assert isinstance(first, AnalysisResult)
    assert isinstance(second, AudioError)


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, script: str) -> None:
    """Has a shell script stand in for the subprocess."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setattr(capped_process.sys, "executable", str(path))


def _only_child(parent: int) -> int:
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])


def gone(pid: int) -> bool:
    def is_gone() -> bool:
        try:
            return " Z " in Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True

    return bool(eventually(is_gone))


def eventually(check: Any, seconds: float = 60.0) -> Any:
    """What `check` answers once that is true; it is asked for `seconds`."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, IndexError):
            if answer := check():
                return answer
        assert time.monotonic() < end, "did not come about in time"
        time.sleep(0.02)
