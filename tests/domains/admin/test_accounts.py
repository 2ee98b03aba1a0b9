"""Accounts, the dashboard and the audit log as those see them who administrate, over HTTP."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.builders.products import create_product, create_staff, run_sql
from tests.builders.users import Account, create_user, login, session_lives
from tests.servers import ApiProcess, error_of

ROLES = ("user", "moderator", "admin", "super_admin")
LOWER = {"user", "moderator"}


@pytest.fixture(scope="module")
def staff(api: ApiProcess) -> dict[str, Account]:
    """One of each role."""
    return {role: create_staff(api, role=role) for role in ROLES}


def change(api: ApiProcess, token: str, user_id: int, **body: Any) -> Any:
    return api.client.put(f"/admin/users/{user_id}", token=token, json=body)


@pytest.mark.parametrize("acting", ROLES)
def test_the_role_matrix(api: ApiProcess, staff: dict[str, Account], acting: str) -> None:
    """Actor x target x new role."""
    for present, future in itertools.product(ROLES, ROLES):
        target = create_staff(api, role=present)
        answer = change(api, staff[acting].token, target.id, role=future)
        allowed = acting == "super_admin" or (acting == "admin" and {present, future} <= LOWER)
        assert answer.status_code == (200 if allowed else 403), (acting, present, future)
        shown = api.client.get(f"/admin/users/{target.id}", token=staff["super_admin"].token)
        assert shown.json()["data"]["role"] == (future if allowed else present)


@pytest.mark.parametrize("acting", ["admin", "super_admin"])
@pytest.mark.parametrize("body", [{"role": "user"}, {"status": "suspended"}, {"role": "admin"}])
def test_nobody_changes_themselves(
    api: ApiProcess, staff: dict[str, Account], acting: str, body: dict[str, str]
) -> None:
    me = staff[acting]
    answer = change(api, me.token, me.id, **body)
    assert (answer.status_code, error_of(answer)) == (
        403,
        "Nobody changes their own role or status",
    )


def test_a_role_in_ones_own_profile_is_ignored(api: ApiProcess) -> None:
    me = create_user(api)
    body = {"role": "super_admin", "status": "active", "first_name": "Eve"}
    assert api.client.put("/users/me", token=me.token, json=body).status_code == 200
    assert api.client.get("/users/me", token=me.token).json()["data"]["role"] == "user"


def test_a_demotion_works_on_the_next_request(api: ApiProcess, staff: dict[str, Account]) -> None:
    admin = create_staff(api, role="admin")
    assert api.client.get("/admin/users", token=admin.token).status_code == 200
    assert change(api, staff["super_admin"].token, admin.id, role="user").status_code == 200
    assert api.client.get("/admin/users", token=admin.token).status_code == 403


def test_a_suspension_ends_what_is_open(api: ApiProcess, staff: dict[str, Account]) -> None:
    target = create_user(api)
    answer = change(api, staff["admin"].token, target.id, status="suspended")
    assert answer.json()["data"] == answer.json()["data"] | {"id": target.id, "status": "suspended"}
    assert not session_lives(api.client, target.token)
    body = {"refresh_token": target.refresh_token}
    assert api.client.post("/auth/refresh", json=body).status_code == 401
    body = {"email": target.email, "password": target.password}
    assert api.client.post("/auth/login", json=body).status_code == 403
    assert change(api, staff["admin"].token, target.id, status="active").status_code == 200
    login(api.client, email=target.email, password=target.password)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "king"}, "role"),
        ({"role": None}, "role"),
        ({"role": ""}, "role"),
        ({"status": "deleted"}, "status"),
        ({"status": "gone"}, "status"),
        ({"status": 1}, "status"),
    ],
)
def test_a_change_to_what_is_not(
    api: ApiProcess, staff: dict[str, Account], body: dict[str, Any], field: str
) -> None:
    target = create_user(api)
    answer = change(api, staff["super_admin"].token, target.id, **body)
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, field)


def test_no_change_is_no_error_and_leaves_no_trace(
    api: ApiProcess, staff: dict[str, Account]
) -> None:
    target = create_user(api)
    for body in ({}, {"role": "user"}, {"unknown": 1}):
        assert change(api, staff["admin"].token, target.id, **body).status_code == 200
    query = f"/admin/audit?target=user:{target.id}"
    answer = api.client.get(query, token=staff["super_admin"].token)
    assert (answer.json()["data"], answer.json()["pagination"]["total"]) == ([], 0)


@pytest.mark.parametrize("user_id", ["0", "2147483647", "2147483648", "9223372036854775808"])
def test_who_is_not_there(api: ApiProcess, staff: dict[str, Account], user_id: str) -> None:
    for method in ("GET", "PUT"):
        arguments = {"json": {"role": "user"}} if method == "PUT" else {}
        path, token = f"/admin/users/{user_id}", staff["super_admin"].token
        assert api.client.request(method, path, token=token, **arguments).status_code == 404


def test_many_change_one_at_once(api: ApiProcess, staff: dict[str, Account]) -> None:
    target = create_user(api)

    def act(number: int) -> int:
        body = {"role": ("moderator", "user")[number % 2]}
        status: int = change(api, staff["admin"].token, target.id, **body).status_code
        return status

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(act, range(50))) == {200}
    query = f"/admin/audit?target=user:{target.id}&limit=100"
    acts = api.client.get(query, token=staff["super_admin"].token).json()["data"]
    # Each act begins where the one before it ended.
    for later, earlier in itertools.pairwise(acts):
        assert later["before"]["role"] == earlier["after"]["role"]


def test_the_list_is_filtered(api: ApiProcess, staff: dict[str, Account]) -> None:
    token = staff["admin"].token
    name = f"findme{create_user(api).id}"
    person = create_user(api, username=name)
    other = create_user(api, username=f"{name}-two")
    assert change(api, token, other.id, status="suspended").status_code == 200
    for query, expected in (
        (f"search={name}", [person.id, other.id]),
        (f"search={name.upper()}&status=active", [person.id]),
        (f"search={name}&status=suspended", [other.id]),
        (f"search={name}&role=moderator", []),
        (f"search={name}&limit=1&page=2", [other.id]),
    ):
        answer = api.client.get(f"/admin/users?{query}", token=token).json()
        assert [row["id"] for row in answer["data"]] == expected, query
        if "page" not in query:
            assert answer["pagination"]["total"] == len(expected)
    for filters in ("role=admin", "status=suspended", "role=user&status=active", ""):
        answer = api.client.get(f"/admin/users?{filters}&limit=100", token=token).json()
        wanted = dict(pair.split("=") for pair in filters.split("&") if pair)
        assert all(row == row | wanted for row in answer["data"]), filters
        conditions = "".join(f" AND {name} = '{value}'" for name, value in wanted.items())
        count = run_sql(api, f"SELECT count(*) FROM users WHERE status <> 'deleted'{conditions}")
        assert answer["pagination"]["total"] == count[0][0]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("role=king", "role must be one of user, moderator, admin, super_admin"),
        ("role=", "role must be one of user, moderator, admin, super_admin"),
        ("status=deleted", "status must be one of active, suspended"),
    ],
)
def test_an_unknown_filter(
    api: ApiProcess, staff: dict[str, Account], query: str, sentence: str
) -> None:
    answer = api.client.get(f"/admin/users?{query}", token=staff["admin"].token)
    assert (answer.status_code, error_of(answer)) == (400, sentence)


@pytest.mark.parametrize("role", ["user", "moderator"])
def test_the_rest_is_for_administrators(
    api: ApiProcess, staff: dict[str, Account], role: str
) -> None:
    for path in ("/admin/dashboard", "/admin/users", f"/admin/users/{staff['user'].id}"):
        assert api.client.get(path, token=staff[role].token).status_code == 403


def test_the_dashboard_counts(api: ApiProcess, staff: dict[str, Account]) -> None:
    def shown() -> dict[str, int]:
        answer = api.client.get("/admin/dashboard", token=staff["admin"].token)
        assert answer.status_code == 200
        counts: dict[str, int] = answer.json()["data"]
        return counts

    before = shown()
    assert list(before) == [
        *("users_count", "products_count", "files_count", "tracks_count"),
        *("new_users_today", "active_sessions"),
    ]
    person = create_user(api)
    create_product(api, staff["admin"].token)
    assert shown() == before | {
        "users_count": before["users_count"] + 1,
        "products_count": before["products_count"] + 1,
        "new_users_today": before["new_users_today"] + 1,
        "active_sessions": before["active_sessions"] + 1,
    }
    api.client.post("/auth/logout", token=person.token)
    run_sql(api, "UPDATE users SET created_at = now() - interval '1 day' WHERE id = $1", person.id)
    after = shown()
    assert after["active_sessions"] == before["active_sessions"]
    assert after["new_users_today"] == before["new_users_today"]


def test_every_act_is_in_the_log(api: ApiProcess, staff: dict[str, Account]) -> None:
    chief, target = staff["super_admin"], create_user(api)
    change(api, staff["admin"].token, target.id, role="moderator")
    change(api, chief.token, target.id, status="suspended")

    def acts(query: str) -> list[dict[str, Any]]:
        answer = api.client.get(f"/admin/audit?{query}", token=chief.token)
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()["data"]
        assert answer.json()["pagination"]["total"] >= len(rows)
        return rows

    second, first = acts(f"target=user:{target.id}")
    assert second["after"] == {"role": "moderator", "status": "suspended"}
    assert first == first | {
        "actor_id": staff["admin"].id,
        "actor_name": staff["admin"].username,
        "action": "user.update",
        "target_type": "user",
        "target_id": target.id,
        "before": {"role": "user", "status": "active"},
        "after": {"role": "moderator", "status": "active"},
        "address": "127.0.0.1",
    }
    assert second in acts(f"actor={chief.id}&action=user.update&target=user")
    assert first not in acts(f"actor={chief.id}")
    assert acts(f"actor={chief.id}&action=tag.delete") == []
    everything = api.client.get("/admin/audit", token=chief.token).json()["pagination"]["total"]
    assert everything == run_sql(api, "SELECT count(*) FROM audit_log")[0][0]


@pytest.mark.parametrize(
    "query",
    ["actor=me", "actor=0", "action=dance", "target=car", "target=user:x", "target=user:0"],
)
def test_what_the_log_cannot_be_asked(
    api: ApiProcess, staff: dict[str, Account], query: str
) -> None:
    answer = api.client.get(f"/admin/audit?{query}", token=staff["super_admin"].token)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == query.partition("=")[0]


@pytest.mark.parametrize("role", ["user", "moderator", "admin"])
def test_the_log_is_for_super_admins(api: ApiProcess, staff: dict[str, Account], role: str) -> None:
    assert api.client.get("/admin/audit", token=staff[role].token).status_code == 403
