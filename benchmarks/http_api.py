"""Point reads and writes over HTTP, against the bare libraries doing the same statement."""

import tempfile
import threading
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
LOGINS = 50
INSERTS = 4_000
FILL = """
INSERT INTO products (name, brand, warranty_months)
SELECT 'Product ' || n, 'Brand', 24 FROM generate_series(1, 4000) AS n;
INSERT INTO users (username, email, password_hash)
SELECT 'user' || n, 'user' || n || '@example.com', 'x' FROM generate_series(1, 1000) AS n;
"""
# Each with a query of its own, so that none is answered from the answer to another.
LISTS = {"GET /users": "/api/v1/users", "GET /products": "/api/v1/products"}
DISTINCT = 2_000
BIO = b'{"bio":"hello"}'


def measure() -> Iterator[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        talas_serve(Path(folder) / "data") as talas,
        bare_server(talas.database_url) as bare,
    ):
        user_id, token = talas.sign_up("reader")
        yield _generator_alone(bare)
        read = raw_request("GET", f"/api/v1/users/{user_id}", token=token)
        ours, theirs = alternate(
            lambda: http_load(talas.port, read)["rate"],
            lambda: http_load(bare, raw_request("GET", f"/read/{user_id}"))["rate"],
            rounds=ROUNDS,
        )
        peer = "bare Litestar, same read, no auth"
        yield ratio_figure(
            "GET /users/{id}", ours=ours, theirs=theirs, least=0.75, unit="req/s", peer=peer
        )
        yield _latency_at_half(talas, "GET /users/{id}", [read], max(ours))
        write = raw_request("PUT", "/api/v1/users/me", token=token, body=BIO)
        bare_write = raw_request("PUT", f"/write/{user_id}", body=BIO)
        ours, theirs = alternate(
            lambda: http_load(talas.port, write)["rate"],
            lambda: http_load(bare, bare_write)["rate"],
            rounds=ROUNDS,
        )
        peer = "bare Litestar, same UPDATE in a transaction"
        yield ratio_figure(
            "PUT /users/me", ours=ours, theirs=theirs, least=0.6, unit="req/s", peer=peer
        )
        yield from _inserts(talas, bare, user_id, token)
        for name, path in LISTS.items():
            pages = [raw_request("GET", f"{path}?x={n}", token=token) for n in range(DISTINCT)]
            saturation = http_load(talas.port, *pages, seconds=2)["rate"]
            yield _latency_at_half(talas, name, pages, saturation)
        yield _health_while_hashing(talas)


def _inserts(talas: TalasServer, bare: int, user_id: int, token: str) -> Iterator[Figure]:
    """Every request adds another product; between the rounds they are taken away again."""
    execute(talas.database_url, FILL)
    bodies = [
        b'{"product_id":%d,"serial_number":"S-%d","purchase_date":"2024-01-15"}' % (n, n)
        for n in range(1, INSERTS + 1)
    ]
    ours = [raw_request("POST", "/api/v1/user-products", token=token, body=b) for b in bodies]
    theirs = [raw_request("POST", f"/insert/{user_id}", body=body) for body in bodies]

    def rate(port: int, requests: list[bytes]) -> float:
        execute(talas.database_url, "DELETE FROM user_products")
        return http_load(port, *requests, once=True, seconds=60)["rate"]

    mine, peers = alternate(
        lambda: rate(talas.port, ours), lambda: rate(bare, theirs), rounds=ROUNDS
    )
    peer = "bare Litestar, one INSERT in a transaction"
    yield ratio_figure(
        "POST /user-products", ours=mine, theirs=peers, least=0.6, unit="req/s", peer=peer
    )


def _generator_alone(bare: int) -> Figure:
    rate = http_load(bare, raw_request("GET", "/constant"))["rate"]
    detail = "an @asgi constant answer: what generator and granian do together"
    return Figure("HTTP load generator", "", f"{rate:,.0f} req/s", None, detail)


def _latency_at_half(
    talas: TalasServer, name: str, requests: list[bytes], saturation: float
) -> Figure:
    connections = 32
    pause_s = connections / (saturation / 2)
    result = http_load(talas.port, *requests, connections=connections, pause_s=pause_s, seconds=4)
    detail = f"at {result['rate']:,.0f} of {saturation:,.0f} req/s; p50 {result['p50_ms']:.2f} ms"
    return limit_figure(
        f"p99 of {name} at half the saturation",
        result["p99_ms"],
        most=25,
        unit="ms",
        detail=detail,
    )


def _health_while_hashing(talas: TalasServer) -> Figure:
    account = {"email": "reader@example.com", "password": "correct horse 9"}
    logins = [
        threading.Thread(target=talas.call, args=("POST", "/api/v1/auth/login", account))
        for _ in range(LOGINS)
    ]
    for login in logins:
        login.start()
    result = http_load(talas.port, raw_request("GET", "/health"), connections=1, seconds=1.0)
    still_hashing = sum(login.is_alive() for login in logins)
    for login in logins:
        login.join()
    detail = f"{still_hashing} of {LOGINS} logins were still waiting when the probing ended"
    return limit_figure(
        f"/health p99 while {LOGINS} logins hash",
        result["p99_ms"],
        most=50,
        unit="ms",
        detail=detail,
    )
