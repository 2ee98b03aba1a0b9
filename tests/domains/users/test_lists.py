"""Every page of the list of users, and every search of it, is what one would pick by hand."""

from typing import Any

import asyncpg
import msgspec
import pytest
from tests.api_fixtures import api, module_database_url
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

__all__ = ["api", "module_database_url"]

FIRST_NAMES = ("Zoé", "Ana", None, "ANABEL", "Ünal")
LAST_NAMES = ("Stone", None, "de la Cruz", "100%", "o_o")


class Known(msgspec.Struct):
    id: int
    username: str
    email: str
    first_name: str | None
    last_name: str | None

    def has(self, term: str) -> bool:
        name = " ".join(part for part in (self.first_name, self.last_name) if part is not None)
        return any(term.lower() in text.lower() for text in (self.username, self.email, name))


class House(msgspec.Struct):
    api: ApiProcess
    me: Account
    known: list[Known]

    def read(self, path: str, **query: Any) -> tuple[list[int], dict[str, int]]:
        answer = self.api.client.get(path, token=self.me.token, params=query)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        return [user["id"] for user in body["data"]], body["pagination"]

    def check_pages(self, path: str, expected: list[int], limit: int, **query: Any) -> None:
        for page in range(1, len(expected) // limit + 3):
            ids, pagination = self.read(path, page=page, limit=limit, **query)
            assert ids == expected[(page - 1) * limit : page * limit], (page, query)
            assert pagination == {
                "page": page,
                "limit": limit,
                "total": len(expected),
                "pages": -(-len(expected) // limit),
            }


@pytest.fixture(scope="module")
def house(api: ApiProcess) -> House:
    me = create_user(api, username="myself")
    return House(api, me, [Known(me.id, me.username, me.email, None, None)])


@pytest.fixture
async def people(house: House) -> House:
    """Of sixty every seventh is suspended."""
    if len(house.known) > 1:
        return house
    conn = await asyncpg.connect(house.api.database_url)
    for number in range(60):
        first_name = FIRST_NAMES[number % len(FIRST_NAMES)]
        last_name = LAST_NAMES[number % 3 + number % 2]
        username, email = f"Person.{number}", f"p{number * 37}@Example.org"
        status = "active" if number % 7 else "suspended"
        user_id = await conn.fetchval(
            "INSERT INTO users (username, email, password_hash, first_name, last_name, status) "
            "VALUES ($1, $2, '', $3, $4, $5) RETURNING id",
            *(username, email, first_name, last_name, status),
        )
        if status == "active":
            house.known.append(Known(user_id, username, email, first_name, last_name))
    await conn.close()
    return house


@pytest.mark.parametrize("limit", [1, 7, 20])
async def test_all_pages(people: House, limit: int) -> None:
    ids = [user.id for user in people.known]
    people.check_pages("/users", ids, limit)
    people.check_pages("/users/except-me", [one for one in ids if one != people.me.id], limit)


@pytest.mark.parametrize(
    "term",
    [
        *("a", "o_", "%", "ana", "ANA", "zoé stone", "ZOÉ", "ünal", "e st", "cruz", "la Cruz"),
        *("nobody", "person.1", "p3", "example.ORG", "Person.11p", "anabel100%", "0%", "mys"),
    ],
)
async def test_searches(people: House, term: str) -> None:
    found = [user.id for user in people.known if user.has(term)]
    people.check_pages("/users", found, 5, search=term)


async def test_who_is_suspended_leaves_the_list(people: House) -> None:
    gone = create_user(people.api)
    before = people.read("/users", search=gone.username)
    assert before[0] == [gone.id]
    total = people.read("/users")[1]["total"]
    conn = await asyncpg.connect(people.api.database_url)
    await conn.execute("UPDATE users SET status = 'suspended' WHERE id = $1", gone.id)
    await conn.close()
    assert people.read("/users", search=gone.username)[0] == []
    assert people.read("/users")[1]["total"] == total - 1
