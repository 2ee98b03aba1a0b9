"""A real api process on a database of its own, and a client that holds every answer against
``/openapi.json``."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.conftest import JWT_SECRET
from tests.openapi import Document
from tests.ports import free_port

ORIGIN = "http://localhost:3000"
START_S = 60.0
END_S = 60.0
_documents: list[Document] = []


def environment_of(database_url: str, data_dir: Path, **variables: str) -> dict[str, str]:
    """What a process of Talas is started with. Of the tests' own environment it sees where programs
    and the home are, and nothing else."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **kept,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(data_dir),
        "JWT_SECRET": JWT_SECRET,
        **variables,
    }


class ApiProcess:
    """``talas api``. ``log`` is what it has written so far."""

    def __init__(self, database_url: str, folder: Path, **variables: str) -> None:
        self.database_url = database_url
        self.data_dir = folder / "data"
        self._log_path = folder / f"api-{free_port()}.log"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.address = ("127.0.0.1", port)
        folder.mkdir(parents=True, exist_ok=True)
        more = {"PORT": str(port), "RATE_LIMITS": "off", "CORS_ALLOWED_ORIGINS": ORIGIN}
        environment = environment_of(database_url, self.data_dir, **{**more, **variables})
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "talas", "api"],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=log,
            )
        self._client: Client | None = None

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/ready", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, self.log
            time.sleep(0.05)
        raise AssertionError(f"the api does not get ready: {self.log}")

    @property
    def log(self) -> str:
        return self._log_path.read_text(errors="replace")

    @property
    def client(self) -> "Client":
        if self._client is None:
            self._client = Client(self.url)
        return self._client

    def stop(self, *, at_once: bool = False) -> None:
        """``at_once``: without the time that an api gives to those who still ask."""
        if self._client is not None:
            self._client.close()
        if at_once:
            self.process.kill()
        else:
            self.process.terminate()
        self.process.wait(END_S)


class Client:
    """Requests with paths below ``/api/v1`` (or from the root, for ``/uploads`` and such), each
    answer checked: envelope, request id, a declared status, the declared schema."""

    def __init__(self, url: str, *, address: str | None = None) -> None:
        """``address`` is where the requests come from, any of 127.0.0.0/8."""
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        transport = httpx.HTTPTransport(limits=limits, local_address=address)
        self._http = httpx.Client(base_url=url, timeout=60, transport=transport)
        # All servers of a run have the same, and each would take a while to make it.
        if not _documents:
            _documents.append(Document(self._http.get("/openapi.json").json()))
        self._document = _documents[0]

    def close(self) -> None:
        self._http.close()

    @property
    def document(self) -> Document:
        return self._document

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        **arguments: Any,
    ) -> httpx.Response:
        sent = [*headers]
        if token is not None:
            sent.append(("Authorization", f"Bearer {token}"))
        answer = self._http.request(method, self._full(path), headers=sent, **arguments)
        self._document.check(answer)
        return answer

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("GET", path, **arguments)

    def post(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("POST", path, **arguments)

    def put(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("PUT", path, **arguments)

    def delete(self, path: str, **arguments: Any) -> httpx.Response:
        return self.request("DELETE", path, **arguments)

    def _full(self, path: str) -> str:
        outside = ("/uploads/", "/health", "/ready", "/metrics", "/openapi.json")
        return path if path.startswith(outside) or path == "/docs" else f"/api/v1{path}"


@contextmanager
def api_process(
    database_url: str, folder: Path, *, drains: bool = True, **variables: str
) -> Iterator[ApiProcess]:
    process = ApiProcess(database_url, folder, **variables)
    try:
        process.wait_until_ready()
        yield process
    finally:
        process.stop(at_once=not drains)


def error_of(answer: httpx.Response) -> str:
    sentence: str = answer.json()["error"]
    return sentence
