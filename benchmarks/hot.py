"""Hot reads, which many ask for at once, against a constant answer from an ``@asgi`` handler; and
how old an answer may be when another process has written."""

import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure, alternate, limit_figure, ratio_figure
from benchmarks.servers import (
    TalasServer,
    bare_server,
    execute,
    http_load,
    raw_request,
    talas_serve,
)

ROUNDS = 5
SECONDS = 2.0
WRITES = 10
INDEXING_S = 2.0
PATHS = {
    "GET /products/search": ("/api/v1/products/search?q=micro", False),
    "GET /tags": ("/api/v1/tags", True),
    "GET /tracks, page 1": ("/api/v1/tracks", True),
    "GET /chat/rooms": ("/api/v1/chat/rooms", True),
}
FILL = """
INSERT INTO tags (name) SELECT 'tag' || n FROM generate_series(1, 200) AS n;
INSERT INTO rooms (name, name_key)
SELECT 'room' || n, 'room' || n FROM generate_series(1, 100) AS n;
INSERT INTO products (name, brand, model, description)
SELECT 'Micro ' || n, 'Brand ' || n % 20, 'M-' || n, 'A microphone for everything that sounds'
FROM generate_series(1, 1000) AS n;
INSERT INTO tracks (
  user_id, title, artist, status, container, media_type, filename, content_hash, size, storage_key
)
SELECT 1, 'Track ' || n, 'reader', 'ready', 'mp3', 'audio/mpeg', 'x.mp3', sha256(''), 1, 'x' || n
FROM generate_series(1, 1000) AS n;
INSERT INTO track_tags (track_id, tag_id, position)
SELECT tracks.id, 1 + (tracks.id * 7 + p * 31) % 200, p FROM tracks, generate_series(1, 3) AS p
ON CONFLICT DO NOTHING;
"""


def measure() -> Iterator[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        talas_serve(Path(folder) / "data") as talas,
        bare_server(talas.database_url) as bare,
    ):
        _, token = talas.sign_up("reader")
        execute(talas.database_url, FILL)
        _wait_until_found(talas)
        constant = raw_request("GET", "/constant")
        for name, (path, signed_in) in PATHS.items():
            request = raw_request("GET", path, token=token if signed_in else "")
            ours, theirs = alternate(
                lambda request=request: http_load(talas.port, request, seconds=SECONDS)["rate"],
                lambda: http_load(bare, constant, seconds=SECONDS)["rate"],
                rounds=ROUNDS,
            )
            peer = "an @asgi constant answer"
            yield ratio_figure(name, ours=ours, theirs=theirs, least=0.5, unit="req/s", peer=peer)
        yield _staleness(talas, token)


def _wait_until_found(talas: TalasServer) -> None:
    """The search index takes in what was filled; that is not what is measured."""
    while len(talas.call("GET", "/api/v1/products/search?q=micro&limit=50")) < 50:
        time.sleep(0.2)
    time.sleep(INDEXING_S)


def _staleness(talas: TalasServer, token: str) -> Figure:
    """Rooms are written into the database behind the api, while it is asked as fast as it goes."""
    oldest = max(_seen_after(talas, token, f"late{n}") for n in range(WRITES))
    detail = f"the latest of {WRITES} rows written behind the api's back"
    return limit_figure("age of a hot answer", oldest * 1000, most=1000, unit="ms", detail=detail)


def _seen_after(talas: TalasServer, token: str, room: str) -> float:
    """When the first request that saw it was sent, in seconds after it was written."""
    _rooms(talas, token)
    statement = f"INSERT INTO rooms (name, name_key) VALUES ('{room}', '{room}')"
    execute(talas.database_url, statement)
    written = time.monotonic()
    while True:
        asked = time.monotonic() - written
        if room.encode() in _rooms(talas, token):
            return asked


def _rooms(talas: TalasServer, token: str) -> bytes:
    request = urllib.request.Request(
        f"{talas.url}/api/v1/chat/rooms?limit=100&search=late",
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        body: bytes = answer.read()
    return body
