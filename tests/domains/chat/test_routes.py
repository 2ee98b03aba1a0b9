"""Rooms and histories over HTTP."""

import sys
from urllib.parse import quote

import asyncpg
import pytest
from tests.builders.chat import ChatProcess, Person, connected, create_room, unique_name
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess

from talas.domains.chat.access import name_key


def names(api: ApiProcess, person: Person, **query: str) -> list[str]:
    answer = api.client.get("/chat/rooms", token=person.token, params={"limit": "100", **query})
    assert answer.status_code == 200
    return [room["name"] for room in answer.json()["data"]]


async def test_general_is_there_from_the_start(api: ApiProcess, make_person: MakePerson) -> None:
    ann = await make_person()
    answer = api.client.get("/chat/rooms", token=ann.token).json()
    room = answer["data"][0]
    assert (room["name"], room["is_private"], room["created_by"]) == ("general", False, None)
    assert answer["pagination"]["total"] >= 1


async def test_who_opens_a_room_owns_it_and_is_a_member(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    name = unique_name("audio-production ")
    body = {"name": f"  {name} ", "description": " Talk ", "is_private": False}
    answer = api.client.post("/chat/rooms", json=body, token=ann.token)
    assert answer.status_code == 201
    room = answer.json()["data"]
    assert room["created_at"].endswith("Z")
    assert {key: room[key] for key in ("name", "description", "is_private", "member_count")} == {
        "name": name,
        "description": "Talk",
        "is_private": False,
        "member_count": 1,
    }
    role = "SELECT role FROM room_members WHERE room_id = $1 AND user_id = $2"
    assert await db.fetchval(role, room["id"], ann.id) == "owner"
    assert name in names(api, bob)
    assert names(api, bob, search=name.upper()) == [name]
    assert names(api, bob, search="%") == []


async def test_joining_counts_as_a_member(
    api: ApiProcess, chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    room = unique_name("counted")
    await create_room(db, room)
    async with connected(chat, ann) as a:
        await a.join(room)
    answer = api.client.get("/chat/rooms", token=ann.token, params={"search": room})
    assert [r["member_count"] for r in answer.json()["data"]] == [1]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 101,
        "a/b",
        "a\nb",
        "a\tb",
        "a#b",
        "<b>",
        "a,b",
        "\u202eabc",
        "a\u00a0b",
        "👍",
        "general\ufe0f",
        "gene\u034fral",
        "gen\u180beral",
        "gen\u200deral",
        "general\U000e0100",
        "\u3164",
        "\uffa0",
        "a\u1160",
        "a\u17b4",
        ".",
        "..",
        "\uff0e\uff0e",
        "- _ -",
        "a\u00bd",
        "\ufdfa" * 100,
    ],
)
async def test_names_that_no_room_may_have(
    api: ApiProcess, make_person: MakePerson, name: str
) -> None:
    ann = await make_person()
    answer = api.client.post("/chat/rooms", json={"name": name}, token=ann.token)
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "name"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": None},
        {"name": 7},
        {"name": "a\u0000b"},
        {"name": "fine", "description": "x" * 501},
        {"name": "fine", "description": "\u0007"},
        {"name": "fine", "is_private": "yes"},
        [],
        "general",
    ],
)
async def test_bodies_that_make_no_room(
    api: ApiProcess, make_person: MakePerson, body: object
) -> None:
    ann = await make_person()
    assert api.client.post("/chat/rooms", json=body, token=ann.token).status_code == 400


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Élan vital", "éLAN VITAL"),
        ("Straße", "STRASSE"),
        ("Caf\u00e9", "cafe\u0301"),
        ("a.b", "A.B"),
        ("two words", "Two   Words"),
        ("three  words here", "three words  here"),
        ("wide", "\uff37\uff29\uff24\uff25"),
        ("o\ufb03ce", "office"),
        ("\u2460st", "1st"),
    ],
)
async def test_a_name_is_taken_whatever_its_case(
    api: ApiProcess, chat: ChatProcess, make_person: MakePerson, first: str, second: str
) -> None:
    ann = await make_person()
    assert api.client.post("/chat/rooms", json={"name": first}, token=ann.token).status_code == 201
    again = api.client.post("/chat/rooms", json={"name": second}, token=ann.token)
    assert (again.status_code, again.json()["code"]) == (409, "room_name_taken")
    path = f"/chat/rooms/{quote(second)}/messages"
    assert api.client.get(path, token=ann.token).json() == {"success": True, "data": []}
    async with connected(chat, ann) as a:
        answer = await a.ask(type="join", room=second)
        assert answer["data"]["room"] == first


def test_what_is_longer_than_any_name_is_not_composed() -> None:
    assert name_key("a" + "\u0301\u0316" * 50) == ""
    assert name_key("\ufdfa" * 100) == ""
    assert name_key("x" * 100) == "x" * 100
    assert name_key("  General ") == "general"


def test_a_key_is_its_own_key() -> None:
    """So what is a room's name to one client is to another who sends the key."""
    for code in range(sys.maxunicode + 1):
        key = name_key(f"a{chr(code)}b")
        assert name_key(key) == key, hex(code)


async def test_private_rooms_exist_only_for_their_members(
    api: ApiProcess, make_person: MakePerson
) -> None:
    ann, eve = await make_person(), await make_person()
    name = unique_name("private")
    body = {"name": name, "is_private": True}
    assert api.client.post("/chat/rooms", json=body, token=ann.token).status_code == 201
    assert name in names(api, ann)
    assert name not in names(api, eve)
    assert names(api, eve, search=name) == []
    assert api.client.get(f"/chat/rooms/{name}/messages", token=ann.token).status_code == 200
    hidden = api.client.get(f"/chat/rooms/{name}/messages", token=eve.token)
    missing = api.client.get("/chat/rooms/never-opened/messages", token=eve.token)
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json() == missing.json()


async def test_histories_over_http_are_those_of_the_socket(
    api: ApiProcess, chat: ChatProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = unique_name("both")
    await create_room(db, room)
    async with connected(chat, ann) as a:
        await a.join(room)
        sent = [
            (await a.ask(type="message", room=room, content=str(number)))["data"]
            for number in range(5)
        ]
        direct = (await a.ask(type="dm", to=bob.id, content="psst"))["data"]
    path = f"/chat/rooms/{room}/messages"
    data = api.client.get(path, token=bob.token).json()["data"]
    assert data[0] == {
        "id": sent[0]["id"],
        "from_user": ann.id,
        "username": ann.username,
        "content": "0",
        "timestamp": sent[0]["timestamp"],
        "seq": 2,
    }
    assert [m["content"] for m in data] == list("01234")

    def contents(**query: object) -> list[str]:
        answer = api.client.get(path, token=bob.token, params=query)  # type: ignore[arg-type]
        return [m["content"] for m in answer.json()["data"]]

    assert contents(limit=2) == ["3", "4"]
    assert contents(limit=2, before=sent[3]["id"]) == ["1", "2"]
    assert contents(limit=2, before=sent[3]["timestamp"]) == ["1", "2"]
    assert contents(before="9" * 400) == list("01234")
    for query in ({"limit": "0"}, {"limit": "201"}, {"limit": "x"}, {"before": "soon"}):
        assert api.client.get(path, token=bob.token, params=query).status_code == 400

    for one, other in ((ann, bob), (bob, ann)):
        answer = api.client.get(f"/chat/dm/{other.id}", token=one.token).json()["data"]
        assert [(m["id"], m["from_user"], m["to_user"]) for m in answer] == [
            (direct["id"], ann.id, bob.id)
        ]
    eve = await make_person()
    assert api.client.get(f"/chat/dm/{bob.id}", token=eve.token).json()["data"] == []
    for nobody in (0, 2**31 - 1, 10**30):
        assert api.client.get(f"/chat/dm/{nobody}", token=eve.token).status_code == 404


async def test_without_a_token_there_is_nothing(api: ApiProcess) -> None:
    for path in ("/chat/rooms", "/chat/rooms/general/messages", "/chat/dm/1"):
        answer = api.client.get(path)
        assert answer.status_code == 401
        assert answer.json()["error"] == "Missing authorization header"
    assert api.client.post("/chat/rooms", json={"name": "x"}).status_code == 401
