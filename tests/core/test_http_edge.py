"""Request ids, authorization headers, methods, paths and origins, as bytes on a socket."""

import json
import re

import pytest
from tests.builders.users import Account, create_user
from tests.raw_http import Answer, exchange, send
from tests.servers import ORIGIN, ApiProcess

ME = "/api/v1/auth/me"
MISSING, INVALID = "Missing authorization header", "Invalid token"


@pytest.fixture(scope="module")
def user(api: ApiProcess) -> Account:
    return create_user(api)


def error(answer: Answer) -> str:
    body = json.loads(answer.body)
    assert body["success"] is False
    assert body.keys() == {"success", "error", "code"}
    return str(body["error"])


@pytest.mark.parametrize("given", ["abc-1.2_3", "a", "a" * 64])
def test_a_sane_request_id_comes_back(api: ApiProcess, given: str) -> None:
    answer = send(api.address, "GET", "/health", headers=[f"X-Request-ID: {given}"])
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["a" * 65, "a" * 300, "é", "a b", "", "a/b", "<b>", "a\tb"])
def test_an_insane_request_id_is_replaced(api: ApiProcess, given: str) -> None:
    answer = send(api.address, "GET", "/health", headers=[f"X-Request-ID: {given}"])
    assert answer.status == 200
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])


def test_a_request_id_cannot_add_a_header(api: ApiProcess) -> None:
    answer = send(api.address, "GET", "/health", headers=["X-Request-ID: a\rX-Evil: 1"])
    assert "x-evil" not in answer.headers


def test_failures_have_a_request_id_too(api: ApiProcess) -> None:
    for path in ("/nowhere", ME):
        assert send(api.address, "GET", path, headers=["X-Request-ID: mine"]).headers[
            "x-request-id"
        ] == ("mine")


@pytest.mark.parametrize("line", [[], ["Authorization:"], ["Authorization:    "]])
def test_no_authorization(api: ApiProcess, line: list[str]) -> None:
    answer = send(api.address, "GET", ME, headers=line)
    assert (answer.status, error(answer)) == (401, MISSING)
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_the_scheme_may_be_written_in_any_case(api: ApiProcess, user: Account, scheme: str) -> None:
    answer = send(api.address, "GET", ME, headers=[f"Authorization: {scheme} {user.token}"])
    assert answer.status == 200


@pytest.mark.parametrize(
    "lines",
    [
        ["Authorization: Bearer"],
        ["Authorization: Bearer "],
        ["Authorization: Basic YTpi"],
        ["Authorization: {token}"],
        ["Authorization: Token {token}"],
        [b"Authorization: Bearer \xe9\xff"],
        ["Authorization: Bearer é"],
        ["Authorization: Bearer {token} x"],
        ["Authorization: Bearer {token}, Bearer x"],
        ["Authorization: Bearer " + "a" * 20_000],
        ["Authorization: Bearer {token}", "Authorization: Bearer {token}"],
        ["Authorization: Bearer {token}", "Authorization: Bearer x"],
        ["Authorization: Bearer x", "Authorization: Bearer {token}"],
    ],
)
def test_any_other_authorization_is_an_invalid_token(
    api: ApiProcess, user: Account, lines: list[str | bytes]
) -> None:
    sent = [
        line.replace("{token}", user.token) if isinstance(line, str) else line for line in lines
    ]
    answer = send(api.address, "GET", ME, headers=sent)
    assert (answer.status, error(answer)) == (401, INVALID)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", ME, "GET, HEAD, OPTIONS"),
        ("FOO", ME, "GET, HEAD, OPTIONS"),
        ("get", ME, "GET, HEAD, OPTIONS"),
        ("TRACE", ME, "GET, HEAD, OPTIONS"),
        ("GET", "/api/v1/auth/login", "OPTIONS, POST"),
        ("POST", "/api/v1/users/1", "GET, HEAD, OPTIONS"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("PATCH", "/api/v1/users/me", "DELETE, GET, HEAD, OPTIONS, PUT"),
    ],
)
def test_another_method_gets_405_with_allow(
    api: ApiProcess, method: str, path: str, allow: str
) -> None:
    answer = send(api.address, method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allow)
    assert error(answer) == f"{method} is not allowed here; allowed: {allow}"


@pytest.mark.parametrize("path", ["/health", "/ready", "/openapi.json", "/docs", ME])
def test_head_answers_as_get_without_a_body(api: ApiProcess, user: Account, path: str) -> None:
    line = [f"Authorization: Bearer {user.token}"]
    got, head = (send(api.address, method, path, headers=line) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == got.headers[name]


def test_options_says_what_is_allowed(api: ApiProcess) -> None:
    answer = send(api.address, "OPTIONS", "/api/v1/auth/login")
    assert (answer.status, answer.headers["allow"]) == (204, "OPTIONS, POST")


@pytest.mark.parametrize("path", [f"{ME}/", "/api/v1//auth/me", "/api/v1/%61uth/me", f"{ME}?x=%00"])
def test_paths_that_mean_the_same(api: ApiProcess, user: Account, path: str) -> None:
    line = [f"Authorization: Bearer {user.token}"]
    assert send(api.address, "GET", path, headers=line).status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/api/v1", "/api/v1/", "/api/v1/nowhere", "/api/v2/auth/me", "/api/v1/auth/ME"),
        *(f"{ME}%00", f"{ME}%20", f"{ME}/x", "/api/v1/auth/mé", "/api/v1/../v1/auth/me", "*"),
        *("/api/v1/users/%0d%0aSet-Cookie:x", "/uploads/avatars/..%2f..%2fetc%2fpasswd"),
    ],
)
def test_anything_else_is_not_found(api: ApiProcess, user: Account, path: str) -> None:
    line = [f"Authorization: Bearer {user.token}"]
    answer = send(api.address, "GET", path, headers=line)
    assert (answer.status, error(answer)) == (404, "Not found")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /health\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(api: ApiProcess, request_bytes: bytes) -> None:
    assert exchange(api.address, request_bytes).status == 400


def test_too_many_headers_are_refused(api: ApiProcess) -> None:
    lines = [f"X-{number}: 1" for number in range(500)]
    assert send(api.address, "GET", "/health", headers=lines).status == 431


class TestOrigins:
    """CORS."""

    ASK = ("Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: authorization")

    @pytest.mark.parametrize("path", ["/health", ME, "/nowhere"])
    def test_a_listed_origin_may_read(self, api: ApiProcess, path: str) -> None:
        answer = send(api.address, "GET", path, headers=[f"Origin: {ORIGIN}"])
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["vary"] == "Origin"
        readable = answer.headers["access-control-expose-headers"].split(", ")
        assert {"x-request-id", "etag", "content-disposition"} <= {*readable}
        assert "access-control-allow-credentials" not in answer.headers

    def test_a_listed_origin_may_ask_before(self, api: ApiProcess) -> None:
        sent = [f"Origin: {ORIGIN}", *self.ASK]
        answer = send(api.address, "OPTIONS", "/api/v1/users/me", headers=sent)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "PUT" in answer.headers["access-control-allow-methods"]
        sendable = answer.headers["access-control-allow-headers"].split(", ")
        conditions = {"if-match", "if-none-match", "if-range", "range"}
        assert {"authorization", "idempotency-key", *conditions} <= {*sendable}

    @pytest.mark.parametrize(
        "origin",
        [
            *("null", "", "*", "http://localhost", "http://localhost:30000", f"{ORIGIN}/"),
            *("https://localhost:3000", "http://evil.localhost:3000", f"{ORIGIN}.evil.com"),
            *("http://localhost:3000@evil.com", "HTTP://LOCALHOST:3000", f"{ORIGIN} null"),
        ],
    )
    def test_no_other_origin_may(self, api: ApiProcess, origin: str) -> None:
        plain = send(api.address, "GET", "/health", headers=[f"Origin: {origin}"])
        asked = send(api.address, "OPTIONS", ME, headers=[f"Origin: {origin}", *self.ASK])
        assert (plain.status, asked.status) == (200, 403)
        for answer in (plain, asked):
            assert not [name for name in answer.headers if name.startswith("access-control")]
            assert answer.headers["vary"] == "Origin"

    def test_a_cache_learns_that_the_origin_matters(self, api: ApiProcess) -> None:
        assert send(api.address, "GET", "/health").headers["vary"] == "Origin"


def test_figures_name_their_character_set_once(api: ApiProcess) -> None:
    """A scraper may refuse a parameter that comes twice."""
    answer = send(api.address, "GET", "/metrics")
    assert answer.headers["content-type"].count("charset=utf-8") == 1
    assert answer.headers["content-type"].startswith("text/plain; version=")
