"""Accounts made through the API, as people make them."""

import itertools
from typing import Protocol

import msgspec
from tests.servers import Client

_numbers = itertools.count(1)
PASSWORD = "correct horse battery"


class HasClient(Protocol):
    @property
    def client(self) -> Client: ...


class Account(msgspec.Struct):
    """``token`` is the access token of the first session."""

    id: int
    username: str
    email: str
    password: str
    token: str
    refresh_token: str


def create_user(
    api: HasClient,
    *,
    username: str | None = None,
    email: str | None = None,
    password: str = PASSWORD,
) -> Account:
    username = username or f"user{next(_numbers)}"
    email = email or f"{username}@example.com"
    body = {"username": username, "email": email, "password": password}
    answer = api.client.post("/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    tokens = login(api.client, email=email, password=password)
    return Account(
        id=answer.json()["data"]["user_id"],
        username=username,
        email=email,
        password=password,
        token=tokens["access_token"],
        refresh_token=tokens["refresh_token"],
    )


def login(client: Client, *, email: str, password: str = PASSWORD) -> dict[str, str]:
    """``access_token`` and ``refresh_token`` of a new session."""
    answer = client.post("/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()["data"]
    return tokens


def session_lives(client: Client, token: str) -> bool:
    answer = client.get("/auth/me", token=token)
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200
