"""Who is notified of a message, and who is not."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from tests.builders.chat import Person, create_person, create_room, unique_name
from tests.builders.notifications import be_present, notified, say, say_and_tell, tell
from tests.conftest import MakeSettings

from talas.core.events import CHAT_CHANNEL
from talas.core.permissions import Role
from talas.core.sessions import Actor
from talas.domains.notifications.service import notify_invitation, show


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    conn = await asyncpg.connect(database_url)
    yield conn
    await conn.close()


@pytest.fixture
async def people(db: asyncpg.Connection, make_settings: MakeSettings) -> list[Person]:
    settings = make_settings()
    return [await create_person(db, settings) for _ in range(3)]


async def test_a_direct_message_to_who_is_away(
    db: asyncpg.Connection, people: list[Person]
) -> None:
    ada, bob, _ = people
    await say_and_tell(db, ada.id, to_user=bob.id)
    assert await notified(db, bob.id) == ["dm"]
    assert await notified(db, ada.id) == []


async def test_not_to_who_has_a_socket(db: asyncpg.Connection, people: list[Person]) -> None:
    """Here, or in another process that was seen lately."""
    ada, bob, cyd = people
    await tell(db, await say(db, ada.id, to_user=bob.id), online=(bob.id,))
    await be_present(db, cyd.id, seen_s_ago=19)
    await say_and_tell(db, ada.id, to_user=cyd.id)
    assert await notified(db, bob.id) + await notified(db, cyd.id) == []


async def test_what_a_dead_process_said_does_not_count(
    db: asyncpg.Connection, people: list[Person]
) -> None:
    ada, bob, _ = people
    await be_present(db, bob.id, seen_s_ago=21)
    await say_and_tell(db, ada.id, to_user=bob.id)
    assert await notified(db, bob.id) == ["dm"]


async def test_mentions_and_answers_in_a_room(db: asyncpg.Connection, people: list[Person]) -> None:
    """A mention counts for more than an answer; nobody is notified of themselves."""
    ada, bob, cyd = people
    room_id = await create_room(db, unique_name("room"))
    await say_and_tell(db, ada.id, room_id=room_id, mentions=(bob.id, ada.id), replied_to=bob.id)
    await say_and_tell(db, ada.id, room_id=room_id, replied_to=cyd.id)
    await say_and_tell(db, ada.id, room_id=room_id, replied_to=ada.id)
    await say_and_tell(db, ada.id, room_id=room_id)
    assert await notified(db, bob.id) == ["mention"]
    assert await notified(db, cyd.id) == ["reply"]
    assert await notified(db, ada.id) == []


async def test_only_a_socket_in_the_room_counts_there(
    db: asyncpg.Connection, people: list[Person]
) -> None:
    ada, bob, cyd = people
    room_id = await create_room(db, unique_name("room"))
    await be_present(db, bob.id)
    await be_present(db, cyd.id, room_id=room_id)
    news = await say(db, ada.id, room_id=room_id, mentions=(bob.id, cyd.id))
    await tell(db, news, online=(bob.id,))
    assert await notified(db, bob.id) == ["mention"]
    assert await notified(db, cyd.id) == []
    again = await say(db, ada.id, room_id=room_id, mentions=(bob.id,))
    await tell(db, again, in_room=((bob.id, room_id),))
    assert await notified(db, bob.id) == ["mention"]


async def test_nobody_hears_of_who_they_have_blocked(
    db: asyncpg.Connection, people: list[Person]
) -> None:
    ada, bob, _ = people
    room_id = await create_room(db, unique_name("room"))
    await db.execute("INSERT INTO user_blocks VALUES ($1, $2)", bob.id, ada.id)
    await say_and_tell(db, ada.id, to_user=bob.id)
    await say_and_tell(db, ada.id, room_id=room_id, mentions=(bob.id,), replied_to=bob.id)
    assert await notified(db, bob.id) == []
    await say_and_tell(db, bob.id, to_user=ada.id)
    assert await notified(db, ada.id) == ["dm"]


@pytest.mark.parametrize("column", ["is_private = true", "history = 'joining'", "kind = 'deleted'"])
async def test_nor_of_a_room_that_they_may_not_read(
    db: asyncpg.Connection, people: list[Person], column: str
) -> None:
    ada, bob, cyd = people
    members = (cyd.id,) if "deleted" not in column else ()
    room_id = await create_room(db, unique_name("room"), members=members)
    await db.execute(f"UPDATE rooms SET {column} WHERE id = $1", room_id)
    await say_and_tell(db, ada.id, room_id=room_id, mentions=(bob.id, cyd.id), replied_to=bob.id)
    assert await notified(db, bob.id) == []
    assert await notified(db, cyd.id) == ["mention"] * len(members)


@pytest.mark.parametrize("status", ["suspended", "deleted"])
async def test_nor_is_an_account_that_is_not_active(
    db: asyncpg.Connection, people: list[Person], status: str
) -> None:
    ada, bob, _ = people
    await db.execute("UPDATE users SET status = $2 WHERE id = $1", bob.id, status)
    await say_and_tell(db, ada.id, to_user=bob.id)
    assert await notified(db, bob.id) == []


async def test_a_batch_in_its_order_and_once(db: asyncpg.Connection, people: list[Person]) -> None:
    ada, bob, cyd = people
    room_id = await create_room(db, unique_name("room"))
    news = [
        await say(db, ada.id, to_user=bob.id),
        await say(db, ada.id, room_id=room_id, mentions=(bob.id, cyd.id)),
        await say(db, cyd.id, to_user=bob.id),
        await say(db, cyd.id, room_id=room_id, replied_to=bob.id),
    ]
    await tell(db, *news)
    await tell(db, *news)
    assert await notified(db, bob.id) == ["dm", "mention", "dm", "reply"]
    assert await notified(db, cyd.id) == ["mention"]


async def test_nothing_to_do_asks_nothing(people: list[Person], db: asyncpg.Connection) -> None:
    ada, *_ = people
    news = await say(db, ada.id, room_id=await create_room(db, unique_name("room")))
    asked: list[str] = []
    db.add_query_logger(lambda record: asked.append(record.query))
    await tell(db, news)
    await tell(db)
    assert [query for query in asked if "notif" in query] == []


async def test_sockets_are_told_of_what_they_would_not_see(
    db: asyncpg.Connection, people: list[Person], database_url: str
) -> None:
    ada, bob, cyd = people
    room_id = await create_room(db, "studio", members=(bob.id,))
    heard: list[dict[str, Any]] = []
    listener = await asyncpg.connect(database_url)
    await listener.add_listener(CHAT_CHANNEL, lambda *said: heard.append(json.loads(said[3])))
    await say_and_tell(db, ada.id, "x" * 201, room_id=room_id, mentions=(bob.id,))
    # Who has no socket at all could be shown nothing.
    await say_and_tell(db, ada.id, to_user=bob.id)
    actor = Actor(ada.id, ada.username, Role.USER, ada.session_id)
    # Of being invited again before the first was read nothing is told.
    for _ in range(2):
        async with db.transaction():
            await notify_invitation(db, user_id=cyd.id, actor=actor, room_id=room_id)
    await asyncio.sleep(0.1)
    await listener.fetchval("SELECT 1")
    await listener.close()
    assert [(event["topic"], event["kind"], event["user_id"]) for event in heard] == [
        ("chat.ephemeral", "notification", bob.id),
        ("chat.ephemeral", "notification", cyd.id),
    ]
    mention, invitation = await show(db, [event["notification_id"] for event in heard])
    assert (mention.kind, mention.room) == ("mention", "studio")
    assert mention.message is not None
    assert mention.message.excerpt == "x" * 199 + "…"
    assert (invitation.kind, invitation.room, invitation.message) == ("invitation", "studio", None)
    assert invitation.sender.username == ada.username
