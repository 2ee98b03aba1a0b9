"""Messages sent without a socket."""

import asyncio
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.builders.chat import ChatProcess, connected
from tests.builders.messages import close, mute, open_room, say, send, set_room, tell
from tests.domains.chat.conftest import MakePerson
from tests.servers import ApiProcess, api_process

from talas.domains.chat.limits import MESSAGES


async def test_it_is_the_same_message_everywhere(
    api: ApiProcess, chat: ChatProcess, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann)
    first = say(api, ann, room, "first")
    async with connected(chat, bob) as client:
        await client.join(room)
        client_id = str(uuid.uuid4())
        message = say(api, ann, room, "  hello 👋 ", client_id=client_id, reply_to=first["id"])
        frame = await client.receive_kind("message")
        direct = tell(api, ann, bob, "psst")
        told = await client.receive_kind("dm")
    assert message["from_user"] == ann.id
    assert (message["content"], message["client_id"]) == ("hello 👋", client_id)
    assert message["reply_to"] == first["id"]
    assert (frame["id"], frame["seq"], frame["content"]) == (
        message["id"],
        message["seq"],
        "hello 👋",
    )
    assert (told["id"], told["content"]) == (direct["id"], "psst")
    assert direct["to_user"] == bob.id
    path = f"/chat/rooms/{room}/messages"
    assert api.client.get(path, token=bob.token).json()["data"][-1] == message


async def test_who_writes_in_a_public_room_joins_it(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann)
    say(api, bob, room, "hello")
    member = "SELECT role FROM room_members WHERE user_id = $1"
    assert await db.fetchval(member, bob.id) == "member"


async def test_again_with_the_same_client_id(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    room = open_room(api, ann)
    body = {"content": "once", "client_id": str(uuid.uuid4())}

    def post(_number: int) -> tuple[int, int]:
        answer = send(api, ann, room, **body)
        return answer.status_code, answer.json()["data"]["id"]

    answers = await asyncio.gather(*(asyncio.to_thread(post, n) for n in range(8)))
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({message_id for _, message_id in answers}) == 1
    answer = send(api, ann, room, **{**body, "content": "something else"})
    assert (answer.status_code, answer.json()["data"]["content"]) == (200, "once")
    kept = "SELECT count(*) FROM messages WHERE client_id = $1"
    assert await db.fetchval(kept, uuid.UUID(body["client_id"])) == 1


async def test_the_same_client_id_in_two_rooms_at_once(
    api: ApiProcess, make_person: MakePerson
) -> None:
    ann = await make_person()
    rooms = [open_room(api, ann) for _ in range(4)]
    client_id = str(uuid.uuid4())

    def post(room: str) -> int:
        return send(api, ann, room, content="x", client_id=client_id).status_code

    statuses = await asyncio.gather(*(asyncio.to_thread(post, room) for room in rooms * 2))
    assert statuses.count(201) == 1
    assert set(statuses) <= {200, 201, 409}


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], "x", {"content": None}, {"content": 7}, {"content": " \n "}),
        *({"content": "a\x00b"}, {"content": "\x1b[31m"}, {"content": "x" * 4001}),
        *({"content": "x", "client_id": "no"}, {"content": "x", "reply_to": "1"}),
        *({"content": "x", "reply_to": 2**31 - 1}, {"content": "x", "reply_to": 10**30}),
        *({"content": "x", "attachments": 7}, {"content": "x", "attachments": [None]}),
    ],
)
async def test_bodies_that_are_no_message(
    api: ApiProcess, make_person: MakePerson, body: Any
) -> None:
    ann = await make_person()
    room = open_room(api, ann)
    for path in (f"/chat/rooms/{room}/messages", f"/chat/dm/{ann.id}"):
        assert api.client.post(path, json=body, token=ann.token).status_code == 400
    history = api.client.get(f"/chat/rooms/{room}/messages", token=ann.token)
    assert history.json()["data"] == []


async def test_the_longest_message(api: ApiProcess, make_person: MakePerson) -> None:
    ann = await make_person()
    content = "🎛" * 4000
    assert say(api, ann, open_room(api, ann), content)["content"] == content


async def test_what_the_room_refuses(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    room, private = open_room(api, ann, members=[bob]), open_room(api, ann, private=True)
    answer = send(api, eve, private, content="x")
    assert (answer.status_code, answer.json()["error"]) == (404, "Room not found")
    assert send(api, eve, "never-opened", content="x").json() == answer.json()
    await mute(db, room, bob)
    assert send(api, bob, room, content="x").json()["code"] == "muted"
    await db.execute("UPDATE room_members SET muted_until = NULL")
    await set_room(db, room, slow_mode_s=60)
    assert send(api, bob, room, content="x").status_code == 201
    answer = send(api, bob, room, content="x")
    assert (answer.status_code, answer.json()["code"]) == (429, "slow_mode")
    assert 0 < int(answer.headers["retry-after"]) <= 60
    await close(db, room)
    assert send(api, ann, room, content="x").json()["code"] == "room_closed"
    assert send(api, eve, room, content="x").json()["code"] == "room_closed"
    member = "SELECT count(*) FROM room_members WHERE user_id = $1"
    assert await db.fetchval(member, eve.id) == 0
    for nobody in (0, 2**31 - 1, 10**30):
        answer = api.client.post(f"/chat/dm/{nobody}", json={"content": "x"}, token=ann.token)
        assert (answer.status_code, answer.json()["error"]) == (404, "User not found")
    assert api.client.post(f"/chat/rooms/{room}/messages", json={}).status_code == 401


async def test_who_writes_too_fast_waits(
    module_database_url: str, tmp_path: Path, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    with api_process(module_database_url, tmp_path, RATE_LIMITS="on") as limited:
        room = open_room(limited, ann)
        began = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda n: send(limited, ann, room, content=str(n)), range(80)))
        most = MESSAGES.burst + MESSAGES.rate * (time.monotonic() - began)
        refused = [answer for answer in answers if answer.status_code == 429]
        assert MESSAGES.burst <= len(answers) - len(refused) <= most
        assert refused
        assert {answer.json()["code"] for answer in refused} == {"rate_limited"}
        assert {answer.headers["retry-after"] for answer in refused} == {"1"}
        assert send(limited, bob, room, content="another one").status_code == 201
