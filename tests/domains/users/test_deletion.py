"""``DELETE /users/me``: what goes, and what others keep."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.audio.synthesis import wav_bytes
from tests.builders.admin import change_account
from tests.builders.products import create_staff, run_sql
from tests.builders.storage import stored_files
from tests.builders.tracks import create_track, get_track, multipart, ready_track, worker_process
from tests.builders.users import PASSWORD, Account, create_user, login, session_lives
from tests.domains.users.test_avatar import picture
from tests.locking import held
from tests.servers import ApiProcess, error_of
from tests.waiting import wait_until


def delete(api: ApiProcess, user: Account, password: str = PASSWORD) -> Any:
    return api.client.delete("/users/me", json={"password": password}, token=user.token)


def song(number: int) -> bytes:
    return wav_bytes(bytes([number]) * 88_200)


@pytest.fixture
def user(api: ApiProcess) -> Account:
    return create_user(api)


def test_it_needs_the_password(api: ApiProcess, user: Account) -> None:
    answer = delete(api, user, "wrong password")
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "password")
    bare = api.client.delete("/users/me", token=user.token)
    assert bare.status_code == 400
    assert session_lives(api.client, user.token)


def test_name_and_email_are_free_again(api: ApiProcess, user: Account) -> None:
    other = login(api.client, email=user.email)
    assert delete(api, user).json() == {
        "success": True,
        "message": "Account deleted successfully",
    }
    for token in (user.token, other["access_token"]):
        assert not session_lives(api.client, token)
    for token in (user.refresh_token, other["refresh_token"]):
        body = {"refresh_token": token}
        assert api.client.post("/auth/refresh", json=body).status_code == 401
    old = {"email": user.email, "password": user.password}
    gone = api.client.post("/auth/login", json=old)
    assert (gone.status_code, error_of(gone)) == (401, "Invalid credentials")
    heir = create_user(api, username=user.username, email=user.email)
    assert heir.id != user.id
    assert not session_lives(api.client, user.token), "the old token does not open the new account"


@pytest.mark.parametrize("status", ["deleted", "suspended"])
def test_who_is_no_more_is_not_told_of_a_wrong_password(
    api: ApiProcess, user: Account, status: str
) -> None:
    """Of two who delete at once the second finds the account gone, whatever was remembered of it
    when the request came."""
    assert session_lives(api.client, user.token)
    gone = "UPDATE users SET status = $2, password_hash = '' WHERE id = $1"
    run_sql(api, gone, user.id, status)
    answer = delete(api, user)
    assert (answer.status_code, error_of(answer)) == (401, "Invalid token")
    change = {"current_password": PASSWORD, "new_password": "another long one 7"}
    changed = api.client.put("/users/password", json=change, token=user.token)
    assert (changed.status_code, error_of(changed)) == (401, "Invalid token")


def test_nobody_can_become_the_tombstone(api: ApiProcess, user: Account) -> None:
    delete(api, user)
    tombstone = f"deleted:{user.id}"
    for email in (tombstone, f"DELETED:{user.id}"):
        for password in ("", PASSWORD, "x"):
            body = {"email": email, "password": password}
            assert api.client.post("/auth/login", json=body).status_code == 401
    body = {"username": tombstone, "email": "tomb@b.c", "password": PASSWORD}
    assert api.client.post("/auth/register", json=body).status_code == 400
    body = {"username": "tomb", "email": tombstone, "password": PASSWORD}
    assert api.client.post("/auth/register", json=body).status_code == 400


def test_nothing_of_the_profile_is_left(api: ApiProcess, user: Account) -> None:
    reader = create_user(api)
    fields = {"first_name": "Canary", "last_name": "Canary", "bio": "Canary"}
    api.client.put("/users/me", json=fields, token=user.token)
    api.client.put("/users/me/avatar", content=picture(), token=user.token)
    stored = api.data_dir / "uploads" / "avatars" / f"{user.id}.jpg"
    assert stored.exists()
    delete(api, user)
    assert not stored.exists()
    assert api.client.get(f"/users/{user.id}", token=reader.token).status_code == 404
    picture_left = api.client.get(f"/uploads/avatars/{user.id}.jpg", token=reader.token)
    assert picture_left.status_code == 404
    for term in ("canary", user.username, user.email, "deleted:"):
        found = api.client.get("/users", params={"search": term}, token=reader.token)
        assert found.json()["data"] == []


async def test_the_row_that_stays_says_nothing(api: ApiProcess, user: Account) -> None:
    delete(api, user)
    conn = await asyncpg.connect(api.database_url)
    try:
        row = await conn.fetchrow("SELECT u::text FROM users AS u WHERE id = $1", user.id)
        sessions = "SELECT count(*) FROM sessions WHERE user_id = $1"
        assert await conn.fetchval(sessions, user.id) == 0
    finally:
        await conn.close()
    assert row is not None
    assert user.username not in row[0]
    assert "argon2" not in row[0]


async def test_messages_stay_and_say_deleted(api: ApiProcess, user: Account) -> None:
    reader = create_user(api)
    conn = await asyncpg.connect(api.database_url)
    try:
        insert = """
            INSERT INTO messages (from_user, room, room_id, content, seq)
            SELECT $1, name, id, 'what was said', seq + 1 FROM rooms WHERE name = 'general'
        """
        await conn.execute(insert, user.id)
    finally:
        await conn.close()
    delete(api, user)
    path = "/chat/rooms/general/messages"
    [message] = api.client.get(path, token=reader.token).json()["data"]
    assert message["content"] == "what was said"
    assert message["username"] == f"deleted:{user.id}"


async def stored_files_of(api: ApiProcess, user: Account) -> set[Path]:
    conn = await asyncpg.connect(api.database_url)
    try:
        keys = await conn.fetch("SELECT storage_key FROM tracks WHERE user_id = $1", user.id)
    finally:
        await conn.close()
    uploads = api.data_dir / "uploads"
    folders = {(uploads / key[0]).parent for key in keys}
    avatar = uploads / "avatars" / f"{user.id}.jpg"
    return {path for path in stored_files(api) if path.parent in folders or path == avatar}


async def test_tracks_go_with_all_their_objects(api: ApiProcess, user: Account) -> None:
    """The rows in the same transaction; the objects by a job of it."""
    reader = create_user(api)
    with worker_process(api):
        measured = ready_track(api, user.token, content=song(1))
    waiting = create_track(api, user.token, content=song(2))
    api.client.put("/users/me/avatar", content=picture(), token=user.token)
    theirs = await stored_files_of(api, user)
    assert {path.name for path in theirs} == {
        "original",
        "seek.idx",
        "waveform.dat",
        "waveform.png",
        f"{user.id}.jpg",
    }
    assert delete(api, user).status_code == 200
    for track in (measured, waiting):
        for path in (f"/tracks/{track['id']}", f"/tracks/{track['id']}/stream"):
            assert api.client.get(path, token=reader.token).status_code == 404
    with worker_process(api):
        wait_until(lambda: not theirs & stored_files(api))


async def test_likes_given_go_and_those_of_others_stay(api: ApiProcess, user: Account) -> None:
    owner, other = create_user(api), create_user(api)
    track = create_track(api, owner.token, content=song(4))
    own = create_track(api, user.token, content=song(5))
    conn = await asyncpg.connect(api.database_url)
    try:
        like = "INSERT INTO track_likes (user_id, track_id) VALUES ($1, $2)"
        likes = [(user.id, track["id"]), (other.id, track["id"]), (user.id, own["id"])]
        await conn.executemany(like, [*likes, (other.id, own["id"])])
        liked = [track["id"], own["id"]]
        await conn.execute("UPDATE tracks SET likes = 2 WHERE id = ANY($1::INT[])", liked)
        assert delete(api, user).status_code == 200
        select = "SELECT user_id, track_id FROM track_likes WHERE track_id = ANY($1::INT[])"
        assert [tuple(row) for row in await conn.fetch(select, liked)] == [(other.id, track["id"])]
    finally:
        await conn.close()
    assert get_track(api, owner.token, track["id"])["likes"] == 1


def test_who_administrates_does_not_wait_for_it(api: ApiProcess, user: Account) -> None:
    """What hangs on an account may take a while to go; here something holds it up for good."""
    boss, other = create_staff(api, role="super_admin"), create_user(api)
    track = create_track(api, user.token, content=song(6))
    hold = f"SELECT id FROM tracks WHERE id = {track['id']} FOR UPDATE"
    waiting = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with ThreadPoolExecutor(1) as pool:
        with held(api.database_url, hold):
            deletion = pool.submit(delete, api, user)
            wait_until(lambda: bool(run_sql(api, waiting)))
            login(api.client, email=boss.email)
            assert change_account(api, boss, other.id, role="moderator").is_success
            assert not deletion.done()
        assert deletion.result().status_code == 200


def test_it_leaves_its_rooms_and_they_stay(api: ApiProcess, user: Account) -> None:
    reader = create_user(api)
    body = {"name": f"room of {user.username}"}
    made = api.client.post("/chat/rooms", json=body, token=user.token).json()["data"]
    assert made["member_count"] == 1
    assert delete(api, user).status_code == 200
    params = {"search": body["name"]}
    [room] = api.client.get("/chat/rooms", params=params, token=reader.token).json()["data"]
    assert room == {**made, "member_count": 0, "role": None}


async def test_a_track_under_way_leaves_nothing(api: ApiProcess, user: Account) -> None:
    """Its file is still coming when the account goes."""
    content = multipart(song(3), boundary="limit")

    def slowly() -> Any:
        yield content[: len(content) // 2]
        time.sleep(0.3)
        assert delete(api, user).status_code == 200
        yield content[len(content) // 2 :]

    headers = [("Content-Type", "multipart/form-data; boundary=limit")]
    answer = api.client.post("/tracks", content=slowly(), headers=headers, token=user.token)
    assert (answer.status_code, error_of(answer)) == (401, "Invalid token")
    conn = await asyncpg.connect(api.database_url)
    try:
        assert await conn.fetchval("SELECT count(*) FROM tracks WHERE user_id = $1", user.id) == 0
    finally:
        await conn.close()


def test_an_avatar_under_way_leaves_nothing(api: ApiProcess, user: Account) -> None:
    content = picture()

    def slowly() -> Any:
        yield content[:100]
        time.sleep(0.3)
        assert delete(api, user).status_code == 200
        yield content[100:]

    answer = api.client.put("/users/me/avatar", content=slowly(), token=user.token)
    assert (answer.status_code, error_of(answer)) == (401, "Invalid token")
    assert not (api.data_dir / "uploads" / "avatars" / f"{user.id}.jpg").exists()
