"""Search in what was said in one's own rooms and conversations."""

import time
from typing import Any

import asyncpg
import pytest
from tests.builders.chat import Person, unique_name
from tests.builders.messages import act, add_member, open_room, say, set_room, tell
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess

from talas.domains.chat.lookup.sql import PLAN_FOR_WORDS, SELECT_FOUND


def search(api: ApiProcess, person: Person, q: str, **query: Any) -> list[dict[str, Any]]:
    params = {"q": q, **query}
    answer = api.client.get("/chat/search", token=person.token, params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def contents(api: ApiProcess, person: Person, q: str, **query: Any) -> list[str]:
    return [message["content"] for message in search(api, person, q, **query)]


@pytest.mark.parametrize(
    ("content", "q"),
    [
        ("The quick brown fox", "brown quick"),
        ("The quick brown fox", "QUICK bro"),
        ("Crème brûlée à l'été", "creme ete"),
        ("creme brulee", "Crème BRÛL"),
        ("an analog-delay pedal", "analog-del"),
        ("an analog-delay pedal", "delay analog"),
        ("write to jo@example.com", "jo@example.com"),
        ("it's o'clock", "o'clock"),
        ("back\\slash and 'quotes'", "quotes back"),
        ("Это звук", "ЗВУ"),
        ("音楽 スタジオ", "スタ"),
        ("これは音楽です、東京タワー", "音楽"),
        ("これは音楽です、東京タワー", "タワー"),
        ("これは音楽です、東京タワー", "楽 京"),
        ("これは音楽です、東京タワー", "ー"),
        ("音を録る", "音"),
        ("ガス", "ｶﾞｽ"),
        ("MK1の音", "mk1 音"),
        ("ฉันชอบดนตรี", "ดนตรี"),
        ("한국어 음악", "음악"),
        ("Œuvre du cœur, Größe, Łódź", "oeuvre coeur GROSSE lodz"),
        ("oeuvre STRASSE", "œuvre Straße"),
        ("version 3.5 of it", "3.5"),
        ("«\u00a0Sons\u00a0» — l\u2019été…", "ete sons"),
        ("so 👍 good", "👍"),
        ("note a", "a"),
    ],
)
async def test_words_are_found(
    api: ApiProcess, make_person: MakePerson, content: str, q: str
) -> None:
    ann = await make_person()
    say(api, ann, open_room(api, ann), content)
    assert contents(api, ann, q) == [content]


@pytest.mark.parametrize(
    "q", ["quack", "brown cat", "rown", "'quick' | 'zzz'", "!quick", "fox:*z", "f"]
)
async def test_what_is_not_there(api: ApiProcess, make_person: MakePerson, q: str) -> None:
    ann = await make_person()
    say(api, ann, open_room(api, ann), "The brown fox")
    assert contents(api, ann, q) == []


@pytest.mark.parametrize("q", ["楽音", "東タ", "京都", "これで"])
async def test_neighbours_are_asked_for(api: ApiProcess, make_person: MakePerson, q: str) -> None:
    """Of a script without spaces."""
    ann = await make_person()
    say(api, ann, open_room(api, ann), "これは音楽です、東京タワー")
    assert contents(api, ann, q) == []


async def test_newest_first_and_page_by_page(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann)
    ids = [say(api, ann, room, f"take {number}")["id"] for number in range(4)]
    ids.append(tell(api, bob, ann, "take five")["id"])
    found = search(api, ann, "take")
    assert [message["id"] for message in found] == ids[::-1]
    assert (found[0]["from_user"], found[0]["to_user"]) == (bob.id, ann.id)
    assert found[1]["room"] == room
    page = search(api, ann, "take", limit=2)
    page += search(api, ann, "take", limit=2, before=page[-1]["id"])
    assert [message["id"] for message in page] == ids[:0:-1]
    assert [m["id"] for m in search(api, ann, "take", room=room)] == ids[3::-1]
    assert [m["id"] for m in search(api, ann, "take", **{"with": bob.id})] == ids[4:]
    assert [m["id"] for m in search(api, bob, "take")] == ids[4:]


async def test_only_what_one_may_see(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    private, public = open_room(api, ann, private=True), open_room(api, ann)
    say(api, ann, private, "hidden treasure")
    say(api, ann, public, "open treasure")
    tell(api, ann, bob, "our treasure")
    gone = say(api, ann, public, "deleted treasure")
    act(api, ann, "DELETE", gone["id"])
    assert contents(api, eve, "treasure") == []
    assert contents(api, ann, "treasure") == ["our treasure", "open treasure", "hidden treasure"]
    assert contents(api, bob, "treasure") == ["our treasure"]
    path, params = "/chat/search", {"q": "treasure", "room": private}
    answer = api.client.get(path, token=eve.token, params=params)
    assert (answer.status_code, answer.json()["error"]) == (404, "Room not found")
    answer = api.client.get(path, token=eve.token, params={**params, "room": public})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_joined")
    answer = api.client.get(path, token=eve.token, params={"q": "x", "with": "2000000000"})
    assert (answer.status_code, answer.json()["error"]) == (404, "User not found")
    assert contents(api, eve, "treasure", **{"with": ann.id}) == []
    await set_room(db, private, history="joining")
    await add_member(db, private, bob)
    say(api, ann, private, "later treasure")
    assert contents(api, bob, "treasure") == ["later treasure", "our treasure"]
    assert contents(api, bob, "treasure", room=private) == ["later treasure"]


async def test_an_edit_is_found_by_its_new_words(api: ApiProcess, make_person: MakePerson) -> None:
    ann = await make_person()
    message = say(api, ann, open_room(api, ann), "before")
    act(api, ann, "PUT", message["id"], json={"content": "after"})
    assert (contents(api, ann, "before"), contents(api, ann, "after")) == ([], ["after"])


async def test_matches_are_marked_and_all_else_is_escaped(
    api: ApiProcess, make_person: MakePerson
) -> None:
    ann = await make_person()
    room = open_room(api, ann)
    say(api, ann, room, "<b>Bass</b> & drum")
    [found] = search(api, ann, "bass dru")
    assert found["highlight"] == ("&lt;b&gt;<mark>Bass</mark>&lt;/b&gt; &amp; <mark>drum</mark>")
    say(api, ann, room, f"{'x ' * 500}needle <i>{' y' * 500}")
    [found] = search(api, ann, "needle")
    assert "<mark>needle</mark> &lt;i&gt;" in found["highlight"]
    assert len(found["highlight"]) < 300


@pytest.mark.parametrize(
    "query",
    [
        *({}, {"q": ""}, {"q": "  "}, {"q": "?!"}, {"q": "#"}, {"q": "« … »"}, {"q": "x" * 201}),
        *({"q": "a\x00"}, {"q": "x", "before": "0"}, {"q": "x", "before": "soon"}),
        *({"q": "x", "limit": "0"}, {"q": "x", "limit": "101"}, {"q": "x", "with": "ann"}),
        {"q": "x", "room": "general", "with": "1"},
    ],
)
async def test_questions_that_are_none(
    api: ApiProcess, make_person: MakePerson, query: dict[str, str]
) -> None:
    ann = await make_person()
    answer = api.client.get("/chat/search", token=ann.token, params=query)
    assert answer.status_code == 400
    assert answer.json()["details"]
    assert api.client.get("/chat/search", params={"q": "x"}).status_code == 401


@pytest.fixture
async def filled(db: asyncpg.Connection, make_person: MakePerson) -> Person:
    """Somebody in 300 rooms, one of them big, and in 500 conversations; there are as many rooms of
    others. ``everyday`` stands in two messages of three, ``once`` in one of all, ``former`` only in
    the older half."""
    ann = await make_person()
    name = unique_name("many")
    await db.execute(
        "INSERT INTO rooms (name, name_key, seq) SELECT $1 || n, $1 || n, 500000 "
        "FROM generate_series(0, 599) AS n",
        name,
    )
    await db.execute(
        "INSERT INTO room_members (room_id, user_id) SELECT id, $2 FROM rooms "
        "WHERE name ~ ('^' || $1 || '[0-9]+$') ORDER BY id LIMIT 300",
        name,
        ann.id,
    )
    await db.execute(
        """
        WITH people AS (
            INSERT INTO users (username, email, password_hash)
            SELECT $2 || n, $2 || n, '' FROM generate_series(1, 500) AS n
            RETURNING id
        )
        INSERT INTO conversations (user_low, user_high, seq) SELECT $1, id, 1 FROM people
        """,
        ann.id,
        name,
    )
    await db.execute("DROP INDEX messages_words_idx")
    await db.execute(
        """
        INSERT INTO messages (from_user, room, room_id, content, seq)
        SELECT $2, 'x', first.id + CASE n % 3 WHEN 0 THEN 0 ELSE n % 600 END,
            'text' || n % 5000
            || CASE WHEN n % 3 < 2 THEN ' everyday' ELSE '' END
            || CASE WHEN n = 3000 THEN ' once' ELSE '' END
            || CASE WHEN n < 100000 AND n % 20 = 0 THEN ' former' ELSE '' END,
            n
        FROM generate_series(1, 200000) AS n,
            (SELECT min(id) AS id FROM rooms WHERE name ~ $1) AS first
        """,
        f"^{name}",
        ann.id,
    )
    await db.execute(
        "INSERT INTO messages (from_user, to_user, conversation_id, content, seq) "
        "SELECT user_low, user_high, id, 'everyday hello', 1 FROM conversations "
        "WHERE user_low = $1",
        ann.id,
    )
    await db.execute(
        "CREATE INDEX messages_words_idx ON messages USING gin (message_words(content))"
    )
    await db.execute("VACUUM ANALYZE messages")
    return ann


async def test_rare_and_common_words_are_found_at_once(
    api: ApiProcess, filled: Person, db: asyncpg.Connection
) -> None:
    expected = {"everyday": 20, "once": 1, "former": 20, "text1 everyday": 20, "never": 0}
    expected |= {"once former everyday": 1, "everyday hello": 20, "te": 20}
    for q, number in expected.items():
        took = []
        for _ in range(3):
            began = time.monotonic()
            assert len(search(api, filled, q)) == number, q
            took.append(time.monotonic() - began)
        assert min(took) < 3, q
    rooms = await db.fetch("SELECT room_id FROM room_members WHERE user_id = $1", filled.id)
    ids = [row[0] for row in rooms]
    top = await db.fetchval("SELECT max(id) + 1 FROM messages")
    async with db.transaction():
        await db.execute(PLAN_FOR_WORDS)
        for word in ("everyday", "once", "former", "never"):
            for least in (1, top - 20_000):
                arguments = (ids, [0] * len(ids), [1, 2], f"'{word}'", least, top, 20)
                plan = await db.fetch(f"EXPLAIN {SELECT_FOUND}", *arguments)
                lines = "\n".join(row[0] for row in plan)
                assert "Seq Scan" not in lines, lines
                assert "messages_words_idx" in lines, lines
