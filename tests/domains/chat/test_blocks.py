"""Whom one has blocked."""

import asyncio

import asyncpg
from tests.builders.chat import Person
from tests.builders.messages import block, tell
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess


def blocked(api: ApiProcess, person: Person, **query: str) -> list[int]:
    answer = api.client.get("/users/me/blocks", token=person.token, params=query)
    assert answer.status_code == 200, answer.text
    return [user["id"] for user in answer.json()["data"]]


async def test_who_is_blocked_cannot_write(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()
    tell(api, bob, ann, "before")
    block(api, ann, bob)
    refused = api.client.post(f"/chat/dm/{ann.id}", json={"content": "x"}, token=bob.token)
    unknown = api.client.post("/chat/dm/2000000000", json={"content": "x"}, token=bob.token)
    assert refused.status_code == unknown.status_code == 404
    assert refused.json() == unknown.json()
    tell(api, ann, bob, "the other way")
    history = api.client.get(f"/chat/dm/{ann.id}", token=bob.token).json()["data"]
    assert [message["content"] for message in history] == ["before", "the other way"]
    answer = api.client.delete(f"/users/{bob.id}/block", token=ann.token)
    assert answer.status_code == 200
    tell(api, bob, ann, "after")


async def test_twice_is_once(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()

    def post(_number: int) -> int:
        return api.client.post(f"/users/{bob.id}/block", token=ann.token).status_code

    statuses = await asyncio.gather(*(asyncio.to_thread(post, n) for n in range(6)))
    assert set(statuses) == {201}
    assert blocked(api, ann) == [bob.id]
    for _ in range(2):
        assert api.client.delete(f"/users/{bob.id}/block", token=ann.token).status_code == 200
    assert blocked(api, ann) == []


async def test_oneself_and_nobody(api: ApiProcess, make_person: MakePerson) -> None:
    ann, gone = await make_person(), await make_person(status="suspended")
    assert api.client.post(f"/users/{ann.id}/block", token=ann.token).status_code == 400
    for user_id in (0, 2**31 - 1, 10**30, gone.id):
        for method in ("POST", "DELETE"):
            answer = api.client.request(method, f"/users/{user_id}/block", token=ann.token)
            assert (answer.status_code, answer.json()["error"]) == (404, "User not found")
    assert api.client.post(f"/users/{gone.id}/block").status_code == 401


async def test_the_list_has_pages(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    others = [await make_person() for _ in range(3)]
    for other in others:
        block(api, ann, other)
    newest_first = [other.id for other in reversed(others)]
    assert blocked(api, ann) == newest_first
    assert blocked(api, ann, limit="2", page="2") == newest_first[2:]
    first = api.client.get("/users/me/blocks", token=ann.token).json()
    assert first["pagination"]["total"] == 3
    assert first["data"][0].keys() == {"id", "username", "avatar", "blocked_at"}
    assert blocked(api, others[0]) == []
    await db.execute("UPDATE users SET status = 'deleted' WHERE id = $1", others[0].id)
    assert blocked(api, ann) == newest_first[:2]
