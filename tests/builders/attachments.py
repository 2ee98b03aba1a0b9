"""Uploads for messages, and messages that carry them."""

import itertools
import random
import struct
from typing import Any

import httpx
from tests.builders.products import run_sql
from tests.builders.tracks import wav
from tests.servers import ApiProcess

_numbers = itertools.count(1)

# Two frames of MPEG-1 layer III, 128 kbit/s, 44.1 kHz.
MP3 = (b"\xff\xfb\x90\x00" + bytes(413)) * 2


def aiff() -> bytes:
    return b"FORM" + struct.pack(">I", 46) + b"AIFFCOMM" + bytes(38)


def flac() -> bytes:
    return b"fLaC\x80\0\0\x22" + random.Random(3).randbytes(34)


def ogg(kind: bytes = b"\x01vorbis") -> bytes:
    """The first page of a stream (RFC 3533)."""
    packet = kind.ljust(30, b"\0")
    return b"OggS\0\2" + bytes(20) + bytes((1, len(packet))) + packet


def m4a() -> bytes:
    return struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"M4A ", 0, b"M4A ", b"isom") + bytes(100)


def aac() -> bytes:
    """Two frames with ADTS headers (ISO/IEC 13818-7), 16 bytes each."""
    return (b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)) * 2


AUDIO: dict[str, tuple[bytes, str]] = {
    "song.mp3": (MP3, "audio/mpeg"),
    "song.aac": (aac(), "audio/aac"),
    "song.m4a": (m4a(), "audio/mp4"),
    "song.flac": (flac(), "audio/flac"),
    "song.WAV": (wav(), "audio/wav"),
    "song.aif": (aiff(), "audio/aiff"),
    "song.ogg": (ogg(), "audio/ogg"),
    "voice.ogg": (ogg(b"OpusHead"), "audio/ogg"),
    "voice.opus": (ogg(b"OpusHead"), "audio/ogg"),
}


def post_attachment(
    api: ApiProcess, token: str, *, content: bytes = b"some text", filename: str = "notes.txt"
) -> httpx.Response:
    return api.client.post("/chat/attachments", token=token, files={"file": (filename, content)})


def create_attachment(api: ApiProcess, token: str, **upload: Any) -> dict[str, Any]:
    answer = post_attachment(api, token, **upload)
    assert answer.status_code == 201, answer.text
    attachment: dict[str, Any] = answer.json()["data"]
    return attachment


def make_room(api: ApiProcess, *members: int, private: bool = False, history: str = "start") -> int:
    """The room's id. Its members came before anything was said."""
    name = f"attachments {next(_numbers)}"
    [[room_id]] = run_sql(
        api,
        "INSERT INTO rooms (name, name_key, is_private, history) "
        "VALUES ($1::text, $1::text, $2, $3) RETURNING id",
        name,
        private,
        history,
    )
    for user_id in members:
        join(api, room_id, user_id)
    return int(room_id)


def join(api: ApiProcess, room_id: int, user_id: int) -> None:
    run_sql(
        api,
        "INSERT INTO room_members (room_id, user_id, joined_seq) "
        "SELECT id, $2, seq FROM rooms WHERE id = $1",
        room_id,
        user_id,
    )


def leave(api: ApiProcess, room_id: int, user_id: int) -> None:
    run_sql(api, "DELETE FROM room_members WHERE room_id = $1 AND user_id = $2", room_id, user_id)


def say_in_room(api: ApiProcess, room_id: int, author_id: int, *upload_ids: int) -> int:
    """The id of a message that carries the uploads."""
    [[message_id]] = run_sql(
        api,
        "WITH top AS (UPDATE rooms SET seq = seq + 1 WHERE id = $1 RETURNING name, seq) "
        "INSERT INTO messages (from_user, room_id, room, content, seq) "
        "SELECT $2, $1, name, 'look', seq FROM top RETURNING id",
        room_id,
        author_id,
    )
    _carry(api, message_id, upload_ids)
    return int(message_id)


def say_to(api: ApiProcess, author_id: int, to_user: int, *upload_ids: int) -> int:
    """As ``say_in_room``, in a conversation."""
    [[message_id]] = run_sql(
        api,
        "WITH top AS (INSERT INTO conversations (user_low, user_high, seq) "
        "VALUES (least($1::int, $2), greatest($1::int, $2), 1) "
        "ON CONFLICT (user_low, user_high) DO UPDATE SET seq = conversations.seq + 1 "
        "RETURNING id, seq) "
        "INSERT INTO messages (from_user, to_user, conversation_id, content, seq) "
        "SELECT $1, $2, id, 'look', seq FROM top RETURNING id",
        author_id,
        to_user,
    )
    _carry(api, message_id, upload_ids)
    return int(message_id)


def _carry(api: ApiProcess, message_id: int, upload_ids: tuple[int, ...]) -> None:
    run_sql(
        api,
        "INSERT INTO message_uploads (message_id, upload_id) SELECT $1, unnest($2::int[])",
        message_id,
        list(upload_ids),
    )


def delete_message(api: ApiProcess, message_id: int) -> None:
    """It stays as a tombstone, and what it carried with it."""
    run_sql(api, "UPDATE messages SET deleted_at = now(), content = '' WHERE id = $1", message_id)
