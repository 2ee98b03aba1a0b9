"""What bad input gets, everywhere: bodies, numbers, ids, query strings."""

import json
from typing import Any

import pytest
from tests.builders.users import PASSWORD, Account, create_user
from tests.raw_http import exchange, send
from tests.servers import ApiProcess, error_of

MEBIBYTE = 1024 * 1024
REGISTRATION = {"username": "somebody", "email": "somebody@example.com", "password": PASSWORD}


@pytest.fixture(scope="module")
def user(api: ApiProcess) -> Account:
    return create_user(api)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b'"text"',
        b"17",
        b"{",
        b"{}",
        b'{"username": NaN}',
        b'{"username":"abc","email":"a@b.c","password":"\xff\xfe"}',
        b'{"username":"ab\\ud800c","email":"a@b.c","password":"long enough"}',
        b'{"username":"abcd","email":"a@b.c","password":"long enough \\udfff"}',
        b"[" * 1000 + b"]" * 1000,
        b'{"x":' + b"[" * 1000 + b"]" * 1000 + b"}",
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"x":' + b'{"x":' * 100_000,
        b"\xef\xbb\xbf" + json.dumps(REGISTRATION).encode(),
        json.dumps(REGISTRATION).encode("utf-16"),
        json.dumps(REGISTRATION).encode() + b" trailing",
        b'{"username":"one","username":"somebody","email":"a@b.c","password":"x"}',
    ],
)
def test_a_body_that_does_not_fit(api: ApiProcess, body: bytes) -> None:
    answer = api.client.post("/auth/register", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_data")


@pytest.mark.parametrize("field", REGISTRATION)
@pytest.mark.parametrize("value", [None, 12345678, 1.5, True, ["somebody"], {"a": "b"}])
def test_a_field_of_another_type(api: ApiProcess, field: str, value: Any) -> None:
    answer = api.client.post("/auth/register", json={**REGISTRATION, field: value})
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == field


@pytest.mark.parametrize("value", ["true", 1, None])
def test_a_flag_is_true_or_false(api: ApiProcess, user: Account, value: Any) -> None:
    body = {"refresh_token": user.refresh_token, "rotate": value}
    answer = api.client.post("/auth/refresh", json=body)
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, "rotate")


def test_all_that_is_wrong_is_told_at_once(api: ApiProcess) -> None:
    answer = api.client.post(
        "/auth/register", json={"username": "a", "email": "b", "password": "c"}
    )
    fields = [detail["field"] for detail in answer.json()["details"]]
    assert fields == ["username", "email", "password"]
    assert error_of(answer) == answer.json()["details"][0]["message"]


def test_a_missing_field_is_named(api: ApiProcess) -> None:
    answer = api.client.post("/auth/login", json={"email": "a@b.c"})
    assert error_of(answer) == "password is required"


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("/auth/login", b"", "The body is empty; it must be JSON"),
        ("/auth/login", b"[]", "The body must be an object, not a list"),
        ("/auth/login", b"null", "The body must be an object, not null"),
        ("/auth/login", b'{"email": 7, "password": ""}', "email must be text, not a whole number"),
        (
            "/user-products",
            b'{"product_id": null}',
            "product_id must be a whole number, not null",
        ),
        (
            "/user-products",
            b'{"product_id": 1, "purchase_price": 1.5}',
            "purchase_price must be a whole number or null, not a fraction",
        ),
        (
            "/user-products",
            b'{"product_id": 1, "purchase_date": 20240115}',
            "purchase_date must be a date like 2024-01-15 or null, not a whole number",
        ),
        (
            "/user-products",
            b'{"product_id": 1, "purchase_date": "15.1.2024"}',
            "purchase_date must be a date like 2024-01-15",
        ),
        (
            "/auth/refresh",
            b'{"refresh_token": "x", "rotate": "yes"}',
            "rotate must be true or false, not text",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_words(
    api: ApiProcess, user: Account, path: str, body: bytes, sentence: str
) -> None:
    answer = api.client.post(path, content=body, token=user.token)
    assert (answer.status_code, error_of(answer)) == (400, sentence)


def test_the_largest_body_and_one_byte_more(api: ApiProcess) -> None:
    frame = len(b'{"x":""}')
    fits = b'{"x":"' + b"a" * (MEBIBYTE - frame) + b'"}'
    assert api.client.post("/auth/login", content=fits).status_code == 400
    answer = api.client.post("/auth/login", content=fits + b" ")
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_body_is_refused_by_what_it_announces(api: ApiProcess) -> None:
    line = f"Content-Length: {10 * MEBIBYTE}"
    assert send(api.address, "POST", "/api/v1/auth/login", headers=[line]).status == 413


def test_a_body_without_an_announced_length_is_counted(api: ApiProcess) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    request = head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 17
    assert exchange(api.address, request).status == 413


@pytest.mark.parametrize(
    "query",
    [
        *("page=0", "page=-1", "page=abc", "page=1e3", "page=1.0", "page=0x1", "page="),
        *("page=%D9%A1", "page=%20", "page=%201", "page=1%0A", "page=%2B1", "page=1_0"),
        *("page=1%00", f"page=1{'0' * 30}", f"page={'9' * 5000}", "page=2147483648"),
        *("limit=0", "limit=101", "limit=-1", "limit=1.5", "limit=%FF", "limit=true"),
        *("search=%00", "search=a%07b", f"search={'a' * 101}"),
    ],
)
@pytest.mark.parametrize("path", ["/users", "/users/except-me"])
def test_a_query_that_does_not_fit(api: ApiProcess, user: Account, path: str, query: str) -> None:
    answer = api.client.get(f"{path}?{query}", token=user.token)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize("query", ["page=2147483647&limit=100", "limit=1", "limit=100", "x=%00"])
def test_a_query_that_fits(api: ApiProcess, user: Account, query: str) -> None:
    assert api.client.get(f"/users?{query}", token=user.token).status_code == 200


@pytest.mark.parametrize(
    "spelling",
    [
        *("0", "-1", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808"),
        *("1" + "0" * 30, "1" * 5000, "1_0", "+{id}", "0{id}", "%20{id}", "{id}%20", "{id}%0A"),
        *("{id}.0", "{id}e0", "0x{id}", "-0", "abc", "%D9%A1", "%00", "%FF", "%20", "{id}%00"),
    ],
)
def test_an_id_that_names_nothing(api: ApiProcess, user: Account, spelling: str) -> None:
    for method, path in (("GET", "/users/"), ("DELETE", "/auth/sessions/"), ("GET", "/tracks/")):
        answer = api.client.request(
            method, path + spelling.replace("{id}", str(user.id)), token=user.token
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


HOSTILE = [
    *("'", "''", "\\", "%", "_", "%%", '"', "';--", "' OR '1'='1", "'; DROP TABLE users; --"),
    *("1; SELECT pg_sleep(9)", "') UNION SELECT password_hash FROM users --", "$1", "$$", "{}"),
    *("E'\\x00'", "/*", "*/", "\u2028", "\u202e", "\U0001f600", "a\nb", "a\tb", "&lt;", "<b>"),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(api: ApiProcess, user: Account, text: str) -> None:
    """Every string that reaches a statement from outside, as a parameter of it."""
    client, token = api.client, user.token
    found = client.get("/users", params={"search": f"{text}zz"}, token=token)
    assert (found.status_code, found.json()["data"]) == (200, [])
    kept = f"a{text}z"
    answer = client.put(
        "/users/me", json={"first_name": kept, "last_name": kept, "bio": kept}, token=token
    )
    assert answer.status_code == 200
    profile = client.get("/users/me", token=token).json()["data"]
    assert [profile[name] for name in ("first_name", "last_name", "bio")] == [kept] * 3
    found = client.get("/users", params={"search": kept.upper()}, token=token).json()["data"]
    assert user.id in [row["id"] for row in found]
    for attempt in ({"email": text, "password": text}, {"email": user.email, "password": text}):
        assert client.post("/auth/login", json=attempt).status_code == 401
    registration = {"username": f"ab {text}", "email": f"{text}@b.c", "password": PASSWORD}
    assert client.post("/auth/register", json=registration).status_code == 400
    headers = [("User-Agent", text.encode("unicode_escape").decode())]
    fresh = client.post(
        "/auth/login", json={"email": user.email, "password": PASSWORD}, headers=headers
    )
    assert fresh.status_code == 200
