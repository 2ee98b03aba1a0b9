"""What stands behind a ``?`` is a value, for every parameter that the OpenAPI document names."""

from typing import Any

import pytest
from tests.builders.products import create_staff
from tests.builders.users import Account
from tests.openapi import filled
from tests.servers import ApiProcess, error_of

HOSTILE = [
    "' OR '1'='1' --",
    "'; DROP TABLE users; SELECT pg_sleep(9); --",
    "1) UNION SELECT password_hash FROM users --",
    "$1%s{0}:name%(x)s",
    "\\'; SELECT 1; --",
    "%_%_%_%",
    "(((((a+)+)+)+)+)$" * 4,
    "\u202e\U0001f600'\"`;/*",
]


@pytest.fixture(scope="module")
def root(api: ApiProcess) -> Account:
    return create_staff(api, role="super_admin")


def reads(api: ApiProcess) -> list[tuple[str, dict[str, dict[str, Any]]]]:
    """Paths of GET, with the schemas of their parameters in the query."""
    found = []
    for path, operations in api.client.document.paths.items():
        if "get" in operations:
            parameters = operations["get"].get("parameters", ())
            query = {p["name"]: p["schema"] for p in parameters if p["in"] == "query"}
            found.append((path.removeprefix("/api/v1"), query))
    return found


def test_every_parameter_takes_hostile_text_for_text(api: ApiProcess, root: Account) -> None:
    """A statement that slept as it was told to would be cancelled, and answered with 503. Where
    words are listed, the refusal names them."""
    tried = 0
    for path, query in reads(api):
        for name, schema in query.items():
            if name == "token":
                continue
            for text in HOSTILE:
                sent = {"q": "a", name: text} if "q" in query else {name: text}
                answer = api.client.get(filled(path), token=root.token, params=sent)
                assert answer.status_code in (200, 400, 404), (path, name, text)
                if "enum" in schema and answer.status_code == 400:
                    assert all(word in error_of(answer) for word in schema["enum"]), answer.text
                tried += 1
    assert tried > 100
    assert api.client.get("/users/me", token=root.token).status_code == 200


def test_no_page_holds_more_than_its_bound(api: ApiProcess, root: Account) -> None:
    """100, but 200 messages of a history and 50 results of a search."""
    bounds = {}
    for path, query in reads(api):
        if "limit" not in query:
            assert "page" not in query, path
            continue
        most = bounds[path] = query["limit"]["maximum"]
        required = {"q": "a"} if "q" in query else {}
        for limit in (most + 1, 0, -1, 10**9):
            sent = {**required, "limit": limit}
            answer = api.client.get(filled(path), token=root.token, params=sent)
            # A path with an id may find nothing before it looks at the limit.
            assert answer.status_code == 400 or ("{" in path and answer.status_code == 404), path
    histories = {path for path, most in bounds.items() if most > 100}
    assert histories <= {"/chat/rooms/{room}/messages", "/chat/dm/{user_id}"}
    assert all(bounds[path] == 200 for path in histories)
    assert len(bounds) > 10
