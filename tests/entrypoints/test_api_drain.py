"""SIGTERM while a request is under way: it ends well, new work goes elsewhere."""

import http.client
import json
import signal
import socket
import time
from pathlib import Path

import httpx
from tests.servers import ApiProcess, api_process
from tests.waiting import wait_until

ACCOUNT = {"username": "slow_walker", "email": "slow@example.com", "password": "long enough 1"}
DRAIN_LIMIT_S = 60


def begin_slow_request(api: ApiProcess) -> tuple[socket.socket, bytes]:
    """A registration whose body has not come whole yet, and what is still missing of it."""
    body = json.dumps(ACCOUNT).encode()
    head = f"POST /api/v1/auth/register HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = socket.create_connection(api.address, timeout=DRAIN_LIMIT_S)
    connection.sendall(head.encode() + body[:10])
    # The one that asks is open too.
    wait_until(lambda: "talas_http_open_requests 2.0" in httpx.get(f"{api.url}/metrics").text)
    return connection, body[10:]


def is_draining(api: ApiProcess) -> bool:
    """It says so for half a second, which a busy machine may miss; then it takes no more
    connections."""
    try:
        return httpx.get(f"{api.url}/ready").status_code == 503
    except httpx.ConnectError:
        return True


def test_an_open_request_is_answered_and_nothing_acknowledged_is_lost(
    database_url: str, tmp_path: Path
) -> None:
    with api_process(database_url, tmp_path) as api:
        connection, rest = begin_slow_request(api)
        asked_at = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_draining(api))
        time.sleep(1.5)
        connection.sendall(rest)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 201
        user_id = json.loads(answer.read())["data"]["user_id"]
        connection.close()
        assert api.process.wait(DRAIN_LIMIT_S) == 0
        assert time.monotonic() - asked_at < DRAIN_LIMIT_S
        assert "Traceback" not in api.log
    with api_process(database_url, tmp_path / "again") as api:
        login = api.client.post("/auth/login", json=ACCOUNT)
        assert login.json()["data"]["user"]["id"] == user_id


def test_a_request_that_never_ends_does_not_hold_the_process(
    database_url: str, tmp_path: Path
) -> None:
    with api_process(database_url, tmp_path) as api:
        connection, _ = begin_slow_request(api)
        asked_at = time.monotonic()
        api.process.send_signal(signal.SIGTERM)
        api.process.wait(DRAIN_LIMIT_S)
        assert time.monotonic() - asked_at < DRAIN_LIMIT_S
        connection.close()
