"""Sessions end in every process at once, whatever ended them."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.builders.users import PASSWORD, Account, create_user, login, session_lives
from tests.servers import ApiProcess, api_process, error_of

from talas.core.permissions import Role
from talas.domains.admin import service as admin

# A second is what is promised of a machine that is not busy. A process that was told of nothing
# would read the row again after a minute.
WITHIN_S = 30.0


@pytest.fixture(scope="module")
def other_process(
    api: ApiProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    """A second api process on the same database."""
    folder: Path = tmp_path_factory.mktemp("other")
    with api_process(api.database_url, folder) as process:
        yield process


def ends_when_told(process: ApiProcess, token: str) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while session_lives(process.client, token):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


async def administrate(api: ApiProcess, user_id: int, **changes: object) -> None:
    conn = await asyncpg.connect(api.database_url)
    try:
        async with conn.transaction():
            await admin.change_account(conn, admin.COMMAND_LINE, user_id, **changes)  # type: ignore[arg-type]
    finally:
        await conn.close()


def log_out(api: ApiProcess, user: Account) -> None:
    answer = api.client.post("/auth/logout", token=user.token)
    assert answer.json() == {"success": True, "message": "Logout successful"}


def change_password(api: ApiProcess, user: Account) -> None:
    token = login(api.client, email=user.email)["access_token"]
    body = {"current_password": PASSWORD, "new_password": "another password"}
    answer = api.client.put("/users/password", json=body, token=token)
    assert answer.json() == {"success": True, "message": "Password changed successfully"}
    assert session_lives(api.client, token), "the session that changed it goes on"


def delete_account(api: ApiProcess, user: Account) -> None:
    answer = api.client.delete("/users/me", json={"password": PASSWORD}, token=user.token)
    assert answer.status_code == 200, answer.text


def end_from_another_session(api: ApiProcess, user: Account) -> None:
    token = login(api.client, email=user.email)["access_token"]
    sessions = api.client.get("/auth/sessions", token=token).json()["data"]
    [old] = [session["id"] for session in sessions if not session["current"]]
    assert api.client.delete(f"/auth/sessions/{old}", token=token).status_code == 200


ENDINGS = [log_out, change_password, delete_account, end_from_another_session]


@pytest.mark.parametrize("end", ENDINGS)
def test_the_session_is_over_in_every_process(
    api: ApiProcess, other_process: ApiProcess, end: Callable[[ApiProcess, Account], None]
) -> None:
    user = create_user(api)
    media = api.client.post("/auth/media-token", token=user.token).json()["data"]["token"]
    for process in (api, other_process):  # both have the session in their memory
        assert session_lives(process.client, user.token)
    end(api, user)
    assert not session_lives(api.client, user.token), "over in the process that heard of it"
    assert ends_when_told(other_process, user.token)
    for process in (api, other_process):
        body = {"refresh_token": user.refresh_token}
        assert process.client.post("/auth/refresh", json=body).status_code == 401
        picture = process.client.get(f"/uploads/avatars/{user.id}.jpg?token={media}")
        assert (picture.status_code, error_of(picture)) == (401, "Invalid token")


async def test_a_suspension_ends_every_session_everywhere(
    api: ApiProcess, other_process: ApiProcess
) -> None:
    user = create_user(api)
    second = login(api.client, email=user.email)
    for process in (api, other_process):
        for token in (user.token, second["access_token"]):
            assert session_lives(process.client, token)
    await administrate(api, user.id, status=admin.SUSPENDED)
    for process in (api, other_process):
        for token in (user.token, second["access_token"]):
            assert ends_when_told(process, token)
    await administrate(api, user.id, status=admin.ACTIVE)
    assert not session_lives(api.client, user.token), "an ended session does not come back"
    assert login(api.client, email=user.email)


async def test_a_role_counts_from_the_next_request_on(
    api: ApiProcess, other_process: ApiProcess
) -> None:
    """With the old token, whose claims still name the old role."""
    user = create_user(api)
    for role in (Role.ADMIN, Role.MODERATOR, Role.USER):
        await administrate(api, user.id, role=role)
        for process in (api, other_process):
            deadline = time.monotonic() + WITHIN_S
            while process.client.get("/auth/me", token=user.token).json()["data"]["role"] != role:
                assert time.monotonic() < deadline


def test_a_password_change_answers_with_what_was_wrong(api: ApiProcess) -> None:
    user = create_user(api)
    for current, new, field in (
        ("wrong password", "another password", "current_password"),
        (PASSWORD, "short", "new_password"),
        (PASSWORD, "password1", "new_password"),
        (PASSWORD, user.email, "new_password"),
    ):
        body = {"current_password": current, "new_password": new}
        answer = api.client.put("/users/password", json=body, token=user.token)
        assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, field)
    assert login(api.client, email=user.email, password=PASSWORD)


def test_after_a_password_change_only_the_new_one_opens(api: ApiProcess) -> None:
    user = create_user(api)
    change_password(api, user)
    old = {"email": user.email, "password": PASSWORD}
    assert api.client.post("/auth/login", json=old).status_code == 401
    assert login(api.client, email=user.email, password="another password")


def test_sessions_are_listed_with_where_they_come_from(api: ApiProcess) -> None:
    user = create_user(api)
    body = {"email": user.email, "password": user.password}
    agent = "Phone <b>" + "x" * 400
    fresh = api.client.post("/auth/login", json=body, headers=[("User-Agent", agent)])
    token = fresh.json()["data"]["access_token"]
    answer = api.client.get("/auth/sessions", token=token).json()
    newest, oldest = answer["data"]
    assert answer["pagination"]["total"] == 2
    assert (newest["current"], oldest["current"]) == (True, False)
    assert newest["user_agent"] == agent[:300]
    assert newest["ip"] == "127.0.0.1"
    assert newest["created_at"] <= newest["last_used_at"] < newest["expires_at"]


def test_anothers_session_does_not_exist(api: ApiProcess) -> None:
    owner, stranger = create_user(api), create_user(api)
    [session] = api.client.get("/auth/sessions", token=owner.token).json()["data"]
    theirs = api.client.delete(f"/auth/sessions/{session['id']}", token=stranger.token)
    nothing = api.client.delete("/auth/sessions/2147483647", token=stranger.token)
    assert (theirs.status_code, theirs.content) == (404, nothing.content)
    assert session_lives(api.client, owner.token)


def test_ending_a_session_twice(api: ApiProcess) -> None:
    user = create_user(api)
    path = "/auth/sessions/{}"
    other = login(api.client, email=user.email)["access_token"]
    newest, _ = api.client.get("/auth/sessions", token=other).json()["data"]
    statuses = [
        api.client.delete(path.format(newest["id"]), token=user.token).status_code for _ in range(2)
    ]
    assert statuses == [200, 404]


def test_a_media_token_says_how_long_it_is_good(api: ApiProcess) -> None:
    user = create_user(api)
    answer = api.client.post("/auth/media-token", token=user.token).json()["data"]
    assert 0 < answer["expires_in"] <= 3600
