"""Who is mentioned in a room."""

import asyncpg
import pytest
from tests.builders.chat import Person, unique_name
from tests.builders.messages import act, add_member, open_room, say, set_room, show, tell
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess

from talas.domains.chat.messages.mentions import MAX_MENTIONS, find_mentions, resolve_mentions


def mentions(api: ApiProcess, person: Person, **query: str) -> list[str]:
    answer = api.client.get("/chat/mentions", token=person.token, params=query)
    assert answer.status_code == 200, answer.text
    return [message["content"] for message in answer.json()["data"]]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("hello @Ann", [["ann"]]),
        ("@ann,@bob @ANN", [["ann"], ["bob"]]),
        ("(@ann) “@bob”", [["ann"], ["bob"]]),
        ("ask @ann.", [["ann.", "ann"]]),
        ("ask @a.b-c...", [["a.b-c...", "a.b-c..", "a.b-c.", "a.b-c"]]),
        ("早上好@ann", [["ann"]]),
        ("mail ann@example.com", []),
        ("https://example.com/@ann", []),
        ("@@ann", []),
        ("@ab", []),
        ("@ann@bob", [["ann"]]),
        ("@" + "x" * 50, [["x" * 50]]),
        ("@" + "x" * 51, []),
        ("@" * 4000, []),
        ("@" + "." * 3999, []),
    ],
)
def test_names_that_may_be_meant(content: str, found: list[list[str]]) -> None:
    assert find_mentions(content) == found


def test_twenty_in_a_message() -> None:
    found = find_mentions(" ".join(f"@user{number}" for number in range(30)))
    assert found == [[f"user{number}"] for number in range(MAX_MENTIONS)]


async def test_who_is_mentioned_finds_it(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    room = open_room(api, ann)
    first = say(api, ann, room, f"hi @{bob.username.upper()}, and @{bob.username}!")
    assert first["mentions"] == [bob.id]
    second = say(api, ann, room, f"@{bob.username}")
    say(api, ann, room, f"nobody: @{unique_name('ghost')} @{ann.username}")
    assert mentions(api, bob) == [second["content"], first["content"]]
    assert mentions(api, bob, page="2", limit="1") == [first["content"]]
    answer = api.client.get("/chat/mentions", token=bob.token).json()
    assert answer["pagination"]["total"] == 2
    assert answer["data"][0]["room"] == room
    assert mentions(api, ann) == mentions(api, eve) == []


async def test_the_longest_name_that_there_is(api: ApiProcess, make_person: MakePerson) -> None:
    name = unique_name("dot")
    plain, dotted = await make_person(username=name), await make_person(username=f"{name}.")
    room = open_room(api, plain)
    author = await make_person()
    assert say(api, author, room, f"@{name}..")["mentions"] == [dotted.id]
    assert say(api, author, room, f"@{name}-")["mentions"] == [plain.id]
    assert say(api, author, room, f"@{name}")["mentions"] == [plain.id]


async def test_only_who_may_see_it(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    gone = await make_person(status="suspended")
    room = open_room(api, ann, private=True)
    await add_member(db, room, bob)
    await add_member(db, room, gone)
    text = f"@{bob.username} @{eve.username} @{gone.username}"
    assert say(api, ann, room, text)["mentions"] == [bob.id]
    later = open_room(api, ann)
    await set_room(db, later, history="joining")
    assert "mentions" not in say(api, ann, later, text)
    assert "mentions" not in tell(api, ann, bob, text)
    assert mentions(api, bob) == [text]
    await db.execute("DELETE FROM room_members WHERE user_id = $1", bob.id)
    assert mentions(api, bob) == []


async def test_an_edit_mentions_others(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    room = open_room(api, ann)
    message = say(api, ann, room, f"@{bob.username}")
    told = "SELECT user_id FROM notifications WHERE message_id = $1"
    assert await db.fetchval(told, message["id"]) == bob.id
    content = f"sorry, @{eve.username}"
    answer = act(api, ann, "PUT", message["id"], json={"content": content})
    assert answer.json()["data"]["mentions"] == [eve.id]
    assert (mentions(api, bob), mentions(api, eve)) == ([], [content])
    assert await db.fetchval(told, message["id"]) is None
    act(api, ann, "PUT", message["id"], json={"content": "nobody"})
    assert mentions(api, eve) == []
    assert "mentions" not in show(api, ann, message["id"])


async def test_a_batch_is_one_question(
    db: asyncpg.Connection, make_person: MakePerson, api: ApiProcess
) -> None:
    ann, bob = await make_person(), await make_person()
    public, private = open_room(api, ann), open_room(api, ann, private=True)
    ids = [
        await db.fetchval("SELECT id FROM rooms WHERE name = $1", name)
        for name in (public, private)
    ]
    text = f"@{bob.username} and @{ann.username}"
    asked = [(ids[0], text, ann.id), (ids[1], text, None), (ids[0], "nobody", ann.id)]
    assert await resolve_mentions(db, asked) == [[bob.id], [ann.id], []]
    assert await resolve_mentions(db, []) == []
