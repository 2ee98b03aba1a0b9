"""``talas users``, as somebody types it."""

import json
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.builders.users import create_user, login, session_lives
from tests.servers import api_process, environment_of
from tests.waiting import wait_until

Run = Callable[..., subprocess.CompletedProcess[str]]
PASSWORD = "correct horse battery"


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    return environment_of(database_url, tmp_path / "data", COLUMNS="100")


@pytest.fixture
def users(environment: dict[str, str], tmp_path: Path) -> Run:
    def run(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "talas", "users", *words],
            input=typed,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def create(users: Run, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    address = ("--username", name, "--email", f"{name}@example.com")
    return users("create", *address, "--password", PASSWORD, *options)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence."""
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("talas: ")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("talas: ").strip()


async def fetch(url: str, statement: str) -> list[asyncpg.Record]:
    conn = await asyncpg.connect(url)
    try:
        return await conn.fetch(statement)
    finally:
        await conn.close()


def test_the_first_super_admin_signs_in(users: Run, database_url: str, tmp_path: Path) -> None:
    done = create(users, "root", "--role", "super_admin")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "created root (super_admin, id 1)\n"
    with api_process(database_url, tmp_path / "api") as api:
        token = login(api.client, email="root@example.com", password=PASSWORD)["access_token"]
        profile = api.client.get("/auth/me", token=token).json()["data"]
        assert profile["role"] == "super_admin"
        user = create_user(api)
        for words in (("suspend", user.username), ("set-role", user.email.upper(), "admin")):
            assert users(*words).returncode == 0
        # Without being told the server would look after a minute.
        wait_until(lambda: not session_lives(api.client, user.token), within_s=30)
        users("unsuspend", user.username)
        fresh = login(api.client, email=user.email)["access_token"]
        assert api.client.get("/auth/me", token=fresh).json()["data"]["role"] == "admin"


@pytest.mark.parametrize("line", [f"{PASSWORD}\n", PASSWORD, f"{PASSWORD}\r\nmore\n"])
async def test_a_password_from_the_standard_input(users: Run, database_url: str, line: str) -> None:
    done = users(
        *("create", "--username", "ann", "--email", "a@b.c", "--password-stdin"), typed=line
    )
    assert done.returncode == 0, done.stderr
    [row] = await fetch(database_url, "SELECT role, password_hash FROM users")
    assert row["role"] == "user"
    assert row["password_hash"].startswith("$argon2id$")


def test_a_password_asked_for_twice(environment: dict[str, str], tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    words = ("users", "create", "--username", "ann", "--email", "a@b.c")
    process = subprocess.Popen(
        [sys.executable, "-m", "talas", *words],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        cwd=tmp_path,
        start_new_session=True,
    )
    os.close(terminal)
    answers = [PASSWORD, "something else", PASSWORD, PASSWORD]
    shown, asked = b"", 0
    while select.select([controller], [], [], 60)[0]:
        try:
            chunk = os.read(controller, 1024)
        except OSError:
            break
        if not chunk:
            break
        shown += chunk
        prompts = len(re.findall(rb"Password: |confirmation: ", shown))
        if prompts > asked:
            os.write(controller, f"{answers[asked]}\n".encode())
            asked += 1
    assert process.wait(60) == 0, shown
    assert b"created ann (user" in shown
    assert PASSWORD.encode() not in shown
    os.close(controller)


def test_nobody_is_asked_where_nobody_is(users: Run) -> None:
    done = users("create", "--username", "ann", "--email", "a@b.c")
    assert done.returncode == 2
    assert "--password-stdin" in done.stderr


def test_one_way_to_give_the_password(users: Run) -> None:
    done = create(users, "ann", "--password-stdin")
    assert done.returncode == 2
    assert "not both" in done.stderr


def test_all_that_does_not_fit_is_told(users: Run) -> None:
    done = users("create", "--username", "a", "--email", "b", "--password", "c")
    sentence = refused(done)
    assert [part.split()[0] for part in sentence.split("; ")] == ["username", "email", "password"]


def test_what_is_taken_is_told(users: Run) -> None:
    create(users, "ann")
    assert refused(create(users, "ANN")) == "Username already exists and Email already exists"


def test_roles_and_statuses(users: Run) -> None:
    create(users, "root", "--role", "super_admin")
    create(users, "ann")
    for words, said in (
        (("set-role", "ann", "moderator"), "ann is now moderator"),
        (("set-role", "Ann@Example.com", "moderator"), "ann is already moderator"),
        (("suspend", "ANN"), "ann is now suspended"),
        (("suspend", "ann"), "ann is already suspended"),
        (("unsuspend", "ann"), "ann is now active"),
    ):
        done = users(*words)
        assert (done.returncode, done.stdout) == (0, f"{said}\n")
    assert refused(users("suspend", "nobody")) == "No account is named nobody"
    assert refused(users("suspend", "no\x1b[31mbody")).startswith("name must not contain")
    for words in (("suspend", "root"), ("set-role", "root", "user")):
        assert refused(users(*words)) == "The last active super_admin must stay"
    unknown = users("set-role", "ann", "king")
    assert unknown.returncode == 2
    assert "'moderator'" in unknown.stderr


def test_lists_are_plain_or_json(users: Run) -> None:
    assert users("list").stdout == ""
    assert json.loads(users("list", "--json").stdout) == []
    create(users, "root", "--role", "super_admin")
    create(users, "ann")
    users("suspend", "ann")
    rows = [line.split("\t") for line in users("list").stdout.splitlines()]
    assert [row[1:5] for row in rows] == [
        ["root", "root@example.com", "super_admin", "active"],
        ["ann", "ann@example.com", "user", "suspended"],
    ]
    accounts = json.loads(users("list", "--json").stdout)
    assert [account["id"] for account in accounts] == [1, 2]
    assert accounts[0].keys() == {"id", "username", "email", "role", "status", "created_at"}


async def test_every_act_is_audited(users: Run, database_url: str) -> None:
    create(users, "root", "--role", "super_admin")
    create(users, "ann")
    users("set-role", "ann", "admin")
    users("suspend", "ann")
    users("suspend", "ann")
    rows = await fetch(database_url, "SELECT * FROM audit_log ORDER BY id")
    assert [row["action"] for row in rows] == ["user.create"] * 2 + ["user.update"] * 2
    last: dict[str, Any] = dict(rows[-1])
    assert last["actor_id"] is None
    assert last["actor_name"].endswith("(command line)")
    assert (last["target_id"], last["address"]) == (2, "local")
    assert json.loads(last["before"]) == {"role": "admin", "status": "active"}
    assert json.loads(last["after"]) == {"role": "admin", "status": "suspended"}


def test_a_database_without_tables_is_one_sentence(
    users: Run, environment: dict[str, str], empty_database_url: str
) -> None:
    environment["DATABASE_URL"] = empty_database_url
    assert refused(users("list")).startswith("The database has no tables yet")


def test_a_database_that_is_away_is_one_sentence(users: Run, environment: dict[str, str]) -> None:
    environment["DATABASE_URL"] = "postgres://talas@127.0.0.1:1/talas"
    assert refused(users("list")).startswith("The database at DATABASE_URL cannot be used")
