"""Read marks, and who learns of them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from tests.builders.chat import Person
from tests.builders.messages import add_member, block, open_room, say, tell
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess

Heard = list[dict[str, Any]]


@pytest.fixture
async def heard(module_database_url: str) -> AsyncIterator[Heard]:
    """What the chat processes are told that is not kept."""
    events: Heard = []

    def hear(_conn: object, _pid: int, _channel: str, payload: object) -> None:
        event = json.loads(str(payload))
        if event["topic"] == "chat.ephemeral":
            events.append(event)

    conn = await asyncpg.connect(module_database_url)
    await conn.add_listener("talas_chat", hear)
    yield events
    await conn.close()


async def heard_all(heard: Heard, count: int) -> None:
    """So many, and nothing more a moment later."""
    async with asyncio.timeout(60):
        while len(heard) < count:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)


def read(api: ApiProcess, person: Person, path: str, **body: Any) -> httpx.Response:
    return api.client.put(f"/chat/{path}/read", json=body, token=person.token)


def mark(api: ApiProcess, person: Person, path: str, **body: Any) -> int:
    answer = read(api, person, path, **body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["data"]["seq"])


async def test_marks_only_rise(
    api: ApiProcess, make_person: MakePerson, heard: Heard, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann)
    messages = [say(api, ann, room, str(number)) for number in range(5)]
    await add_member(db, room, bob)
    path = f"rooms/{room}"
    third, last = messages[2]["seq"], messages[4]["seq"]
    assert mark(api, bob, path, message_id=messages[2]["id"]) == third
    assert mark(api, bob, path, seq=0) == third
    assert mark(api, bob, path, seq=third - 1) == third
    assert mark(api, bob, path, seq=10**15) == last
    assert mark(api, bob, path) == last
    assert mark(api, ann, path) == last
    room_id = await db.fetchval("SELECT id FROM rooms WHERE name = $1", room)
    await heard_all(heard, 3)
    assert [(e["user_id"], e["room_id"], e["seq"], e["shared"]) for e in heard] == [
        (bob.id, room_id, third, False),
        (bob.id, room_id, last, False),
        (ann.id, room_id, last, False),
    ]


async def test_the_other_side_learns_of_it_unless_the_reader_opted_out(
    api: ApiProcess, make_person: MakePerson, heard: Heard
) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    for other in (bob, eve):
        for number in range(3):
            tell(api, ann, other, str(number))
    assert mark(api, bob, f"dm/{ann.id}", seq=2) == 2
    answer = api.client.put("/chat/preferences", json={"share_reads": False}, token=bob.token)
    assert answer.json()["data"] == {"share_reads": False, "email_digest": True}
    assert mark(api, bob, f"dm/{ann.id}") == 3
    assert mark(api, bob, f"dm/{ann.id}") == 3
    block(api, eve, ann)
    assert mark(api, eve, f"dm/{ann.id}") == 3
    await heard_all(heard, 3)
    assert [(e["user_id"], e["other_id"], e["seq"], e["shared"]) for e in heard] == [
        (bob.id, ann.id, 2, True),
        (bob.id, ann.id, 3, False),
        (eve.id, ann.id, 3, False),
    ]


async def test_where_nothing_was_said(
    api: ApiProcess, make_person: MakePerson, heard: Heard
) -> None:
    ann, bob = await make_person(), await make_person()
    assert mark(api, ann, f"dm/{bob.id}") == 0
    assert mark(api, ann, f"dm/{bob.id}", seq=7) == 0
    await asyncio.sleep(0.2)
    assert heard == []


async def test_notifications_up_to_there_are_read(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann)
    await add_member(db, room, bob)
    said = [say(api, ann, room, f"@{bob.username} {number}") for number in range(3)]
    told = [tell(api, ann, bob, str(number)) for number in range(2)]

    async def unread() -> list[int]:
        rows = await db.fetch(
            "SELECT message_id FROM notifications WHERE user_id = $1 AND read_at IS NULL "
            "ORDER BY message_id",
            bob.id,
        )
        return [row[0] for row in rows]

    ids = [message["id"] for message in [*said, *told]]
    assert await unread() == ids
    mark(api, bob, f"rooms/{room}", seq=said[1]["seq"])
    assert await unread() == ids[2:]
    mark(api, bob, f"dm/{ann.id}", message_id=told[0]["id"])
    assert await unread() == [ids[2], ids[4]]
    mark(api, bob, f"rooms/{room}")
    mark(api, bob, f"dm/{ann.id}")
    assert await unread() == []


async def test_who_may_not_mark(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    private, public = open_room(api, ann, private=True), open_room(api, ann)
    answer = read(api, eve, f"rooms/{private}")
    assert (answer.status_code, answer.json()["error"]) == (404, "Room not found")
    assert read(api, eve, f"rooms/{public}").json()["code"] == "not_joined"
    hidden = say(api, ann, private, "x")["id"]
    elsewhere = tell(api, ann, bob, "y")["id"]
    for message_id in (hidden, elsewhere, 2**31 - 1, 0, -1, 10**12):
        say(api, eve, public, "here")
        answer = read(api, eve, f"rooms/{public}", message_id=message_id)
        assert (answer.status_code, answer.json()["error"]) == (404, "Message not found")
    answer = read(api, ann, f"rooms/{public}", message_id=elsewhere)
    assert answer.status_code == 404
    answer = read(api, ann, f"dm/{bob.id}", message_id=hidden)
    assert answer.status_code == 404
    for nobody in (0, 2**31 - 1, 10**30):
        assert read(api, ann, f"dm/{nobody}").status_code == 404


@pytest.mark.parametrize(
    "body", [{"seq": -1}, {"seq": "1"}, {"seq": 1.5}, {"message_id": "x"}, [], 3, "x"]
)
async def test_marks_that_are_none(api: ApiProcess, make_person: MakePerson, body: Any) -> None:
    ann = await make_person()
    room = open_room(api, ann)
    path = f"/chat/rooms/{room}/read"
    assert api.client.put(path, json=body, token=ann.token).status_code == 400
    both = {"seq": 1, "message_id": 1}
    assert api.client.put(path, json=both, token=ann.token).status_code == 400


async def test_many_at_once_end_at_the_highest(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()
    for number in range(9):
        tell(api, ann, bob, str(number))
    tasks = [asyncio.to_thread(mark, api, bob, f"dm/{ann.id}", seq=seq) for seq in (3, 9, 1, 7, 5)]
    assert max(await asyncio.gather(*tasks)) == 9
    assert mark(api, bob, f"dm/{ann.id}", seq=0) == 9


async def test_preferences_change_by_what_is_sent(api: ApiProcess, make_person: MakePerson) -> None:
    ann = await make_person()

    def preferences(**change: Any) -> Any:
        answer = api.client.put("/chat/preferences", json=change, token=ann.token)
        return answer.json()["data"] if answer.status_code == 200 else answer.status_code

    path = "/chat/preferences"
    assert api.client.get(path, token=ann.token).json()["data"] == {
        "share_reads": True,
        "email_digest": True,
    }
    assert preferences(email_digest=False) == {"share_reads": True, "email_digest": False}
    assert preferences(share_reads=False) == {"share_reads": False, "email_digest": False}
    assert preferences() == {"share_reads": False, "email_digest": False}
    assert preferences(share_reads=None) == preferences(share_reads="no") == 400
    assert api.client.get(path, token=ann.token).json()["data"]["share_reads"] is False
