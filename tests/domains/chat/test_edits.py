"""Messages that are edited and deleted."""

import asyncio

import asyncpg
import pytest
from tests.builders.messages import (
    act,
    add_member,
    block,
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

ABSENT = 2_000_000_000


async def test_an_author_edits_and_what_was_said_before_is_kept(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann)
    message = say(api, ann, room, "first")
    for content in ("second", "  third  "):
        answer = act(api, ann, "PUT", message["id"], json={"content": content})
        assert answer.status_code == 200, answer.text
    seen = show(api, bob, message["id"])
    assert (seen["content"], seen["room"], seen["seq"]) == ("third", room, message["seq"])
    assert seen["edited_at"] > message["timestamp"]
    edits = act(api, bob, "GET", message["id"], "/edits").json()["data"]
    assert [edit["content"] for edit in edits] == ["first", "second"]
    assert await events_of(db, message["id"]) == ["edit", "edit"]
    assert await seqs_have_no_gaps(db, room)


async def test_the_same_again_is_no_edit(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    message = say(api, ann, open_room(api, ann), "same")
    answer = act(api, ann, "PUT", message["id"], json={"content": " same "})
    assert answer.status_code == 200
    assert "edited_at" not in answer.json()["data"]
    assert await events_of(db, message["id"]) == []


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], "x", {"content": None}, {"content": 7}, {"content": "  "}),
        *({"content": "a\x00b"}, {"content": "x" * 4001}),
    ],
)
async def test_what_no_message_may_say(
    api: ApiProcess, make_person: MakePerson, body: object
) -> None:
    ann = await make_person()
    message = say(api, ann, open_room(api, ann), "kept")
    assert act(api, ann, "PUT", message["id"], json=body).status_code == 400
    assert show(api, ann, message["id"])["content"] == "kept"


async def test_nobody_else_edits(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    moderator = await make_person(role="super_admin")
    room = open_room(api, bob, private=False, members=[ann])
    message = say(api, ann, room, "mine")
    for person in (bob, eve, moderator):
        answer = act(api, person, "PUT", message["id"], json={"content": "x"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    direct = tell(api, ann, bob, "psst")
    assert act(api, bob, "PUT", direct["id"], json={"content": "x"}).status_code == 403


async def test_to_strangers_there_is_no_message(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob, eve = await make_person(), await make_person(), await make_person()
    room = open_room(api, ann, private=True)
    hidden = [say(api, ann, room, "secret")["id"], tell(api, ann, bob, "psst")["id"]]
    for message_id in (*hidden, ABSENT, 0, 10**30):
        for method, what in (
            ("GET", ""),
            ("GET", "/edits"),
            ("GET", "/reactions"),
            ("DELETE", ""),
            ("PUT", "/pin"),
            ("DELETE", "/pin"),
            ("PUT", "/reactions/👍"),
            ("DELETE", "/reactions/👍"),
        ):
            answer = act(api, eve, method, message_id, what)
            assert (answer.status_code, answer.json()["error"]) == (404, "Message not found")
        answer = act(api, eve, "PUT", message_id, json={"content": "x"})
        assert (answer.status_code, answer.json()["error"]) == (404, "Message not found")


async def test_who_may_not_speak_may_not_edit(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann, members=[bob])
    message = say(api, bob, room, "said")

    def edit() -> tuple[int, str]:
        answer = act(api, bob, "PUT", message["id"], json={"content": "changed"})
        return answer.status_code, answer.json()["code"]

    await mute(db, room, bob)
    assert edit() == (403, "muted")
    await db.execute("UPDATE room_members SET muted_until = now()")
    await close(db, room)
    assert edit() == (403, "room_closed")
    await set_room(db, room, closed_at=None)
    await db.execute("DELETE FROM room_members WHERE user_id = $1", bob.id)
    assert edit() == (403, "not_joined")
    assert act(api, bob, "DELETE", message["id"]).status_code == 200


async def test_who_is_blocked_may_only_delete(api: ApiProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()
    message = tell(api, ann, bob, "hello")
    block(api, bob, ann)
    for method, what, body in (
        ("PUT", "", {"content": "x"}),
        ("PUT", "/reactions/👍", None),
        ("DELETE", "/reactions/👍", None),
        ("PUT", "/pin", None),
        ("DELETE", "/pin", None),
    ):
        answer = act(api, ann, method, message["id"], what, json=body)
        assert (answer.status_code, answer.json()["error"]) == (404, "User not found"), what
    assert act(api, bob, "PUT", message["id"], "/pin").status_code == 200
    assert act(api, ann, "DELETE", message["id"]).status_code == 200


async def test_a_message_is_edited_a_hundred_times(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    message = say(api, ann, open_room(api, ann), "x")
    await db.execute(
        "INSERT INTO message_edits (message_id, content, edited_at) "
        "SELECT $1, 'x', now() FROM generate_series(1, 100)",
        message["id"],
    )
    answer = act(api, ann, "PUT", message["id"], json={"content": "y"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_edits")


async def test_nothing_stays_of_what_is_deleted(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann, members=[bob])
    message = say(api, ann, room, f"secret word for @{bob.username}")
    act(api, ann, "PUT", message["id"], json={"content": f"a secret for @{bob.username}"})
    act(api, bob, "PUT", message["id"], "/reactions/👍")
    act(api, ann, "PUT", message["id"], "/pin")
    assert act(api, ann, "DELETE", message["id"]).status_code == 200
    seen = show(api, bob, message["id"])
    assert (seen["content"], seen["deleted"]) == ("", True)
    assert not {"reactions", "mentions", "pinned", "attachments"} & seen.keys()
    path = f"/chat/rooms/{room}/messages"
    assert api.client.get(path, token=bob.token).json()["data"][-1]["deleted"] is True
    assert act(api, bob, "GET", message["id"], "/edits").json()["data"] == []
    assert act(api, bob, "GET", message["id"], "/reactions").json()["pagination"]["total"] == 0
    mentions = api.client.get("/chat/mentions", token=bob.token).json()
    assert mentions["pagination"]["total"] == 0
    left = await db.fetchval(
        "SELECT count(*) FROM notifications WHERE message_id = $1", message["id"]
    )
    assert left == 0
    assert (await events_of(db, message["id"]))[-1] == "delete"


async def test_deleted_stays_deleted(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    room = open_room(api, ann)
    message = say(api, ann, room, "gone")
    assert act(api, ann, "DELETE", message["id"]).status_code == 200
    assert act(api, ann, "DELETE", message["id"]).status_code == 200
    assert await events_of(db, message["id"]) == ["delete"]
    for what, body in (("", {"content": "back"}), ("/pin", None), ("/reactions/👍", None)):
        answer = act(api, ann, "PUT", message["id"], what, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "message_deleted")


async def test_who_deletes_what_others_said(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    owner, moderator, member = [await make_person() for _ in range(3)]
    room = open_room(api, owner, members=[member])
    await add_member(db, room, moderator, "moderator")

    def delete(author: object, by: object) -> int:
        message = say(api, author, room, "text")  # type: ignore[arg-type]
        return act(api, by, "DELETE", message["id"]).status_code  # type: ignore[arg-type]

    assert delete(member, moderator) == 200
    assert delete(moderator, owner) == 200
    assert delete(owner, moderator) == 403
    assert delete(owner, member) == 403
    assert delete(moderator, member) == 403
    assert delete(member, member) == 200


async def test_moderators_delete_what_they_do_not_see(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    moderator = await make_person(role="moderator")
    room = open_room(api, ann, private=True)
    said, told = say(api, ann, room, "in private"), tell(api, ann, bob, "in secret")
    for message in (said, told):
        assert act(api, moderator, "GET", message["id"]).status_code == 404
        assert act(api, moderator, "DELETE", message["id"]).status_code == 200
        assert show(api, ann, message["id"])["deleted"] is True
    assert act(api, moderator, "DELETE", ABSENT).status_code == 404
    rows = await db.fetch(
        "SELECT target_id, before, address FROM audit_log WHERE action = 'message.delete' "
        "AND actor_id = $1 ORDER BY id",
        moderator.id,
    )
    assert [row["target_id"] for row in rows] == [said["id"], told["id"]]
    assert '"in private"' in rows[0]["before"]
    assert room in rows[0]["before"]
    assert rows[0]["address"] == "127.0.0.1"


async def test_ones_own_deletion_is_not_audited(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    moderator = await make_person(role="moderator")
    message = say(api, moderator, open_room(api, moderator), "oops")
    assert act(api, moderator, "DELETE", message["id"]).status_code == 200
    written = "SELECT count(*) FROM audit_log WHERE action = 'message.delete' AND target_id = $1"
    assert await db.fetchval(written, message["id"]) == 0


async def test_edits_and_deletions_at_once_keep_the_order_whole(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann = await make_person()
    room = open_room(api, ann)
    messages = [say(api, ann, room, f"m{number}") for number in range(4)]

    def edit(number: int) -> int:
        message = messages[number % 4]
        body = {"content": f"edit {number}"}
        return act(api, ann, "PUT", message["id"], json=body).status_code

    def delete(number: int) -> int:
        return act(api, ann, "DELETE", messages[number % 4]["id"]).status_code

    tasks = [asyncio.to_thread(edit, number) for number in range(16)]
    tasks += [asyncio.to_thread(delete, number) for number in range(8)]
    statuses = await asyncio.gather(*tasks)
    assert set(statuses) <= {200, 409}
    for message in messages:
        seen = show(api, ann, message["id"])
        assert (seen["content"], seen["deleted"]) == ("", True)
        kinds = await events_of(db, message["id"])
        assert kinds.count("delete") == 1
        assert kinds[-1] == "delete"
    assert await seqs_have_no_gaps(db, room)


async def test_what_lies_before_joining_is_not_there(
    api: ApiProcess, make_person: MakePerson, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    room = open_room(api, ann, private=True)
    before = say(api, ann, room, "before")
    await set_room(db, room, history="joining")
    await add_member(db, room, bob)
    after = say(api, ann, room, "after")
    assert act(api, bob, "GET", before["id"]).status_code == 404
    assert act(api, bob, "PUT", before["id"], "/reactions/👍").status_code == 404
    assert act(api, bob, "GET", after["id"]).status_code == 200
    history = api.client.get(f"/chat/rooms/{room}/messages", token=bob.token).json()["data"]
    assert [message["content"] for message in history] == ["after"]
