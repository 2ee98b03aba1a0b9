"""Profiles, one's own and others': lists, search, changes."""

from typing import Any

import asyncpg
import pytest
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess


@pytest.fixture
def user(api: ApiProcess) -> Account:
    return create_user(api)


def me(api: ApiProcess, user: Account) -> dict[str, Any]:
    profile: dict[str, Any] = api.client.get("/users/me", token=user.token).json()["data"]
    return profile


def change(api: ApiProcess, user: Account, **fields: Any) -> Any:
    return api.client.put("/users/me", json=fields, token=user.token)


def test_auth_me_and_users_me_are_the_same(api: ApiProcess, user: Account) -> None:
    first, second = (api.client.get(f"/{part}/me", token=user.token) for part in ("auth", "users"))
    assert first.json() == second.json()
    assert list(first.json()["data"]) == [
        *("id", "username", "email", "role", "first_name", "last_name", "bio", "avatar"),
        *("created_at", "updated_at"),
    ]


def test_a_change_answers_with_the_seeds_fields(api: ApiProcess, user: Account) -> None:
    answer = change(api, user, first_name="John", last_name="Smith", bio="Updated bio").json()
    assert answer == {
        "success": True,
        "message": "Profile updated successfully",
        "data": {
            "id": user.id,
            "username": user.username,
            "first_name": "John",
            "last_name": "Smith",
            "bio": "Updated bio",
        },
    }


def test_only_what_is_carried_changes_and_null_clears(api: ApiProcess, user: Account) -> None:
    change(api, user, first_name="Ann", last_name="Lee", bio="Hi")
    change(api, user, last_name="Mai")
    change(api, user, bio=None)
    change(api, user)
    profile = me(api, user)
    assert [profile[name] for name in ("first_name", "last_name", "bio")] == ["Ann", "Mai", None]


def test_text_is_trimmed_and_else_kept(api: ApiProcess, user: Account) -> None:
    bio = "<script>alert(1)</script>\n\tline two — naïve 😀 &amp; \u200d"
    assert change(api, user, bio=f"  {bio}\n\n", first_name="").status_code == 200
    assert (me(api, user)["bio"], me(api, user)["first_name"]) == (bio, "")


@pytest.mark.parametrize(
    ("field", "fits", "too_long"),
    [("first_name", "é" * 50, 51), ("last_name", "é" * 50, 51), ("bio", "😀" * 2000, 2001)],
)
def test_lengths_are_in_characters(
    api: ApiProcess, user: Account, field: str, fits: str, too_long: int
) -> None:
    assert change(api, user, **{field: f" {fits} "}).status_code == 200
    assert me(api, user)[field] == fits
    answer = change(api, user, **{field: fits[0] * too_long})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (400, field)


@pytest.mark.parametrize("control", ["\0", "\x01", "\x08", "\x0b", "\x0c", "\r", "\x1b", "\x1f"])
@pytest.mark.parametrize("place", ["a{}b", "{}", "a{}", "{}a"])
def test_control_characters_are_refused(
    api: ApiProcess, user: Account, control: str, place: str
) -> None:
    answer = change(api, user, bio=place.format(control))
    assert answer.status_code == 400
    assert answer.json()["error"] == "bio must not contain control characters"


@pytest.mark.parametrize("value", [7, True, ["x"], {"a": 1}])
def test_a_name_is_text(api: ApiProcess, user: Account, value: Any) -> None:
    assert change(api, user, first_name=value).status_code == 400


def test_what_may_not_be_changed_is_ignored(api: ApiProcess, user: Account) -> None:
    before = me(api, user)
    answer = change(
        api,
        user,
        first_name="Climber",
        role="super_admin",
        status="suspended",
        id=1,
        user_id=1,
        username="root",
        email="root@example.com",
        password_hash="x",
        avatar="/etc/passwd",
        created_at="1999-01-01T00:00:00Z",
        unknown={"deep": [1]},
    )
    assert answer.status_code == 200
    after = me(api, user)
    assert after["first_name"] == "Climber"
    for name in ("id", "username", "email", "role", "avatar", "created_at"):
        assert after[name] == before[name]


def test_updated_at_moves(api: ApiProcess, user: Account) -> None:
    before = me(api, user)["updated_at"]
    change(api, user, bio="new")
    assert me(api, user)["updated_at"] > before


def test_another_sees_the_profile(api: ApiProcess, user: Account) -> None:
    change(api, user, first_name="Ann", bio="Hi")
    reader = create_user(api)
    shown = api.client.get(f"/users/{user.id}", token=reader.token).json()["data"]
    own = me(api, user)
    assert shown == {name: own[name] for name in shown}


@pytest.mark.parametrize("status", ["suspended", "deleted"])
async def test_suspended_and_deleted_accounts_are_not_there(
    api: ApiProcess, user: Account, status: str
) -> None:
    reader = create_user(api)
    conn = await asyncpg.connect(api.database_url)
    try:
        await conn.execute("UPDATE users SET status = $2 WHERE id = $1", user.id, status)
    finally:
        await conn.close()
    gone = api.client.get(f"/users/{user.id}", token=reader.token)
    never = api.client.get("/users/2147483647", token=reader.token)
    assert (gone.status_code, gone.content) == (404, never.content)
    for path in ("/users", "/users/except-me"):
        answer = api.client.get(f"{path}?search={user.username}", token=reader.token).json()
        assert user.id not in [row["id"] for row in answer["data"]]


class TestLists:
    def test_pages_are_exact(self, api: ApiProcess, user: Account) -> None:
        names = [f"paged-{user.id}-{number}" for number in range(5)]
        ids = [create_user(api, username=name).id for name in names]
        for limit, pages in ((2, 3), (5, 1), (100, 1)):
            seen: list[int] = []
            for page in range(1, pages + 1):
                query = f"search=paged-{user.id}-&page={page}&limit={limit}"
                answer = api.client.get(f"/users?{query}", token=user.token).json()
                assert answer["pagination"] == {
                    "page": page,
                    "limit": limit,
                    "total": 5,
                    "pages": pages,
                }
                seen += [row["id"] for row in answer["data"]]
            assert seen == ids

    def test_the_default_page(self, api: ApiProcess, user: Account) -> None:
        answer = api.client.get("/users", token=user.token).json()
        assert (answer["pagination"]["page"], answer["pagination"]["limit"]) == (1, 20)
        assert len(answer["data"]) == min(20, answer["pagination"]["total"])

    def test_except_me_is_the_list_without_me(self, api: ApiProcess, user: Account) -> None:
        query = f"search={user.username}&limit=100"
        create_user(api, username=f"{user.username}-friend")
        everyone, others = (
            api.client.get(f"{path}?{query}", token=user.token).json()
            for path in ("/users", "/users/except-me")
        )
        assert others["pagination"]["total"] == everyone["pagination"]["total"] - 1
        assert others["data"] == [row for row in everyone["data"] if row["id"] != user.id]

    @pytest.mark.parametrize("term", ["USERNAME", "MAIL.exa", "first", "LAST", "first last", "ÉÀ"])
    def test_search_looks_everywhere_and_ignores_case(self, api: ApiProcess, term: str) -> None:
        number = abs(hash(term))
        user = create_user(api, username=f"Username.{number}", email=f"Mail.Example{number}@b.c")
        change(api, user, first_name=f"{number}First", last_name=f"Last éà{number}")
        found = api.client.get("/users", params={"search": term}, token=user.token).json()["data"]
        assert user.id in [row["id"] for row in found]

    @pytest.mark.parametrize("wildcard", ["%", "_", "\\", "*", ".*", "a%b"])
    def test_wildcards_are_letters(self, api: ApiProcess, user: Account, wildcard: str) -> None:
        answer = api.client.get("/users", params={"search": f"{wildcard}?"}, token=user.token)
        assert answer.json()["data"] == []

    def test_an_empty_search_is_none(self, api: ApiProcess, user: Account) -> None:
        bare, empty = (
            api.client.get(f"/users{query}", token=user.token).json()["pagination"]["total"]
            for query in ("", "?search=%20")
        )
        assert bare == empty
