"""``/notifications`` over HTTP: what is listed, counted, and marked as read."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest
from tests.builders.chat import create_room, unique_name
from tests.builders.notifications import say_and_tell
from tests.builders.users import Account
from tests.domains.notifications.conftest import MakePerson
from tests.servers import ApiProcess, error_of

from talas.domains.notifications.service import delete_old


async def listed(api: ApiProcess, person: Account, query: str = "") -> dict[str, Any]:
    answer = await asyncio.to_thread(api.client.get, f"/notifications{query}", token=person.token)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def unread(api: ApiProcess, person: Account) -> int:
    path = "/notifications/unread-count"
    answer = await asyncio.to_thread(api.client.get, path, token=person.token)
    return int(answer.json()["data"]["unread"])


async def put(api: ApiProcess, person: Account, path: str, **more: Any) -> httpx.Response:
    return await asyncio.to_thread(api.client.put, path, token=person.token, **more)


async def test_newest_first_with_who_where_and_what(
    api: ApiProcess, db: asyncpg.Connection, person: MakePerson
) -> None:
    ada, bob = person(), person()
    name = unique_name("studio")
    room_id = await create_room(db, name, members=(bob.id,))
    dm = await say_and_tell(db, ada.id, "One\ntwo", to_user=bob.id)
    mention = await say_and_tell(db, ada.id, "é" * 300, room_id=room_id, mentions=(bob.id,))
    body = await listed(api, bob)
    assert body["pagination"] == {"page": 1, "limit": 20, "total": 2, "pages": 1}
    newest, oldest = body["data"]
    assert newest["kind"] == "mention"
    assert newest["from"] == {"id": ada.id, "username": ada.username}
    assert newest["room"] == name
    excerpt = "é" * 199 + "…"
    assert newest["message"] == {"id": mention.message_id, "seq": 1, "excerpt": excerpt}
    assert newest["read_at"] is None
    assert (oldest["kind"], oldest["room"]) == ("dm", None)
    assert oldest["message"] == {"id": dm.message_id, "seq": 1, "excerpt": "One\ntwo"}
    assert (await listed(api, ada))["data"] == []


async def test_pages_and_what_was_not_read(
    api: ApiProcess, db: asyncpg.Connection, person: MakePerson
) -> None:
    ada, bob = person(), person()
    for number in range(5):
        await say_and_tell(db, ada.id, str(number), to_user=bob.id)
    ids = [one["id"] for one in (await listed(api, bob))["data"]]
    assert (await put(api, bob, f"/notifications/{ids[1]}/read")).status_code == 200
    body = await listed(api, bob, "?unread=true&limit=3&page=2")
    assert [one["id"] for one in body["data"]] == [ids[4]]
    assert body["pagination"] == {"page": 2, "limit": 3, "total": 4, "pages": 2}
    body = await listed(api, bob, "?unread=false&limit=2&page=3")
    assert [one["id"] for one in body["data"]] == [ids[4]]
    assert body["pagination"]["total"] == 5
    assert (await listed(api, bob, "?page=2000000000"))["data"] == []


async def test_reading_one_several_and_all(
    api: ApiProcess, db: asyncpg.Connection, person: MakePerson
) -> None:
    ada, bob = person(), person()
    for _ in range(6):
        await say_and_tell(db, ada.id, to_user=bob.id)
    ids = [one["id"] for one in (await listed(api, bob))["data"]]
    assert await unread(api, bob) == 6
    for _ in range(2):
        assert (await put(api, bob, f"/notifications/{ids[0]}/read")).status_code == 200
        assert await unread(api, bob) == 5
    first = (await listed(api, bob))["data"][0]["read_at"]
    await put(api, bob, f"/notifications/{ids[0]}/read")
    assert (await listed(api, bob))["data"][0]["read_at"] == first, "it was read once"
    answer = await put(api, bob, "/notifications/read", json={"up_to": ids[3]})
    assert answer.status_code == 200
    assert await unread(api, bob) == 2
    await put(api, bob, "/notifications/read", json={"up_to": 10**30})
    assert await unread(api, bob) == 0
    await say_and_tell(db, ada.id, to_user=bob.id)
    answers = await asyncio.gather(*(put(api, bob, "/notifications/read", json={}) for _ in "12"))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert await unread(api, bob) == 0


async def test_many_unread_are_counted_up_to_a_bound_and_read_at_once(
    api: ApiProcess, db: asyncpg.Connection, person: MakePerson
) -> None:
    ada, bob = person(), person()
    await db.execute(
        "INSERT INTO notifications (user_id, kind, actor_id) "
        "SELECT $1, 'invitation', $2 FROM generate_series(1, 12000)",
        bob.id,
        ada.id,
    )
    assert await unread(api, bob) == 1000
    assert (await listed(api, bob, "?unread=true"))["pagination"]["total"] == 12_000
    await put(api, bob, "/notifications/read", json={})
    assert await unread(api, bob) == 0


async def test_somebody_elses_are_not_there(
    api: ApiProcess, db: asyncpg.Connection, person: MakePerson
) -> None:
    ada, bob, eve = person(), person(), person()
    await say_and_tell(db, ada.id, to_user=bob.id)
    [one] = (await listed(api, bob))["data"]
    theirs = await put(api, eve, f"/notifications/{one['id']}/read")
    nobodys = await put(api, eve, "/notifications/2000000000/read")
    assert (theirs.status_code, theirs.text) == (404, nobodys.text)
    await put(api, eve, "/notifications/read", json={"up_to": one["id"]})
    assert await unread(api, bob) == 1


@pytest.mark.parametrize("number", ["0", "-1", str(2**31), str(2**63 - 1), str(2**63), "9" * 400])
async def test_numbers_that_are_no_id(api: ApiProcess, person: MakePerson, number: str) -> None:
    answer = await put(api, person(), f"/notifications/{number}/read")
    assert answer.status_code == 404


@pytest.mark.parametrize("body", ['{"up_to": 0}', '{"up_to": "1"}', '{"up_to": null}', "", "[]"])
async def test_bodies_that_are_none(api: ApiProcess, person: MakePerson, body: str) -> None:
    answer = await put(api, person(), "/notifications/read", content=body)
    assert answer.status_code == 400
    assert error_of(answer)


@pytest.mark.parametrize("query", ["unread=yes", "unread=", "page=0", "limit=101", "page=x"])
async def test_queries_that_are_none(api: ApiProcess, person: MakePerson, query: str) -> None:
    token = person().token
    answer = await asyncio.to_thread(api.client.get, f"/notifications?{query}", token=token)
    assert answer.status_code == 400
    assert query.partition("=")[0] in error_of(answer)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/notifications"),
        ("GET", "/notifications/unread-count"),
        ("PUT", "/notifications/1/read"),
        ("PUT", "/notifications/read"),
    ],
)
async def test_only_who_is_signed_in(api: ApiProcess, method: str, path: str) -> None:
    answer = await asyncio.to_thread(api.client.request, method, path, json={})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("change", "shows_room"),
    [
        ("DELETE FROM room_members WHERE room_id = $1", False),
        ("UPDATE rooms SET kind = 'deleted' WHERE id = $1", False),
        ("UPDATE messages SET deleted_at = now(), content = '' WHERE room_id = $1", True),
        ("UPDATE room_members SET joined_seq = 1 WHERE room_id = $1", True),
    ],
)
async def test_what_one_may_not_see_any_more(
    api: ApiProcess, db: asyncpg.Connection, person: MakePerson, change: str, shows_room: bool
) -> None:
    ada, bob = person(), person()
    name = unique_name("secret")
    room_id = await create_room(db, name, private=True, members=(ada.id, bob.id))
    await db.execute("UPDATE rooms SET history = 'joining' WHERE id = $1", room_id)
    await say_and_tell(db, ada.id, "hidden words", room_id=room_id, mentions=(bob.id,))
    [before] = (await listed(api, bob))["data"]
    assert before["message"]["excerpt"] == "hidden words"
    await db.execute(change, room_id)
    [after] = (await listed(api, bob))["data"]
    assert after["message"] is None
    assert after["room"] == (name if shows_room else None)


async def test_old_ones_go(api: ApiProcess, db: asyncpg.Connection, person: MakePerson) -> None:
    ada, bob = person(), person()
    await db.execute(
        "INSERT INTO notifications (user_id, kind, actor_id, created_at) "
        "SELECT $1, 'invitation', $2, now() - make_interval(days => age) "
        "FROM unnest(array[89, 91]) AS age, generate_series(1, 6000)",
        bob.id,
        ada.id,
    )
    await delete_old(db)
    assert (await listed(api, bob))["pagination"]["total"] == 6000
