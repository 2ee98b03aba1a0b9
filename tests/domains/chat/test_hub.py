"""What a process shows of the messages that it has kept itself."""

from datetime import UTC, datetime

import asyncpg
from tests.builders.chat import create_room, keep_unannounced, unique_name
from tests.domains.chat.conftest import MakePerson

from talas.domains.chat import sql
from talas.domains.chat.hub import Hub, Room
from talas.domains.chat.sql import Message


def create_message(seq: int, room_id: int = 1) -> Message:
    return Message(
        id=seq,
        seq=seq,
        room_id=room_id,
        conversation_id=None,
        room="room",
        from_user=1,
        username="ann",
        to_user=None,
        content="Hello",
        timestamp=datetime.now(UTC),
        client_id=None,
        reply_to=None,
        edited_at=None,
        deleted_at=None,
        pinned_at=None,
        attachments=None,
        mentions=None,
    )


async def test_only_what_follows_is_shown_and_the_rest_is_read() -> None:
    """What another process has kept may lie before them, and between them."""
    hub, behind = Hub(), list[Room]()
    room = hub.open_room(1, "room", "room", 4)
    hub.on_behind = behind.append
    await hub.deliver([create_message(5), create_message(6)])
    assert (room.seq, behind) == (6, [])
    await hub.deliver([create_message(8)])
    assert (room.seq, behind) == (6, [room])
    await hub.deliver([create_message(7), create_message(9)])
    assert (room.seq, behind) == (6, [room, room])
    await hub.deliver([create_message(5), create_message(6)])
    assert (room.seq, behind) == (6, [room, room])


async def test_a_commit_in_doubt_is_not_taken_for_another_that_got_its_id(
    db: asyncpg.Connection, make_person: MakePerson
) -> None:
    ann, bob = await make_person(), await make_person()
    room = unique_name("room")
    await create_room(db, room)
    await keep_unannounced(db, room, ann, "Hello")
    id_, at = await db.fetchrow('SELECT id, "timestamp" FROM messages WHERE room = $1', room)
    assert await sql.select_message_exists(db, id_, ann.id, at)
    assert not await sql.select_message_exists(db, id_, bob.id, at)
    assert not await sql.select_message_exists(db, id_, ann.id, datetime.now(UTC))
