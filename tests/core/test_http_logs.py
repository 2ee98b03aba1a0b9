"""The log: a line for each request, nothing secret, and nothing that a client wrote by itself."""

import json
import re
import time
from pathlib import Path

import pytest
from tests.builders.users import create_user
from tests.raw_http import send
from tests.servers import ApiProcess, api_process

LINE = re.compile(
    r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] [A-Z]+ /\S* - Status: \d{3}, Duration: \d+\.\d{3}ms"
)


def lines_with(api: ApiProcess, text: str) -> list[str]:
    """Lines are gathered for a moment before they are written."""
    deadline = time.monotonic() + 60
    while not (found := [line for line in api.log.splitlines() if text in line]):
        assert time.monotonic() < deadline, api.log
        time.sleep(0.05)
    return found


def test_a_line_is_the_seeds(api: ApiProcess) -> None:
    api.client.get("/nowhere-in-particular")
    [line] = lines_with(api, "nowhere-in-particular")
    assert LINE.fullmatch(line)
    assert "GET /api/v1/nowhere-in-particular - Status: 404" in line


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_canaries_are_in_no_line(database_url: str, tmp_path: Path, log_format: str) -> None:
    """Passwords and tokens sent in every way there is, right and wrong ones."""
    canary = "canary-password"
    with api_process(database_url, tmp_path, LOG_FORMAT=log_format) as api:
        client = api.client
        user = create_user(api, password=canary)
        media = client.post("/auth/media-token", token=user.token).json()["data"]["token"]
        client.get(f"/uploads/avatars/{user.id}.jpg?token={media}")
        client.get(f"/users?token={user.token}&password={canary}&search={canary}", token=user.token)
        client.get("/auth/me", token=f"{user.token}x")
        client.post("/auth/login", json={"email": user.email, "password": f"{canary}-wrong"})
        client.post("/auth/login", json={"email": user.email, "password": [canary]})
        client.post("/auth/login", content=f'{{"email": "{canary}'.encode())
        client.post("/auth/login", json={"email": f"\0{canary}", "password": canary})
        client.post("/auth/register", json={"username": canary, "password": canary})
        for rotate in (True, False, "x"):
            body = {"refresh_token": user.refresh_token, "rotate": rotate}
            fresh = client.post("/auth/refresh", json=body)
        body = {"current_password": canary, "new_password": f"{canary}-new"}
        client.put("/users/password", json=body, token=user.token)
        client.put("/users/me", json={"bio": canary}, token=user.token)
        client.delete("/users/me", json={"password": f"{canary}-new"}, token=user.token)
        invitation = "canary-of-an-invitation-by-link-long-enough"
        for method in ("GET", "POST", "PUT", "OPTIONS"):
            send(api.address, method, f"/api/v1/chat/invites/{invitation}")
            send(api.address, method, f"/api/v1/chat/invites/{invitation}/more")
        client.get("/the-last-request")
        lines_with(api, "the-last-request")
        log = api.log
    secrets = [canary, user.token, user.refresh_token, media, fresh.text, invitation]
    for secret in secrets:
        assert secret not in log
        assert secret.rpartition(".")[2] not in log
    assert "token=" not in log


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_input_forges_a_line(database_url: str, tmp_path: Path, log_format: str) -> None:
    forged = "[2024-01-15 10:30:00] GET /forged - Status: 200, Duration: 1.000ms"
    encoded = forged.replace(" ", "%20").replace("[", "%5B")
    with api_process(database_url, tmp_path, LOG_FORMAT=log_format) as api:
        for end in ("%0A", "%0D%0A", "%0D", "%E2%80%A8", "%C2%85", "%1B%5B2K", "%00"):
            send(api.address, "GET", f"/api/v1/users/x{end}{encoded}")
        send(api.address, "GET", "/health", headers=[f"X-Request-ID: a\\n{forged}"])
        send(api.address, "GET", "/health", headers=[f"User-Agent: {forged}"])
        user = create_user(api)
        client = api.client
        body = {"email": f"x\n{forged}\n@b.c", "password": f"\n{forged}\n"}
        client.post("/auth/login", json=body)
        client.get("/users", params={"search": f"\n{forged}\n"}, token=user.token)
        client.get("/the-last-request")
        lines_with(api, "the-last-request")
        lines = api.log.split("\n")
    for line in filter(None, lines):
        assert line.isprintable(), line
        if log_format == "json":
            assert json.loads(line)["time"]
        else:
            assert not line.startswith("[2024"), line
            assert LINE.fullmatch(line) or re.match(r"\[20\d\d-\S+ \S+\] (api|serve) ", line), line


def test_a_json_line_names_request_and_user(database_url: str, tmp_path: Path) -> None:
    with api_process(database_url, tmp_path, LOG_FORMAT="json") as api:
        user = create_user(api)
        sent = [("X-Request-ID", "my-request")]
        api.client.get(f"/users/{user.id}", token=user.token, headers=sent)
        [line] = lines_with(api, "my-request")
    record = json.loads(line)
    assert (record["request_id"], record["user_id"]) == ("my-request", user.id)
    assert (record["method"], record["path"]) == ("GET", f"/api/v1/users/{user.id}")
    assert record["status"] == 200
    assert record["duration_ms"] > 0


def test_strangers_words_make_no_metrics(api: ApiProcess) -> None:
    for number in range(20):
        send(api.address, f"METHOD{number}", f"/api/v1/path{number}")
    text = send(api.address, "GET", "/metrics").body.decode()
    assert "METHOD1" not in text
    assert "path1" not in text
    assert 'method="OTHER",route="unmatched"' in text
