"""``POST /auth/refresh``: renewal, rotation, and what a replay costs."""

import time
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import httpx
import jwt
import pytest
from tests.builders.users import Account, create_user, login, session_lives
from tests.conftest import JWT_SECRET
from tests.servers import ApiProcess, error_of

from talas.domains.auth.cleaning import delete_expired_sessions


def refresh(api: ApiProcess, token: str, *, rotate: bool | None = None) -> httpx.Response:
    body: dict[str, object] = {"refresh_token": token}
    if rotate is not None:
        body["rotate"] = rotate
    return api.client.post("/auth/refresh", json=body)


def rotated(api: ApiProcess, token: str) -> str:
    answer = refresh(api, token, rotate=True)
    assert answer.status_code == 200, answer.text
    child: str = answer.json()["data"]["refresh_token"]
    return child


async def execute(api: ApiProcess, statement: str, *arguments: object) -> object:
    conn = await asyncpg.connect(api.database_url)
    try:
        return await conn.fetchval(statement, *arguments)
    finally:
        await conn.close()


async def outlive_grace(api: ApiProcess, user: Account) -> None:
    """As if the rotation had been 11 s ago."""
    await execute(
        api,
        "UPDATE sessions SET rotated_at = rotated_at - interval '11 s' WHERE user_id = $1",
        user.id,
    )


@pytest.mark.parametrize("rotate", [None, False])
def test_without_rotation_the_answer_is_the_seeds(api: ApiProcess, rotate: bool | None) -> None:
    user = create_user(api)
    for _ in range(3):
        answer = refresh(api, user.refresh_token, rotate=rotate)
        assert answer.status_code == 200
        assert answer.json()["data"].keys() == {"access_token", "expires_in"}
        assert answer.json()["data"]["expires_in"] == 86400
        assert session_lives(api.client, answer.json()["data"]["access_token"])


def test_rotation_gives_a_child_that_works(api: ApiProcess) -> None:
    user = create_user(api)
    token = user.refresh_token
    for _ in range(3):
        token = rotated(api, token)
        assert session_lives(api.client, user.token)


async def test_a_replay_ends_the_family_and_it_stays_ended(api: ApiProcess) -> None:
    user = create_user(api)
    child = rotated(api, user.refresh_token)
    await outlive_grace(api, user)
    replay = refresh(api, user.refresh_token, rotate=True)
    assert (replay.status_code, error_of(replay)) == (401, "Invalid token")
    for rotate in (True, False):
        assert refresh(api, child, rotate=rotate).status_code == 401
        assert refresh(api, user.refresh_token, rotate=rotate).status_code == 401
    assert not session_lives(api.client, user.token)
    conn = await asyncpg.connect(api.database_url)
    try:
        await delete_expired_sessions(conn)
    finally:
        await conn.close()
    assert refresh(api, child).status_code == 401
    assert refresh(api, user.refresh_token).status_code == 401


def test_a_replay_of_a_grandparent_ends_the_family_at_once(api: ApiProcess) -> None:
    user = create_user(api)
    grandchild = rotated(api, rotated(api, user.refresh_token))
    assert refresh(api, user.refresh_token, rotate=True).status_code == 401
    assert refresh(api, grandchild).status_code == 401


def test_an_ended_token_used_without_rotation_is_a_replay(api: ApiProcess) -> None:
    user = create_user(api)
    child = rotated(api, user.refresh_token)
    assert refresh(api, user.refresh_token).status_code == 401
    assert refresh(api, child).status_code == 401


def test_a_parent_whose_child_was_used_is_a_replay(api: ApiProcess) -> None:
    user = create_user(api)
    child = rotated(api, user.refresh_token)
    assert refresh(api, child).status_code == 200
    assert refresh(api, user.refresh_token, rotate=True).status_code == 401
    assert refresh(api, child).status_code == 401


def test_a_retry_after_a_lost_answer_gets_the_same_child(api: ApiProcess) -> None:
    user = create_user(api)
    assert rotated(api, user.refresh_token) == rotated(api, user.refresh_token)


def test_a_replay_leaves_the_users_other_sessions(api: ApiProcess) -> None:
    user = create_user(api)
    other = login(api.client, email=user.email)
    rotated(api, rotated(api, user.refresh_token))
    assert refresh(api, user.refresh_token).status_code == 401
    assert session_lives(api.client, other["access_token"])
    assert refresh(api, other["refresh_token"]).status_code == 200


def test_fifty_concurrent_rotations_leave_one_live_child(api: ApiProcess) -> None:
    user = create_user(api)
    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(lambda _: refresh(api, user.refresh_token, rotate=True), range(50)))
    assert {answer.status_code for answer in answers} <= {200, 401}
    children = {answer.json()["data"]["refresh_token"] for answer in answers if answer.is_success}
    assert len(children) == 1
    assert refresh(api, children.pop()).status_code == 200


def test_rotations_by_two_clients_never_leave_two_lines(api: ApiProcess) -> None:
    """Each goes on with what it got; soon at most one of them has a token that works."""
    user = create_user(api)
    mine = theirs = user.refresh_token
    for _ in range(3):
        answers = refresh(api, mine, rotate=True), refresh(api, theirs, rotate=True)
        if not all(answer.is_success for answer in answers):
            break
        mine, theirs = (answer.json()["data"]["refresh_token"] for answer in answers)
    assert mine == theirs or not refresh(api, mine).is_success


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é", "a" * 100_000, "\n"])
def test_what_is_no_token(api: ApiProcess, token: str) -> None:
    answer = refresh(api, token)
    assert (answer.status_code, error_of(answer)) == (401, "Invalid token")


async def test_an_expired_session_cannot_be_renewed(api: ApiProcess) -> None:
    user = create_user(api)
    await execute(api, "UPDATE sessions SET expires_at = now() WHERE user_id = $1", user.id)
    assert refresh(api, user.refresh_token).status_code == 401


async def test_a_suspended_account_cannot_be_renewed(api: ApiProcess) -> None:
    user = create_user(api)
    await execute(api, "UPDATE users SET status = 'suspended' WHERE id = $1", user.id)
    assert refresh(api, user.refresh_token).status_code == 401


async def test_a_dump_of_the_database_opens_no_session(api: ApiProcess) -> None:
    """No column of any table is a token, or can be sent as one."""
    user = create_user(api)
    rotated(api, user.refresh_token)
    conn = await asyncpg.connect(api.database_url)
    try:
        tables = await conn.fetch(
            "SELECT format('%I', relname) FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace"
        )
        dumped: set[str] = set()
        for [table] in tables:
            for row in await conn.fetch(f"SELECT t::text FROM {table} AS t"):
                dumped.update(str(row[0]).strip("()").replace('"', "").split(","))
    finally:
        await conn.close()
    assert user.username in dumped
    for token in (user.token, user.refresh_token):
        signature = token.rpartition(".")[2]
        assert not [text for text in dumped if signature in text]
    for text in dumped:
        sendable = text.encode("ascii", "ignore").decode().strip()
        if sendable and sendable.isprintable():
            assert not session_lives(api.client, sendable)
        assert not refresh(api, text).is_success


def test_claims_are_the_seeds(api: ApiProcess) -> None:
    user = create_user(api)
    claims = jwt.decode(user.token, JWT_SECRET, algorithms=["HS256"])
    assert {"user_id", "username", "role", "exp", "iat", "sid", "typ"} == claims.keys()
    assert (claims["user_id"], claims["username"]) == (user.id, user.username)
    assert (claims["role"], claims["typ"]) == ("user", "access")
    assert claims["exp"] - claims["iat"] == 86400
    assert abs(claims["iat"] - time.time()) < 60
