"""``POST /auth/register``: who may be called what."""

from concurrent.futures import ThreadPoolExecutor

import asyncpg
import httpx
import pytest
from tests.builders.users import PASSWORD, create_user, login
from tests.servers import ApiProcess, error_of


def register(api: ApiProcess, **fields: str) -> httpx.Response:
    body = {"username": "fresh", "email": "fresh@example.com", "password": PASSWORD, **fields}
    return api.client.post("/auth/register", json=body)


def test_the_answer_is_the_seeds(api: ApiProcess) -> None:
    answer = register(api, username="john_doe", email="john@example.com")
    assert answer.status_code == 201
    body = answer.json()
    assert body["message"] == "User registered successfully"
    user_id = body["data"].pop("user_id")
    assert isinstance(user_id, int)
    assert body["data"] == {"username": "john_doe", "email": "john@example.com"}


def test_text_is_kept_as_sent_after_trimming(api: ApiProcess) -> None:
    answer = register(api, username=" Trimmed.Name \n", email="\tTrimmed@Example.com ")
    assert answer.json()["data"]["username"] == "Trimmed.Name"
    assert answer.json()["data"]["email"] == "Trimmed@Example.com"
    assert login(api.client, email="trimmed@EXAMPLE.com")


@pytest.mark.parametrize("username", ["abc", "A-_.", "...", "0" * 50])
def test_a_username_that_may_be(api: ApiProcess, username: str) -> None:
    assert register(api, username=username, email=f"{username}@b.c").status_code == 201


@pytest.mark.parametrize(
    "username",
    [
        *("", "ab", "a" * 51, "a b", "a\nb", "ab\0", "abc\x1f", "abc\r\n", "\u0430dmin", "a/b"),
        *("abcé", "ab\u200bc", "%41bc", "deleted:1", "<b>abc", "a@b", "ab\ufeffc", "１２３"),
    ],
)
def test_a_username_that_may_not_be(api: ApiProcess, username: str) -> None:
    answer = register(api, username=username)
    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["details"]] == ["username"]


@pytest.mark.parametrize(
    "email",
    ["a@b", "é@b.c", "a+b@c.de", "<a>@b.c", "a@[10.0.0.1]", "a" * 90 + "@example.c"],
)
def test_an_email_that_may_be(api: ApiProcess, email: str) -> None:
    name = f"mail{abs(hash(email))}"
    assert register(api, username=name, email=email).status_code == 201
    assert login(api.client, email=email)


@pytest.mark.parametrize(
    "email",
    [
        *("", "a", "a@", "@b.c", "a@@b.c", "a b@c.d", "a@b..c", "a@.c", "a@b.", "a@b.c\0"),
        *("a" * 93 + "@example", "a@b.c\u200b", "a\u202e@b.c", "a\x85b@c.d", "a@b.c\x0b"),
    ],
)
def test_an_email_that_may_not_be(api: ApiProcess, email: str) -> None:
    answer = register(api, username="never_made", email=email)
    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["details"]] == ["email"]


@pytest.mark.parametrize(
    ("first", "second"),
    [("a@fold.x", "A@FOLD.x"), ("é@fold.x", "É@fold.x"), ("ß@fold.x", "ẞ@fold.x")],
)
def test_an_email_is_taken_in_any_case(api: ApiProcess, first: str, second: str) -> None:
    name = f"fold{abs(hash(first))}"
    assert register(api, username=name, email=first).status_code == 201
    answer = register(api, username=f"{name}2", email=second)
    assert (answer.status_code, error_of(answer)) == (409, "Email already exists")
    assert login(api.client, email=second)


def test_letters_that_only_look_alike_are_different(api: ApiProcess) -> None:
    """Dotted and dotless I are two letters, and a sharp s is not two of them."""
    for number, email in enumerate(("i@tr.x", "ı@tr.x", "İ@tr.x", "ss@tr.x", "ß@tr.x")):
        assert register(api, username=f"alike{number}", email=email).status_code == 201


def test_what_is_taken_is_named(api: ApiProcess) -> None:
    register(api, username="taken", email="taken@example.com")
    for fields, sentence in (
        ({"username": "TAKEN"}, "Username already exists"),
        ({"email": "Taken@Example.com"}, "Email already exists"),
        (
            {"username": "taken", "email": "taken@example.com"},
            "Username already exists and Email already exists",
        ),
    ):
        answer = register(api, **{"username": "free", "email": "free@example.com", **fields})
        assert (answer.status_code, error_of(answer)) == (409, sentence)
        assert [detail["field"] for detail in answer.json()["details"]] == list(fields)


@pytest.mark.parametrize("length", [7, 129])
def test_a_password_too_short_or_too_long(api: ApiProcess, length: int) -> None:
    answer = register(api, password="é~zqPÖ9 " * 16 + "x" if length == 129 else "é~zqPÖ9")
    assert (answer.status_code, error_of(answer)) == (400, "password must be 8 to 128 characters")


@pytest.mark.parametrize("length", [8, 128])
def test_every_character_of_a_password_counts(api: ApiProcess, length: int) -> None:
    password = ("é~zq😀Ö9 " * 16)[:length]
    email = f"length{length}@example.com"
    assert register(api, username=f"length{length}", email=email, password=password).is_success
    assert login(api.client, email=email, password=password)
    for other in (password[:-1] + "x", password[:-1], password.strip(), password.upper()):
        body = {"email": email, "password": other}
        if other != password:
            assert api.client.post("/auth/login", json=body).status_code == 401


def test_a_password_of_spaces_needs_no_composition(api: ApiProcess) -> None:
    assert register(api, username="spaces", email="spaces@b.c", password=" " * 8).is_success


@pytest.mark.parametrize(
    "password",
    [
        *("password", "PASSWORD1", "12345678", "qwertyuiop", "iloveyou", "football"),
        *("talas123", "Talas2024!", "talas-talas", "TALASTALAS", "myn.ame1", "MYN.AME1"),
        *("my@mail.example", "with\0nul!!", "with\x07bell", "with\x7fdelete"),
    ],
)
def test_a_password_that_is_refused(api: ApiProcess, password: str) -> None:
    answer = register(api, username="myn.ame1", email="my@mail.example", password=password)
    assert answer.status_code == 400
    assert [detail["field"] for detail in answer.json()["details"]] == ["password"]


def test_a_role_in_the_body_is_ignored(api: ApiProcess) -> None:
    body = {
        "username": "climber",
        "email": "climber@example.com",
        "password": PASSWORD,
        "role": "super_admin",
        "status": "active",
        "id": 1,
    }
    assert api.client.post("/auth/register", json=body).status_code == 201
    token = login(api.client, email="climber@example.com")["access_token"]
    assert api.client.get("/auth/me", token=token).json()["data"]["role"] == "user"


@pytest.mark.parametrize("round_number", range(4))
def test_of_many_at_once_one_gets_the_name(api: ApiProcess, round_number: int) -> None:
    spelling = f"Race{round_number}"
    names = [spelling, spelling.lower(), spelling.upper()] * 4

    def attempt(number: int) -> int:
        email = f"race{round_number}-{number % 3}@example.com"
        return register(api, username=names[number], email=email).status_code

    with ThreadPoolExecutor(12) as pool:
        assert sorted(pool.map(attempt, range(12))) == [201] + [409] * 11


def test_concurrent_registrations_of_one_email(api: ApiProcess) -> None:
    def attempt(number: int) -> int:
        email = "Shared@Example.com" if number % 2 else "shared@example.com"
        return register(api, username=f"shared{number}", email=email).status_code

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [201] + [409] * 7


async def test_passwords_are_kept_as_argon2id(api: ApiProcess) -> None:
    user = create_user(api)
    conn = await asyncpg.connect(api.database_url)
    try:
        kept = await conn.fetchval("SELECT password_hash FROM users WHERE id = $1", user.id)
    finally:
        await conn.close()
    algorithm, _, costs = kept.strip("$").split("$")[:3]
    memory, passes, lanes = (int(cost.partition("=")[2]) for cost in costs.split(","))
    assert algorithm == "argon2id"
    assert memory >= 19 * 1024
    assert (passes, lanes) == (2, 1)
    assert user.password not in kept
