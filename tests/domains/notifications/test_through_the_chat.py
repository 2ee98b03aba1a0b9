"""From what somebody says to what another one is told of it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from tests.builders.chat import ChatProcess, Person, connected, create_person, unique_name
from tests.builders.notifications import notified
from tests.conftest import JWT_SECRET
from tests.ports import free_port
from tests.servers import ApiProcess

from talas.core.settings import Settings, load_settings


@pytest.fixture(scope="module")
def settings(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(
        _env_file=None,
        database_url=module_database_url,
        data_dir=tmp_path_factory.mktemp("chat"),
        ws_bind_addr=f"127.0.0.1:{free_port()}",
        jwt_secret=JWT_SECRET,
        rate_limits=False,
    )


@pytest.fixture(scope="module")
def chat(settings: Settings) -> Iterator[ChatProcess]:
    process = ChatProcess(settings)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


@pytest.fixture
async def people(db: asyncpg.Connection, settings: Settings) -> list[Person]:
    return [await create_person(db, settings) for _ in range(2)]


async def say(api: ApiProcess, person: Person, path: str, **body: Any) -> dict[str, Any]:
    answer = await asyncio.to_thread(api.client.post, path, token=person.token, json=body)
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def test_a_mention_is_shown_to_who_is_elsewhere(
    api: ApiProcess, chat: ChatProcess, db: asyncpg.Connection, people: list[Person]
) -> None:
    ada, bob = people
    async with connected(chat, ada) as speaker, connected(chat, bob, version=2) as elsewhere:
        await speaker.join()
        await speaker.send(type="message", room="general", content=f"Hear, @{bob.username}")
        shown = await elsewhere.receive_kind("notification")
    assert (shown["kind"], shown["room"]) == ("mention", "general")
    assert shown["from"] == {"id": ada.id, "username": ada.username}
    assert shown["message"]["excerpt"] == f"Hear, @{bob.username}"
    answer = await asyncio.to_thread(api.client.get, "/notifications", token=bob.token)
    assert answer.json()["data"] == [shown]
    assert await notified(db, bob.id) == ["mention"]


async def test_nobody_is_told_of_what_they_see(
    chat: ChatProcess, db: asyncpg.Connection, people: list[Person]
) -> None:
    ada, bob = people
    async with connected(chat, ada) as speaker, connected(chat, bob) as there:
        await speaker.join()
        await there.join()
        await speaker.send(type="message", room="general", content=f"You, @{bob.username}")
        await there.receive_kind("message")
        await speaker.send(type="dm", to=bob.id, content="And you alone")
        await there.receive_kind("dm")
    assert await notified(db, bob.id) == []


async def test_what_came_by_http_to_who_is_away(
    api: ApiProcess, db: asyncpg.Connection, people: list[Person]
) -> None:
    ada, bob = people
    room = unique_name("room")
    await say(api, ada, "/chat/rooms", name=room)
    join = await asyncio.to_thread(
        api.client.post, f"/chat/rooms/{room}/members", token=ada.token, json={"user_id": bob.id}
    )
    assert join.status_code < 300, join.text
    mine = await say(api, bob, f"/chat/rooms/{room}/messages", content="A question")
    await say(api, ada, f"/chat/rooms/{room}/messages", content="Yes", reply_to=mine["id"])
    await say(api, ada, f"/chat/dm/{bob.id}", content="Hello")
    assert await notified(db, bob.id) == ["invitation", "reply", "dm"]
