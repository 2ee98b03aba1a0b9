"""How often one may ask: 429, when to come back, and no way around it."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.builders.users import create_user
from tests.servers import ORIGIN, ApiProcess, Client, api_process

_numbers = itertools.count(2)


@pytest.fixture(scope="module")
def limited(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiProcess]:
    folder: Path = tmp_path_factory.mktemp("limited")
    with api_process(module_database_url, folder, RATE_LIMITS="on") as process:
        yield process


class Visitor:
    """Somebody with an address of their own."""

    def __init__(self, process: ApiProcess) -> None:
        self.client = Client(process.url, address=f"127.0.1.{next(_numbers)}")


@pytest.fixture
def visitor(limited: ApiProcess) -> Iterator[Visitor]:
    visitor = Visitor(limited)
    yield visitor
    visitor.client.close()


def check_refusal(answer: httpx.Response) -> None:
    assert answer.status_code == 429
    assert answer.json()["code"] == "rate_limited"
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["x-request-id"]


def until_refused(
    ask: Callable[[int], httpx.Response], *, per_minute: int
) -> tuple[list[int], httpx.Response]:
    """Asks on until that is too much: what was answered before, and the refusal. More flows in
    while this goes on, however long that is."""
    began = time.monotonic()
    statuses: list[int] = []
    while (answer := ask(len(statuses))).status_code != 429:
        statuses.append(answer.status_code)
        assert len(statuses) <= per_minute * (1 + (time.monotonic() - began) / 60) + 1
    assert len(statuses) >= 0.95 * per_minute
    return statuses, answer


def test_a_stranger_may_ask_a_hundred_times_a_minute(visitor: Visitor) -> None:
    sent = [("Origin", ORIGIN)]
    statuses, refused = until_refused(
        lambda _: visitor.client.get("/auth/me", headers=sent), per_minute=100
    )
    assert set(statuses) == {401}
    check_refusal(refused)
    assert refused.headers["access-control-allow-origin"] == ORIGIN, "a page can read why"


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP"])
def test_another_address_cannot_be_claimed(visitor: Visitor, name: str) -> None:
    until_refused(
        lambda n: visitor.client.get("/auth/me", headers=[(name, f"198.51.100.{n % 250}")]),
        per_minute=100,
    )


def test_a_bad_token_makes_nobody_somebody(visitor: Visitor) -> None:
    until_refused(lambda n: visitor.client.get("/auth/me", token=f"x{n}"), per_minute=100)


def test_writes_are_counted_for_the_account_whatever_the_address(
    limited: ApiProcess, visitor: Visitor
) -> None:
    user, other = create_user(visitor), create_user(visitor)
    second = Visitor(limited)
    clients = (visitor.client, second.client)
    statuses, refused = until_refused(
        lambda n: clients[n % 2].put("/users/me", json={}, token=user.token), per_minute=200
    )
    second.client.close()
    assert set(statuses) == {200}
    check_refusal(refused)
    assert visitor.client.get("/users/me", token=user.token).status_code == 200, "reads go on"
    assert visitor.client.put("/users/me", json={}, token=other.token).status_code == 200


def test_a_listener_with_a_media_token_is_no_stranger(visitor: Visitor) -> None:
    """A page of pictures asks more often than a stranger may."""
    user = create_user(visitor)
    media = visitor.client.post("/auth/media-token", token=user.token).json()["data"]["token"]
    path = f"/uploads/avatars/{user.id}.jpg?token={media}"
    assert {visitor.client.get(path).status_code for _ in range(130)} == {404}


def test_probes_are_never_refused(visitor: Visitor) -> None:
    assert {visitor.client.get("/health").status_code for _ in range(130)} == {200}
