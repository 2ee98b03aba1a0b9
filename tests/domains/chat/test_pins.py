"""Messages that are pinned in their place."""

import asyncio

import asyncpg
from tests.builders.chat import Person
from tests.builders.messages import (
    act,
    add_member,
    close,
    events_of,
    open_room,
    say,
    seqs_have_no_gaps,
    set_room,
    show,
    tell,
)
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess


def pinned(api: ApiProcess, person: Person, path: str) -> list[str]:
    answer = api.client.get(f"/chat/{path}/pins", token=person.token)
    assert answer.status_code == 200, answer.text
    return [message["content"] for message in answer.json()["data"]]


async def test_moderators_pin_in_their_room(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    owner, moderator, member = [await make_person() for _ in range(3)]
    room = open_room(api, owner, members=[member])
    await add_member(db, room, moderator, "moderator")
    first, second = say(api, member, room, "first"), say(api, member, room, "second")
    assert act(api, member, "PUT", first["id"], "/pin").status_code == 403
    assert act(api, owner, "PUT", first["id"], "/pin").status_code == 200
    assert act(api, moderator, "PUT", second["id"], "/pin").status_code == 200
    assert pinned(api, member, f"rooms/{room}") == ["second", "first"]
    assert show(api, member, first["id"])["pinned"] is True
    assert act(api, member, "DELETE", first["id"], "/pin").status_code == 403
    assert act(api, moderator, "DELETE", first["id"], "/pin").status_code == 200
    assert pinned(api, member, f"rooms/{room}") == ["second"]
    assert await events_of(db, first["id"]) == ["pin", "unpin"]
    assert await seqs_have_no_gaps(db, room)


async def test_twice_is_once(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    message = tell(api, ann, bob, "hello")
    for method in ("PUT", "PUT", "DELETE", "DELETE"):
        assert act(api, bob, method, message["id"], "/pin").status_code == 200
    assert await events_of(db, message["id"]) == ["pin", "unpin"]


async def test_in_a_conversation_both_pin(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    message = tell(api, ann, bob, "remember")
    assert pinned(api, ann, f"dm/{bob.id}") == []
    assert act(api, bob, "PUT", message["id"], "/pin").status_code == 200
    assert pinned(api, ann, f"dm/{bob.id}") == pinned(api, bob, f"dm/{ann.id}") == ["remember"]
    assert pinned(api, eve, f"dm/{ann.id}") == []
    assert act(api, ann, "DELETE", message["id"], "/pin").status_code == 200
    assert pinned(api, bob, f"dm/{ann.id}") == []
    for nobody in (0, 2**31 - 1, 10**30):
        answer = api.client.get(f"/chat/dm/{nobody}/pins", token=ann.token)
        assert (answer.status_code, answer.json()["error"]) == (404, "User not found")


async def test_in_a_group_all_members_pin(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann, private=True)
    await set_room(db, room, kind="group")
    await add_member(db, room, bob)
    message = say(api, ann, room, "for all")
    assert act(api, bob, "PUT", message["id"], "/pin").status_code == 200


async def test_a_closed_room_and_one_of_others(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, eve = await make_person(), await make_person()
    room = open_room(api, ann, private=True)
    message = say(api, ann, room, "here")
    answer = api.client.get(f"/chat/rooms/{room}/pins", token=eve.token)
    assert (answer.status_code, answer.json()["error"]) == (404, "Room not found")
    await close(db, room)
    answer = act(api, ann, "PUT", message["id"], "/pin")
    assert (answer.status_code, answer.json()["code"]) == (403, "room_closed")
    assert pinned(api, ann, f"rooms/{room}") == []


async def test_fifty_at_most_also_at_once(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    room = open_room(api, ann)
    messages = [say(api, ann, room, str(number)) for number in range(52)]
    ids = [message["id"] for message in messages]
    await db.execute("UPDATE messages SET pinned_at = now() WHERE id = ANY($1)", ids[:48])

    def pin(message_id: int) -> int:
        return act(api, ann, "PUT", message_id, "/pin").status_code

    statuses = await asyncio.gather(*(asyncio.to_thread(pin, one) for one in ids[48:]))
    assert sorted(statuses) == [200, 200, 409, 409]
    assert len(pinned(api, ann, f"rooms/{room}")) == 50
    assert act(api, ann, "DELETE", ids[0], "/pin").status_code == 200
    late = ids[48 + statuses.index(409)]
    assert act(api, ann, "PUT", late, "/pin").status_code == 200


async def test_what_lies_before_joining_is_not_shown(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann, private=True)
    before = say(api, ann, room, "before")
    await set_room(db, room, history="joining")
    await add_member(db, room, bob)
    after = say(api, ann, room, "after")
    for message in (before, after):
        assert act(api, ann, "PUT", message["id"], "/pin").status_code == 200
    assert pinned(api, ann, f"rooms/{room}") == ["after", "before"]
    assert pinned(api, bob, f"rooms/{room}") == ["after"]
