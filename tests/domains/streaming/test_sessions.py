"""A stream that is under way ends with the session that it was asked for by."""

import time

import httpx
import pytest
from tests.audio.synthesis import silence
from tests.builders.products import create_staff
from tests.builders.streaming import Heard, media_token, upload_samples
from tests.builders.tracks import WorkerProcess
from tests.builders.users import Account, create_user, login
from tests.servers import ApiProcess

RATE, SECONDS = 48000, 180
SIZE = 4 * RATE * SECONDS
PAUSE_S = 0.05
"""After each 64 KiB: the whole takes much longer than it may go on without a session."""


@pytest.fixture(scope="module")
def heard(
    api: ApiProcess, worker: WorkerProcess, tmp_path_factory: pytest.TempPathFactory
) -> Heard:
    owner, other = create_user(api), create_user(api)
    folder = tmp_path_factory.mktemp("audio")
    track = upload_samples(api, owner, folder, silence(SECONDS, sample_rate=RATE), sample_rate=RATE)
    return Heard(api, owner, other, media_token(api, other), track)


def taken(answer: httpx.Response) -> int:
    """Bytes that still come, read slowly."""
    got = 0
    try:
        for chunk in answer.iter_raw(65536):
            got += len(chunk)
            time.sleep(PAUSE_S)
    except httpx.TransportError:
        return got
    return got


@pytest.mark.parametrize("query", ["", "format=wav"], ids=["original", "transcode"])
@pytest.mark.parametrize("by", ["header", "address"])
def test_logging_out_ends_what_is_being_sent(heard: Heard, query: str, by: str) -> None:
    account = create_user(heard.api)
    access = login(heard.api.client, email=account.email)["access_token"]
    session = Account(account.id, account.username, account.email, account.password, access, "")
    headers, token = {"Authorization": f"Bearer {access}"}, ""
    if by == "address":
        headers, token = {}, f"token={media_token(heard.api, session)}"
    address = f"{heard.api.url}/api/v1/tracks/{heard.track['id']}/stream?{query}&{token}"
    with httpx.stream("GET", address, headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        assert heard.api.client.post("/auth/logout", token=access).status_code == 200
        assert taken(answer) < SIZE


def test_a_suspended_listener_hears_no_more(heard: Heard) -> None:
    account, admin = create_user(heard.api), create_staff(heard.api, role="admin")
    address = f"{heard.api.url}/api/v1/tracks/{heard.track['id']}/stream"
    headers = {"Authorization": f"Bearer {account.token}"}
    with httpx.stream("GET", address, headers=headers, timeout=60) as answer:
        suspended = heard.api.client.put(
            f"/admin/users/{account.id}", token=admin.token, json={"status": "suspended"}
        )
        assert suspended.status_code == 200
        assert taken(answer) < SIZE
