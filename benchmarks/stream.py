"""Streaming of originals, whole and in ranges, against nginx from Debian on the same file."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.audio.synthesis import write_noise
from tests.ports import free_port

from benchmarks.figures import Figure, alternate, limit_figure, ratio_figure
from benchmarks.servers import TalasServer, http_load, raw_request, talas_serve, wait_ready

SECONDS = 240
ROUNDS = 5
CONNECTIONS = 4
FIRST_BYTES = 50
CONFIG = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        song = write_noise(folder / "song.wav", seconds=SECONDS, sample_rate=44_100)
        os.chmod(folder, 0o755)
        talas = stack.enter_context(talas_serve(folder / "data"))
        _, token = talas.sign_up("listener")
        path = f"/api/v1/tracks/{upload(talas, song, token)}/stream"
        yield _first_byte(talas, path, token)
        if shutil.which("nginx") is None:
            yield Figure("stream against nginx", ">= 0.5 x nginx", "not measured", None, _MISSING)
            return
        nginx = stack.enter_context(_nginx(folder))
        size = song.stat().st_size
        for label, ranges in (
            (f"stream, whole {size / 2**20:.0f} MiB", [""]),
            ("stream, from the middle on", [f"Range: bytes={size // 2}-\r\n"]),
            ("stream, ranges of 1 MiB", _ranges(size, 2**20)),
            ("stream, ranges of 256 KiB", _ranges(size, 2**18)),
        ):
            yield _against_nginx(label, ranges, talas.port, path, token, nginx)


_MISSING = "nginx is not installed: apt-get install nginx-light"


def upload(talas: TalasServer, song: Path, token: str) -> int:
    """The id of the track, which is ready."""
    boundary = "talas-bench"
    head = (
        f"--{boundary}\r\nContent-Disposition: form-data; name=file; filename={song.name}\r\n"
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    request = urllib.request.Request(
        f"{talas.url}/api/v1/tracks",
        data=head.encode() + song.read_bytes() + f"\r\n--{boundary}--\r\n".encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": f"multipart/form-data; boundary={boundary}",
        },
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        track_id: int = json.load(answer)["data"]["id"]
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        status = talas.call("GET", f"/api/v1/tracks/{track_id}", token=token)["status"]
        if status == "ready":
            return track_id
        if status == "failed":
            raise RuntimeError(f"{song.name} could not be analysed")
        time.sleep(0.2)
    raise TimeoutError("the track did not become ready")


def _first_byte(talas: TalasServer, path: str, token: str) -> Figure:
    times = []
    for _ in range(FIRST_BYTES):
        request = urllib.request.Request(
            talas.url + path, headers={"Authorization": f"Bearer {token}"}
        )
        began = time.perf_counter()
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read(1)
            times.append(time.perf_counter() - began)
    times.sort()
    detail = f"median of {FIRST_BYTES}, a new connection each; worst {times[-1] * 1000:.1f} ms"
    median_ms = times[len(times) // 2] * 1000
    return limit_figure("stream, first byte", median_ms, most=10, unit="ms", detail=detail)


def _ranges(size: int, length: int) -> list[str]:
    """All over the file: one that is asked for again and again stays in the processor's cache,
    which no listener's does."""
    starts = range(0, size - length, length)
    return [f"Range: bytes={start}-{start + length - 1}\r\n" for start in starts][:200]


def _against_nginx(
    label: str, ranges: list[str], port: int, path: str, token: str, nginx: int
) -> Figure:
    def requests(where: str, token: str = "") -> list[bytes]:
        raw = raw_request("GET", where, token=token)
        return [raw[:-2] + header.encode() + b"\r\n" for header in ranges]

    ours, theirs = alternate(
        lambda: http_load(port, *requests(path, token), connections=CONNECTIONS)["rate"],
        lambda: http_load(nginx, *requests("/song.wav"), connections=CONNECTIONS)["rate"],
        rounds=ROUNDS,
    )
    return ratio_figure(
        label, ours=ours, theirs=theirs, least=0.5, unit="req/s", peer="nginx, same file"
    )


@contextlib.contextmanager
def _nginx(folder: Path) -> Iterator[int]:
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port))
    process = subprocess.Popen(["nginx", "-c", str(config)])
    try:
        wait_ready(f"http://127.0.0.1:{port}/nginx.conf", process)
        yield port
    finally:
        process.terminate()
        process.wait()
