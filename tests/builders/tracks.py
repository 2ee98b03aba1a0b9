"""Files to upload, uploads, and a real worker that takes them on."""

import random
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from tests.servers import ApiProcess, environment_of

RATE = 8000


def wav(*, seconds: float = 1.0, seed: int = 1, size: int | None = None) -> bytes:
    """Quiet mono noise, 8 kHz, 16 bits, another for each seed; ``size`` in bytes of the whole."""
    length = size - 44 if size is not None else round(seconds * RATE) * 2
    data = random.Random(seed).randbytes(length)
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)
    return (
        struct.pack(
            "<4sI4s4sI16s4sI", b"RIFF", 36 + length, b"WAVE", b"fmt ", 16, form, b"data", length
        )
        + data
    )


def multipart(
    content: bytes, *, filename: str = "song.wav", boundary: str = "XyZ", **fields: str
) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"'
    tail = f"\r\n--{boundary}--\r\n"
    return b"".join([*parts, head.encode(), b"\r\n\r\n", content, tail.encode()])


def post_track(
    api: ApiProcess,
    token: str,
    *,
    content: bytes | None = None,
    filename: str = "song.wav",
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> httpx.Response:
    return api.client.post(
        "/tracks",
        token=token,
        headers=[*(headers or {}).items()],
        files={"file": (filename, wav() if content is None else content)},
        data=fields,
    )


def create_track(api: ApiProcess, token: str, **upload: Any) -> dict[str, Any]:
    """As uploaded, still processing."""
    answer = post_track(api, token, **upload)
    assert answer.status_code == 201, answer.text
    track: dict[str, Any] = answer.json()["data"]
    return track


def get_track(api: ApiProcess, token: str, track_id: int) -> dict[str, Any]:
    answer = api.client.get(f"/tracks/{track_id}", token=token)
    assert answer.status_code == 200, answer.text
    track: dict[str, Any] = answer.json()["data"]
    return track


def wait_for_analysis(
    api: ApiProcess, token: str, track_id: int, *, within_s: float = 120
) -> dict[str, Any]:
    """The track once it is ready or failed."""
    deadline = time.monotonic() + within_s
    while (track := get_track(api, token, track_id))["status"] == "processing":
        assert time.monotonic() < deadline, "the track is still processing"
        time.sleep(0.05)
    return track


def ready_track(api: ApiProcess, token: str, **upload: Any) -> dict[str, Any]:
    track = wait_for_analysis(api, token, create_track(api, token, **upload)["id"])
    assert track["status"] == "ready", track
    return track


class WorkerProcess:
    """``talas worker`` beside an api process."""

    def __init__(self, api: ApiProcess) -> None:
        self._api = api
        self.log_path = api.data_dir.parent / "worker.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        environment = environment_of(self._api.database_url, self._api.data_dir)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "talas", "worker"],
                env=environment,
                cwd=self.log_path.parent,
                stdout=log,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> float:
        """How long it took, in seconds."""
        assert self.process is not None
        began = time.monotonic()
        self.process.terminate()
        self.process.wait(60)
        return time.monotonic() - began


@contextmanager
def worker_process(api: ApiProcess) -> Iterator[WorkerProcess]:
    worker = WorkerProcess(api)
    worker.start()
    try:
        yield worker
    finally:
        if worker.process is not None and worker.process.poll() is None:
            worker.stop()
