"""Reactions with emoji."""

import asyncio

import asyncpg
import pytest
from tests.builders.chat import Person
from tests.builders.messages import (
    act,
    close,
    events_of,
    mute,
    open_room,
    say,
    seqs_have_no_gaps,
    set_room,
    show,
    tell,
)
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess

from talas.core.errors import InvalidData
from talas.domains.chat.messages.emoji import check_emoji

HEART = "\u2764\ufe0f"


def react(api: ApiProcess, person: Person, message_id: int, emoji: str) -> int:
    return act(api, person, "PUT", message_id, f"/reactions/{emoji}").status_code


async def test_reactions_are_counted_for_each_emoji(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann, members=[bob])
    message = say(api, ann, room, "well?")
    for person, emoji in ((bob, "👍"), (ann, HEART), (ann, "👍")):
        assert react(api, person, message["id"], emoji) == 200
    expected = [
        {"emoji": "👍", "count": 2, "mine": True},
        {"emoji": HEART, "count": 1, "mine": False},
    ]
    assert show(api, bob, message["id"])["reactions"] == expected
    history = api.client.get(f"/chat/rooms/{room}/messages", token=bob.token).json()["data"]
    assert history[-1]["reactions"] == expected
    assert "reactions" not in history[0]
    rows = act(api, bob, "GET", message["id"], "/reactions").json()
    assert rows["pagination"]["total"] == 3
    assert {(row["emoji"], row["user_id"], row["username"]) for row in rows["data"]} == {
        ("👍", ann.id, ann.username),
        ("👍", bob.id, bob.username),
        (HEART, ann.id, ann.username),
    }
    path = f"/chat/messages/{message['id']}/reactions"
    query = {"emoji": "👍", "limit": "1", "page": "2"}
    page = api.client.get(path, token=bob.token, params=query).json()
    assert (len(page["data"]), page["pagination"]["total"]) == (1, 2)
    assert api.client.get(path, token=bob.token, params={"emoji": "x"}).status_code == 400
    data = "SELECT data FROM chat_events WHERE message_id = $1 AND actor_id = $2"
    assert await db.fetchval(data, message["id"], bob.id) == '{"emoji": "👍"}'
    assert await seqs_have_no_gaps(db, room)


async def test_twice_is_once(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    message = tell(api, ann, bob, "hello")
    assert react(api, bob, message["id"], "\u2764") == 200
    assert react(api, bob, message["id"], HEART) == 200
    for _ in range(2):
        answer = act(api, bob, "DELETE", message["id"], f"/reactions/{HEART}")
        assert answer.status_code == 200
    assert await events_of(db, message["id"]) == ["react", "unreact"]
    assert "reactions" not in show(api, ann, message["id"])


async def test_many_at_once_count_each_once(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    room = open_room(api, ann)
    message = say(api, ann, room, "go")
    people = [await make_person() for _ in range(3)]
    for person in people:
        say(api, person, room, "here")
    tasks = [
        asyncio.to_thread(react, api, person, message["id"], "🎉")
        for person in people
        for _ in range(4)
    ]
    assert set(await asyncio.gather(*tasks)) == {200}
    assert show(api, ann, message["id"])["reactions"][0]["count"] == 3
    assert await events_of(db, message["id"]) == ["react"] * 3
    assert await seqs_have_no_gaps(db, room)


async def test_a_message_has_twenty_different_ones(
    api: ApiProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    message = tell(api, ann, bob, "many")
    for number in range(20):
        assert react(api, ann, message["id"], chr(0x1F600 + number)) == 200
    answer = act(api, bob, "PUT", message["id"], "/reactions/🎉")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_reactions")
    assert react(api, bob, message["id"], chr(0x1F600)) == 200


async def test_who_may_not_speak_may_not_react(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    room = open_room(api, ann, members=[bob])
    message = say(api, ann, room, "said")

    def tried(person: Person, method: str = "PUT") -> str:
        answer = act(api, person, method, message["id"], "/reactions/👍")
        assert answer.status_code == 403
        return str(answer.json()["code"])

    assert tried(eve) == "not_joined"
    await mute(db, room, bob)
    assert (tried(bob), tried(bob, "DELETE")) == ("muted", "muted")
    await close(db, room)
    assert tried(ann) == "room_closed"
    await set_room(db, room, closed_at=None)
    assert react(api, ann, message["id"], "👍") == 200


@pytest.mark.parametrize(
    "emoji",
    [
        *("a", "1", "%23", "ok", ":+1:", "é", "中", "<b>", "\x00", "\x07", "\ufe0f", "\u200d"),
        *("👍👍", "👍a", "🔥🏽", "👍\u200d", "👍" * 20),
    ],
)
async def test_what_is_no_emoji(api: ApiProcess, make_person: MakePerson, emoji: str) -> None:
    ann, bob = await make_person(), await make_person()
    message = tell(api, ann, bob, "hello")
    answer = act(api, bob, "PUT", message["id"], f"/reactions/{emoji}")
    assert answer.status_code == 400
    assert answer.json()["details"][0]["field"] == "emoji"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("👍", "👍"),
        ("👍🏽", "👍🏽"),
        ("\u2764", "\u2764\ufe0f"),
        ("👍\ufe0f", "👍"),
        ("\u261d\U0001f3ff", "\u261d\U0001f3ff"),
        ("🇫🇷", "🇫🇷"),
        ("#\ufe0f\u20e3", "#\ufe0f\u20e3"),
        ("1\u20e3", "1\ufe0f\u20e3"),
        ("\U0001f3f3\u200d\U0001f308", "\U0001f3f3\ufe0f\u200d\U0001f308"),
        ("👩\u200d👩\u200d👧\u200d👦", "👩\u200d👩\u200d👧\u200d👦"),
        (
            "👨🏻\u200d\u2764\u200d💋\u200d👨🏻",
            "👨🏻\u200d\u2764\ufe0f\u200d💋\u200d👨🏻",
        ),
        (
            "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
            "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
        ),
    ],
)
def test_each_emoji_is_written_one_way(sent: str, kept: str) -> None:
    assert check_emoji(sent) == kept
    assert check_emoji(kept) == kept


def test_text_is_no_emoji() -> None:
    for text in ("", " ", "x", "9", "*", "\u20e3", "🇫", "\U0001f3f4\U000e0067\U000e007f"):
        with pytest.raises(InvalidData):
            check_emoji(text)
