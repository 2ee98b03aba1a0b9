"""How often a password may be guessed, by account and by address."""

import contextlib
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from tests.builders.users import PASSWORD, Account, create_user, login, session_lives
from tests.servers import ApiProcess, Client, api_process, error_of


class Visitor:
    """Somebody with an address of their own."""

    _numbers = itertools.count(2)

    def __init__(self, process: ApiProcess) -> None:
        self.database_url = process.database_url
        self.client = Client(process.url, address=f"127.0.0.{next(self._numbers)}")


@pytest.fixture(scope="module")
def process(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Rate limits on, as they are by default."""
    folder: Path = tmp_path_factory.mktemp("limited")
    with api_process(module_database_url, folder, RATE_LIMITS="on") as process:
        yield process


@pytest.fixture
def limited(process: ApiProcess) -> Iterator[Visitor]:
    visitor = Visitor(process)
    yield visitor
    visitor.client.close()


def guess(api: Visitor, email: str, password: str = "wrong") -> httpx.Response:
    return api.client.post("/auth/login", json={"email": email, "password": password})


async def age_failures(api: Visitor, interval: str) -> None:
    conn = await asyncpg.connect(api.database_url)
    try:
        await conn.execute(f"UPDATE login_failures SET failed_at = failed_at - {interval}")
    finally:
        await conn.close()


async def test_five_failures_close_an_account_for_half_an_hour(limited: Visitor) -> None:
    user = create_user(limited)
    spellings = [user.email, user.email.upper(), f" {user.email} ", user.email, user.email.title()]
    assert [guess(limited, spelling).status_code for spelling in spellings] == [401] * 5
    refused = guess(limited, user.email, PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert error_of(refused) == "Too many failed attempts; try again in 30 minutes"
    assert 1700 <= int(refused.headers["retry-after"]) <= 1801
    assert session_lives(limited.client, user.token), "a live session is never ended by it"
    other = create_user(limited)
    assert login(limited.client, email=other.email), "another account is not touched"
    await age_failures(limited, "interval '29 minutes'")
    assert guess(limited, user.email, PASSWORD).status_code == 429
    await age_failures(limited, "interval '61 seconds'")
    assert guess(limited, user.email, PASSWORD).status_code == 200


async def test_an_unknown_account_is_closed_alike(limited: Visitor) -> None:
    answers = [guess(limited, "stranger@b.c").status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]


async def test_ten_failures_close_an_address_for_a_minute(limited: Visitor) -> None:
    user = create_user(limited)
    answers = [guess(limited, f"nobody{number}@b.c") for number in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 61
    assert guess(limited, user.email, PASSWORD).status_code == 429
    assert session_lives(limited.client, user.token)
    await age_failures(limited, "interval '61 seconds'")
    assert guess(limited, user.email, PASSWORD).status_code == 200


async def test_a_success_forgets_the_failures_before_it(limited: Visitor) -> None:
    user = create_user(limited)
    for _ in range(2):
        assert [guess(limited, user.email).status_code for _ in range(4)] == [401] * 4
        assert guess(limited, user.email, PASSWORD).status_code == 200
        await age_failures(limited, "interval '61 seconds'")


def test_many_guesses_at_once_do_not_pass_together(limited: Visitor) -> None:
    user = create_user(limited)
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: guess(limited, user.email).status_code, range(20)))
    assert sorted(statuses) == [401] * 5 + [429] * 15


def test_nor_do_guesses_at_several_processes(
    process: ApiProcess, limited: Visitor, tmp_path: Path
) -> None:
    user = create_user(limited)
    with contextlib.ExitStack() as stack:
        others = [
            stack.enter_context(
                api_process(process.database_url, tmp_path / name, RATE_LIMITS="on")
            )
            for name in ("second", "third")
        ]
        visitors = [limited, *map(Visitor, others)]
        with ThreadPoolExecutor(21) as pool:
            answers = pool.map(lambda visitor: guess(visitor, user.email), visitors * 7)
            statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [401] * 5 + [429] * 16


def test_right_passwords_at_once_all_pass(limited: Visitor) -> None:
    user = create_user(limited)
    with ThreadPoolExecutor(20) as pool:
        answers = pool.map(lambda _: guess(limited, user.email, PASSWORD), range(20))
        assert [answer.status_code for answer in answers] == [200] * 20


def test_a_whole_ipv6_network_is_one_address(process: ApiProcess, tmp_path: Path) -> None:
    """Whoever has one address of a /64 has all of them."""
    trusting = {"RATE_LIMITS": "on", "TRUSTED_PROXIES": "127.0.0.0/8"}
    with api_process(process.database_url, tmp_path, **trusting) as proxied:

        def guess_from(address: str, number: int) -> int:
            body = {"email": f"nobody{number}@b.c", "password": "wrong"}
            headers = [("X-Forwarded-For", address)]
            return proxied.client.post("/auth/login", json=body, headers=headers).status_code

        near = [guess_from(f"2001:db8:0:1::{number:x}", number) for number in range(11)]
        assert near == [401] * 10 + [429]
        assert guess_from("2001:db8:0:2::1", 12) == 401


def _change(api: Visitor, user: Account) -> int:
    body = {"current_password": "wrong", "new_password": "another password"}
    return api.client.put("/users/password", json=body, token=user.token).status_code


def _delete(api: Visitor, user: Account) -> int:
    return api.client.delete("/users/me", json={"password": "x"}, token=user.token).status_code


@pytest.mark.parametrize("act", [_change, _delete])
def test_guesses_with_a_stolen_token_count_too(limited: ApiProcess, act) -> None:  # type: ignore[no-untyped-def]
    user = create_user(limited)
    assert [act(limited, user) for _ in range(6)] == [400] * 5 + [429]
    assert session_lives(limited.client, user.token)
