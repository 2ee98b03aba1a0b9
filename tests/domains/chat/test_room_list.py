"""Every page of the list of rooms is what one would pick by hand."""

from typing import Any

import asyncpg
import msgspec
import pytest
from tests.builders.users import Account, create_user
from tests.servers import ApiProcess

INSERT_ROOM = """
INSERT INTO rooms (name, name_key, description, is_private)
VALUES ($1::TEXT, lower($1::TEXT), $2, $3)
RETURNING id
"""
INSERT_MEMBER = "INSERT INTO room_members (room_id, user_id) VALUES ($1, $2)"
DESCRIPTIONS = ("Talk of SYNTHS", None, "100% drums", "été_noir")


class Known(msgspec.Struct):
    id: int
    name: str
    description: str | None
    is_private: bool
    members: set[int]

    def has(self, term: str) -> bool:
        return any(term.lower() in text.lower() for text in (self.name, self.description or ""))


class House(msgspec.Struct):
    api: ApiProcess
    ann: Account
    bob: Account
    known: list[Known] = []

    def check_pages(self, viewer: Account, limit: int, **query: Any) -> None:
        expected = [
            (room.id, len(room.members))
            for room in self.known
            if (not room.is_private or viewer.id in room.members)
            and room.has(query.get("search", ""))
        ]
        for page in range(1, len(expected) // limit + 3):
            asked = {"page": page, "limit": limit, **query}
            answer = self.api.client.get("/chat/rooms", token=viewer.token, params=asked)
            assert answer.status_code == 200, answer.text
            body = answer.json()
            listed = [(room["id"], room["member_count"]) for room in body["data"]]
            assert listed == expected[(page - 1) * limit : page * limit], asked
            assert body["pagination"]["total"] == len(expected)


@pytest.fixture(scope="module")
def accounts(api: ApiProcess) -> House:
    return House(api, create_user(api), create_user(api))


@pytest.fixture
async def house(accounts: House) -> House:
    """Forty rooms, of which every third is private; Ann is in every second, Bob in every fifth."""
    if accounts.known:
        return accounts
    conn = await asyncpg.connect(accounts.api.database_url)
    await conn.execute("DELETE FROM rooms")
    for number in range(40):
        name, is_private = f"Room {number}", number % 3 == 0
        description = DESCRIPTIONS[number % len(DESCRIPTIONS)]
        room_id = await conn.fetchval(INSERT_ROOM, name, description, is_private)
        members = {
            account.id
            for account, every in ((accounts.ann, 2), (accounts.bob, 5))
            if number % every == 0
        }
        for member in members:
            await conn.execute(INSERT_MEMBER, room_id, member)
        accounts.known.append(Known(room_id, name, description, is_private, members))
    await conn.close()
    return accounts


@pytest.mark.parametrize("limit", [1, 7, 30])
async def test_all_pages(house: House, limit: int) -> None:
    house.check_pages(house.ann, limit)
    house.check_pages(house.bob, limit)


@pytest.mark.parametrize("term", ["1", "%", "_n", "room 1", "SYNTH", "ÉTÉ", "0% d", "room 1talk"])
async def test_searches(house: House, term: str) -> None:
    house.check_pages(house.ann, 4, search=term)
    house.check_pages(house.bob, 4, search=term)


async def test_members_who_leave_are_not_counted(house: House) -> None:
    conn = await asyncpg.connect(house.api.database_url)
    await conn.execute("DELETE FROM room_members WHERE user_id = $1", house.bob.id)
    await conn.close()
    for room in house.known:
        room.members.discard(house.bob.id)
    house.check_pages(house.ann, 20)
    house.check_pages(house.bob, 20)
