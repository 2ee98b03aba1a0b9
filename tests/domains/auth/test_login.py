"""``POST /auth/login``: what it tells, and what it costs."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import argon2
import asyncpg
import httpx
import psutil
import pytest
from tests.builders.users import PASSWORD, create_user, login
from tests.servers import ApiProcess, error_of

from talas.core.database import Database
from talas.core.errors import Unauthenticated
from talas.core.settings import Settings
from talas.domains.auth import passwords, service


def attempt(api: ApiProcess, email: str, password: str) -> httpx.Response:
    return api.client.post("/auth/login", json={"email": email, "password": password})


def test_the_answer_is_the_seeds(api: ApiProcess) -> None:
    user = create_user(api)
    answer = attempt(api, user.email.upper(), user.password)
    body = answer.json()
    assert (answer.status_code, body["message"]) == (200, "Login successful")
    assert body["data"].keys() == {"access_token", "refresh_token", "expires_in", "user"}
    assert body["data"]["expires_in"] == 86400
    assert body["data"]["user"] == {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "role": "user",
    }


def test_unknown_and_wrong_are_told_alike(api: ApiProcess) -> None:
    user = create_user(api)
    unknown, wrong = attempt(api, "nobody@b.c", "wrong"), attempt(api, user.email, "wrong")
    assert (unknown.status_code, error_of(unknown)) == (401, "Invalid credentials")
    assert wrong.status_code == unknown.status_code
    assert wrong.content == unknown.content
    same = {"content-type", "content-length", "www-authenticate", "vary"}
    assert {name: wrong.headers[name] for name in same} == {
        name: unknown.headers[name] for name in same
    }


@pytest.mark.parametrize("email", ["", "x", " ", "a" * 100, "deleted:1", "%", "' OR 1=1 --"])
@pytest.mark.parametrize("password", ["", "x", "x" * 129, "x" * 100_000, "nul\0", "\x07"])
def test_anything_else_is_wrong_too(api: ApiProcess, email: str, password: str) -> None:
    assert error_of(attempt(api, email, password)) == "Invalid credentials"


class Work:
    """Counts what a login does instead of timing it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        verify = passwords._verify

        def counted(password_hash: str, password: str) -> bool:
            self.done.append(password_hash.rpartition("$")[0].rpartition("$")[0])
            return verify(password_hash, password)

        monkeypatch.setattr(passwords, "_verify", counted)


@pytest.mark.parametrize("accounts", [0, 1])
async def test_an_unknown_account_costs_what_a_known_one_does(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, accounts: int
) -> None:
    """With an empty table, and with one that holds the known account: one hash, equally dear,
    and the same statements."""
    db = await Database.connect(settings.database, application="test")
    work = Work(monkeypatch)
    statements: list[list[str]] = []
    try:
        if accounts:
            async with db.transaction() as conn:
                password_hash = await passwords.hash_password(PASSWORD)
                account = service.NewAccount("known", "known@b.c", password_hash)
                await service.register(conn, account)
        for email in ("known@b.c", "unknown@b.c"):
            statements.append([])
            logged = await _log_statements(db, statements[-1])
            with pytest.raises(Unauthenticated):
                await service.check_login(
                    db, email=email, password="wrong", address="::1", throttled=True
                )
            logged()
    finally:
        await db.close()
    assert len(work.done) == 2
    assert work.done[0] == work.done[1], "the two hashes do not cost the same"
    assert statements[0] == statements[1]
    assert statements[0]


async def _log_statements(db: Database, log: list[str]) -> Callable[[], None]:
    async with db.connection() as conn:
        # The pool has one connection in this test, and lends it again.
        raw: Any = conn._con  # type: ignore[union-attr]

    def heard(query: asyncpg.connection.LoggedQuery) -> None:
        log.append(" ".join(query.query.split()))

    raw.add_query_logger(heard)
    return lambda: raw.remove_query_logger(heard)


def test_interleaved_logins_take_alike(api: ApiProcess) -> None:
    """A difference of a whole hash would be 2 x. Of the processor's time: the clock shows what else
    a busy machine does."""
    user = create_user(api)
    took: dict[str, list[float]] = {user.email: [], "nobody@b.c": []}
    process = psutil.Process(api.process.pid)
    for _ in range(15):
        for email, times in took.items():
            started = sum(process.cpu_times()[:2])
            attempt(api, email, "wrong password")
            times.append(sum(process.cpu_times()[:2]) - started)
    known, unknown = (sum(times) for times in took.values())
    assert 0.6 < known / unknown < 1.67


def test_many_logins_leave_health_answering(api: ApiProcess) -> None:
    """Hashing is off the event loop: while 100 logins hash one after the other, every look at
    ``/health`` comes back long before they are through."""
    user = create_user(api)
    with ThreadPoolExecutor(100) as pool:
        started = time.perf_counter()
        logins = [pool.submit(attempt, api, user.email, "wrong") for _ in range(100)]
        answered_before_end = 0
        while not all(future.done() for future in logins):
            assert httpx.get(f"{api.url}/health").status_code == 200
            answered_before_end += 1
        took = time.perf_counter() - started
    assert {future.result().status_code for future in logins} == {401}
    assert answered_before_end >= 10, took


async def test_an_old_hash_is_replaced_at_login(api: ApiProcess) -> None:
    user = create_user(api)
    weak = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    conn = await asyncpg.connect(api.database_url)
    try:
        update = "UPDATE users SET password_hash = $2 WHERE id = $1"
        await conn.execute(update, user.id, weak)
        assert login(api.client, email=user.email)
        kept = await conn.fetchval("SELECT password_hash FROM users WHERE id = $1", user.id)
    finally:
        await conn.close()
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert login(api.client, email=user.email)


async def test_suspended_is_told_only_after_the_right_password(api: ApiProcess) -> None:
    user = create_user(api)
    conn = await asyncpg.connect(api.database_url)
    try:
        await conn.execute("UPDATE users SET status = 'suspended' WHERE id = $1", user.id)
    finally:
        await conn.close()
    wrong, right = (attempt(api, user.email, password) for password in ("wrong", user.password))
    assert (wrong.status_code, error_of(wrong)) == (401, "Invalid credentials")
    assert (right.status_code, right.json()["code"]) == (403, "account_suspended")
