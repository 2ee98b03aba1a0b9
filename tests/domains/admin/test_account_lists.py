"""``GET /admin/users``: filters, search and pages agree with each other."""

import itertools
from typing import Any

import pytest
from tests.builders.admin import ROLES, create_account
from tests.builders.products import create_staff, run_sql
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

FIELDS = [
    *("id", "username", "email", "role", "status", "first_name", "last_name", "avatar"),
    *("created_at", "updated_at"),
]


@pytest.fixture(scope="module")
def admin(api: ApiProcess) -> Account:
    return create_staff(api)


def listed(api: ApiProcess, by: Account, **query: Any) -> list[dict[str, Any]]:
    answer = api.client.get("/admin/users", token=by.token, params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["data"]
    return rows


def walk(api: ApiProcess, by: Account, query: dict[str, str]) -> list[dict[str, Any]]:
    """All pages of a list, none of them longer than asked for, as many as announced."""
    rows: list[dict[str, Any]] = []
    for page in itertools.count(1):
        params = {**query, "page": page, "limit": 7}
        answer = api.client.get("/admin/users", token=by.token, params=params).json()
        rows += answer["data"]
        pagination = answer["pagination"]
        if page >= pagination["pages"]:
            assert pagination["total"] == len(rows)
            return rows
        assert len(answer["data"]) == 7
    raise AssertionError


def test_the_fields_of_an_account(api: ApiProcess, admin: Account) -> None:
    user = create_user(api)
    body = {"first_name": "<b>Ann</b>", "last_name": "Lee"}
    api.client.put("/users/me", json=body, token=user.token)
    [row] = listed(api, admin, search=user.username)
    assert list(row) == FIELDS
    assert (row["id"], row["email"]) == (user.id, user.email)
    assert (row["role"], row["status"]) == ("user", "active")
    assert (row["first_name"], row["last_name"]) == ("<b>Ann</b>", "Lee")
    one = api.client.get(f"/admin/users/{user.id}", token=admin.token).json()["data"]
    assert one == row


def test_filters_go_together_and_pages_are_exact(api: ApiProcess, admin: Account) -> None:
    kinds = list(itertools.product(ROLES, ("active", "suspended", "deleted")))
    ids = {
        (role, status): [
            create_account(api, role=role, status=status, username=f"kind-{role}-{status}-{number}")
            for number in range(3)
        ]
        for role, status in kinds
    }
    for role, status in itertools.product((None, *ROLES), (None, "active", "suspended")):
        expected = [
            user_id
            for kind, of_kind in ids.items()
            for user_id in of_kind
            if kind[1] != "deleted" and role in (None, kind[0]) and status in (None, kind[1])
        ]
        query = {"role": role, "status": status}
        query = {name: value for name, value in query.items() if value}
        found = listed(api, admin, search="kind-", **query)
        assert [row["id"] for row in found] == sorted(expected), query
        everybody = [row["id"] for row in walk(api, admin, query)]
        assert set(everybody) & {i for of_kind in ids.values() for i in of_kind} == set(expected)
        assert everybody == sorted(set(everybody))
    run_sql(api, "UPDATE users SET status = 'deleted' WHERE username LIKE 'kind-%'")


def test_beyond_the_last_page_there_is_nothing(api: ApiProcess, admin: Account) -> None:
    for query in ("", "&role=admin", "&search=user"):
        path = f"/admin/users?page=2147483647{query}"
        answer = api.client.get(path, token=admin.token).json()
        assert answer["data"] == []
        assert answer["pagination"]["total"] > 0


@pytest.mark.parametrize("term", ["%", "_", "\\", "' OR 1=1 --", "%%%", "___", "a%b"])
def test_wildcards_are_letters(api: ApiProcess, admin: Account, term: str) -> None:
    assert listed(api, admin, search=term) == []


@pytest.mark.parametrize("term", ["zw", "ZWEI", "zwei lee", "zWeI@exam"])
def test_search_looks_everywhere_and_ignores_case(
    api: ApiProcess, admin: Account, term: str
) -> None:
    user = create_user(api, email=f"zwei@example{abs(hash(term))}.com")
    body = {"first_name": "Zwei", "last_name": "Lee"}
    api.client.put("/users/me", json=body, token=user.token)
    assert user.id in [row["id"] for row in listed(api, admin, search=term)]
