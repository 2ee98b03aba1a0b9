"""The list of one's conversations."""

import time
from typing import Any

import asyncpg
from tests.builders.chat import Person
from tests.builders.messages import act, tell
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess


def conversations(api: ApiProcess, person: Person, **query: str) -> list[dict[str, Any]]:
    answer = api.client.get("/chat/dm", token=person.token, params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_newest_first_with_what_is_unread(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    assert conversations(api, ann) == []
    for number in range(3):
        tell(api, bob, ann, f"b{number}")
    last = tell(api, ann, eve, "to eve")
    tell(api, ann, bob, "answer")
    found = conversations(api, ann)
    assert [(c["user"]["id"], c["last_message"]["content"], c["unread"]) for c in found] == [
        (bob.id, "answer", 3),
        (eve.id, "to eve", 0),
    ]
    assert found[0]["user"] == {"id": bob.id, "username": bob.username, "avatar": None}
    assert (found[0]["read_seq"], found[0]["seq"]) == (0, 4)
    assert found[1]["last_message"]["id"] == last["id"]
    api.client.put(f"/chat/dm/{bob.id}/read", json={"seq": 2}, token=ann.token)
    found = conversations(api, ann)
    assert (found[0]["read_seq"], found[0]["unread"]) == (2, 1)
    assert [c["unread"] for c in conversations(api, eve)] == [1]


async def test_what_is_deleted_is_not_unread(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()
    tell(api, ann, bob, "stays")
    message = tell(api, ann, bob, "goes")
    act(api, ann, "DELETE", message["id"])
    [found] = conversations(api, bob)
    assert found["unread"] == 1
    assert (found["last_message"]["content"], found["last_message"]["deleted"]) == ("", True)
    assert (found["last_message"]["seq"], found["seq"]) == (2, 3)


async def test_talking_to_oneself(api: ApiProcess, make_person: MakePerson) -> None:
    ann = await make_person()
    tell(api, ann, ann, "note")
    [found] = conversations(api, ann)
    assert (found["user"]["id"], found["unread"]) == (ann.id, 0)


async def test_ten_thousand_conversations(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    await db.execute(
        """
        WITH people AS (
            INSERT INTO users (username, email, password_hash)
            SELECT 'many' || n, 'many' || n, '' FROM generate_series(1, 10000) AS n
            RETURNING id
        ), pairs AS (
            INSERT INTO conversations (user_low, user_high, seq)
            SELECT $1, id, 1200 FROM people
            RETURNING id, user_high
        )
        INSERT INTO messages (from_user, to_user, conversation_id, content, seq)
        SELECT user_high, $1, id, 'hello', n FROM pairs, generate_series(1, 3) AS n
        """,
        ann.id,
    )
    await db.execute(
        """
        INSERT INTO messages (from_user, to_user, conversation_id, content, seq)
        SELECT user_high, $1, id, 'more', n
        FROM conversations, generate_series(4, 1200) AS n
        WHERE id = (SELECT max(id) FROM conversations WHERE user_low = $1)
        """,
        ann.id,
    )
    await db.execute("ANALYZE")
    conversations(api, ann)
    took = []
    for _ in range(3):
        began = time.monotonic()
        answer = api.client.get("/chat/dm", token=ann.token).json()
        took.append(time.monotonic() - began)
    # One by one they would be a million messages to count.
    assert min(took) < 3
    assert answer["pagination"]["total"] == 10_000
    assert [c["unread"] for c in answer["data"]][:2] == [1000, 3]
    assert len(conversations(api, ann, page="500")) == 20
    assert conversations(api, ann, page="501") == []
