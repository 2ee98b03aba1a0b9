"""Lists while the house grows: the same requests at a thousand, a hundred thousand and a million
rows of everything."""

import http.client
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.servers import TalasServer, execute, talas_serve

SIZES = (1_000, 100_000, 1_000_000)
SAMPLES = 150
ROUNDS = 3
WARM_UP = 15
MOST_GROWTH = 2.0
GEAR_OF_READER = 200

LISTS = {
    "GET /users": "/users",
    "GET /users?search=": "/users?search=u777",
    "GET /tracks, newest": "/tracks",
    "GET /tracks, by plays": "/tracks?sort=plays",
    "GET /tracks, by likes": "/tracks?sort=likes",
    "GET /tracks?tag=, of many": "/tracks?tag=t1",
    "GET /tracks?tag=, of few": "/tracks?tag=t777",
    "GET /tags": "/tags",
    "GET /chat/rooms": "/chat/rooms",
    "GET /products": "/products",
    "GET /user-products": "/user-products",
    "GET /admin/users": "/admin/users",
    "GET /admin/audit": "/admin/audit",
}
# What filling does not need: to feed the search index while the lists are measured, to look up what
# is known, and what helps to find a misspelt tag or a part of a track's title.
LIGHTEN = """
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT tgrelid::regclass AS name, tgname FROM pg_trigger
        WHERE tgname ~ '^(search|tags_spelt|track_tags_counted)'
    LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER %I', t.name, t.tgname);
    END LOOP;
    DROP INDEX tracks_trigrams_idx, rooms_trigrams_idx;
END $$
"""
# Built at once it takes a third of the time.
FORGET_INDEX = """
CREATE TABLE forgotten AS SELECT indexdef FROM pg_indexes WHERE indexname = 'users_trigrams_idx';
DROP INDEX users_trigrams_idx
"""
BUILD_INDEX = """
DO $$ BEGIN EXECUTE (SELECT indexdef FROM forgotten); DROP TABLE forgotten; END $$
"""
# {0} is the first number, {1} the last. Every track has a tag that many have and one that few have.
GROW = (
    """
    INSERT INTO users (username, email, password_hash, first_name)
    SELECT 'u' || n, 'u' || n || '@example.com', 'x', 'Ann' FROM generate_series({0}, {1}) AS n
    """,
    """
    INSERT INTO tags (name) SELECT 't' || n FROM generate_series({0}, {1}) AS n
    """,
    """
    INSERT INTO tracks (
      id, user_id, title, artist, status, container, media_type, filename, content_hash, size,
      storage_key, plays, likes
    )
    SELECT n, 1 + n % 1000, 'Track ' || n, 'u', 'ready', 'mp3', 'audio/mpeg', 'x.mp3', sha256(''),
      1, 'x' || n, 1000000 / n, n % 5000
    FROM generate_series({0}, {1}) AS n
    """,
    """
    INSERT INTO track_tags (track_id, tag_id, position, counted)
    SELECT n, g.id, p, true
    FROM generate_series({0}, {1}) AS n
    CROSS JOIN LATERAL (VALUES (1 + n % 20, 0), (n, 1)) AS wanted (number, p)
    JOIN tags AS g ON g.name = 't' || wanted.number
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO rooms (name, name_key)
    SELECT 'r' || n, 'r' || n FROM generate_series({0}, {1}) AS n
    """,
    """
    INSERT INTO products (name, brand, warranty_months)
    SELECT 'Product ' || n, 'Brand', 24 FROM generate_series({0}, {1}) AS n
    """,
    """
    INSERT INTO user_products (user_id, product_id)
    SELECT 2 + n % 900, n FROM generate_series({0}, {1}) AS n
    """,
    """
    INSERT INTO audit_log (actor_id, action, target_type, target_id)
    SELECT 1, 'user.update', 'user', n FROM generate_series({0}, {1}) AS n
    """,
)
GEAR = """
INSERT INTO user_products (user_id, product_id)
SELECT $1, n FROM generate_series(1, $2::INT) AS n
"""
PROMOTE = "UPDATE users SET role = 'super_admin' WHERE id = $1"

_numbers = itertools.count()


def measure() -> Iterator[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        talas_serve(Path(folder) / "data") as talas,
    ):
        user_id, _ = talas.sign_up("reader")
        execute(talas.database_url, LIGHTEN)
        execute(talas.database_url, PROMOTE, user_id)
        token = talas.log_in("reader")
        latencies: dict[str, list[float]] = {name: [] for name in LISTS}
        took: list[float] = []
        for before, size in itertools.pairwise((0, *SIZES)):
            took.append(_grow(talas, before + 1, size))
            if not before:
                execute(talas.database_url, GEAR, user_id, GEAR_OF_READER)
            rounds = [
                {name: _p95_ms(talas.port, path, token) for name, path in LISTS.items()}
                for _ in range(ROUNDS)
            ]
            for name in LISTS:
                # What the machine does meanwhile, to write down a million rows, hits one of them.
                latencies[name].append(statistics.median(p95[name] for p95 in rounds))
    yield from (_figure(name, p95) for name, p95 in latencies.items())
    seconds = ", ".join(f"{s:.0f} s" for s in took)
    yield Figure("filling the tables for that", "", seconds, None, "rows of eight tables")


def _grow(talas: TalasServer, first: int, last: int) -> float:
    began = time.monotonic()
    rows = [statement.format(first, last) for statement in GROW]
    for statement in (FORGET_INDEX, *rows, BUILD_INDEX, "VACUUM (ANALYZE)"):
        execute(talas.database_url, statement)
    return time.monotonic() - began


def _p95_ms(port: int, path: str, token: str) -> float:
    """Of requests one after the other, each with a query of its own: none is answered from the
    answer to another."""
    headers = {"Authorization": f"Bearer {token}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    latencies = []
    for _ in range(WARM_UP + SAMPLES):
        query = f"{path}{'&' if '?' in path else '?'}x={next(_numbers)}"
        began = time.perf_counter()
        connection.request("GET", f"/api/v1{query}", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        latencies.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body.decode()}")
    connection.close()
    return statistics.quantiles(latencies[WARM_UP:], n=20)[-1]


def _figure(name: str, p95: list[float]) -> Figure:
    growth = p95[-1] / p95[0]
    detail = "; ".join(f"{size:,}: {ms:.2f} ms" for size, ms in zip(SIZES, p95, strict=True))
    target = f"p95 at {SIZES[-1]:,} rows <= {MOST_GROWTH:g} x that at {SIZES[0]:,}"
    return Figure(name, target, f"{growth:.2f} x", growth <= MOST_GROWTH, detail)
