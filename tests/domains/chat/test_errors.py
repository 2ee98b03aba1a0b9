"""What does not fit is answered by a sentence, and the socket stays open."""

import json

import pytest
from tests.builders.chat import ChatProcess, connected
from tests.domains.chat.conftest import MakePerson

KNOWN = (
    "join, leave, message, dm, room_history, dm_history, edit, delete, react, unreact, pin, unpin, "
    "typing, read, auth, ping"
)
NO_TEXT = "Text must be Unicode; half of a surrogate pair (\\ud800 to \\udfff) is none"
BAD = [
    ("", "A frame must be one JSON object"),
    ("hello", "A frame must be one JSON object"),
    ("{", "A frame must be one JSON object"),
    ("[]", "A frame must be one JSON object"),
    ("null", "A frame must be one JSON object"),
    ('"join"', "A frame must be one JSON object"),
    ('{"type":"ping"} {"type":"ping"}', "A frame must be one JSON object"),
    ('{"type":"ping"', "A frame must be one JSON object"),
    ("NaN", "A frame must be one JSON object"),
    ("[" * 16_000, "A frame must be one JSON object"),
    # How deep is too deep, or only no JSON, differs between versions of Python.
    ('{"a":' * 3_000, None),
    ('{"type":"join","room":"general","x":' + "[" * 15_000, None),
    ("{}", f"Unknown type; known are {KNOWN}"),
    ('{"type":null}', f"Unknown type; known are {KNOWN}"),
    ('{"type":7}', f"Unknown type; known are {KNOWN}"),
    ('{"type":"shout"}', f"Unknown type; known are {KNOWN}"),
    ('{"type":"join"}', "room is required"),
    ('{"type":"join","room":7}', "room: expected str, got int"),
    ('{"type":"join","room":null}', "room: expected str, got null"),
    ('{"type":"join","room":"general","id":[1]}', "id: expected int | str | null, got array"),
    ('{"type":"join","room":"\\ud800"}', NO_TEXT),
    ('{"type":"ping","id":"\\ud800"}', NO_TEXT),
    ('{"type":"ping","id":"\\ud800"', "A frame must be one JSON object"),
    ('["\\ud800"]', "A frame must be one JSON object"),
    ('{"type":"join","room":"a\\u0000b"}', "Room not found"),
    ('{"type":"join","room":"%s"}' % ("x" * 5000), "Room not found"),
    ('{"type":"join","room":""}', "Room not found"),
    ('{"type":"leave","room":"nowhere"}', "Join the room first"),
    ('{"type":"message","room":"nowhere","content":"x"}', "Join the room first"),
    ('{"type":"leave","room":"a%s"}' % ("\u0301\u0316" * 3_900), "Join the room first"),
    (
        '{"type":"message","room":"a%s","content":"x"}' % ("\u0301\u0316" * 3_900),
        "Join the room first",
    ),
    ('{"type":"message","room":"general"}', "content is required"),
    ('{"type":"message","room":"general","content":["x"]}', "content: expected str, got array"),
    ('{"type":"message","room":"general","content":"  \\n "}', "content must not be empty"),
    (
        '{"type":"message","room":"general","content":"a\\u0000b"}',
        "content must not contain control characters",
    ),
    (
        '{"type":"message","room":"general","content":"\\u001b[31m"}',
        "content must not contain control characters",
    ),
    ('{"type":"message","room":"general","content":"x\\udc00"}', NO_TEXT),
    (
        '{"type":"message","room":"general","content":"%s"}' % ("x" * 4001),
        "content must be at most 4000 characters",
    ),
    (
        '{"type":"message","room":"general","content":"x","client_id":"seven"}',
        "client_id: invalid UUID",
    ),
    ('{"type":"dm","to":"ann","content":"x"}', "to: expected int, got str"),
    ('{"type":"dm","to":true,"content":"x"}', "to: expected int, got bool"),
    ('{"type":"dm","content":"x"}', "to is required"),
    ('{"type":"dm_history"}', "with is required"),
    ('{"type":"room_history","room":"general","limit":0}', "limit must be between 1 and 200"),
    ('{"type":"room_history","room":"general","limit":201}', "limit must be between 1 and 200"),
    (
        '{"type":"room_history","room":"general","limit":"10"}',
        "limit: expected int, got str",
    ),
    (
        '{"type":"room_history","room":"general","before":"yesterday"}',
        "before must be the id of a message or an instant like 2024-01-15T10:30:00Z",
    ),
    ('{"type":"room_history","room":"general","before":"0001-01-01T00:00:00+23:00"}', None),
    ('{"type":"auth"}', "token is required"),
    ('{"type":"auth","token":"abc"}', "Invalid token"),
]


async def test_every_bad_frame_is_answered_on_an_open_socket(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        await a.join()
        for text, sentence in BAD:
            await a.socket.send(text)
            answer = await a.receive()
            assert answer["type"] == "error", (text[:80], answer)
            assert set(answer["data"]) == {"message", "code"}, (text[:80], answer)
            if sentence is not None:
                assert answer["data"]["message"] == sentence, text[:80]
        await a.socket.send(b'{"type":"ping"}')
        assert "Binary" in (await a.receive())["data"]["message"]
        assert await a.ask(type="ping") == {"type": "pong"}


@pytest.mark.parametrize("request_id", [7, "seven", "", 2**60, "é" * 128])
async def test_an_id_comes_back(
    chat: ChatProcess, make_person: MakePerson, request_id: int | str
) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        for frame, kind in (
            ({"type": "join", "room": "general"}, "joined"),
            ({"type": "room_history", "room": "general"}, "room_history"),
            ({"type": "dm_history", "with": ann.id}, "dm_history"),
            ({"type": "leave", "room": "general"}, "left"),
            ({"type": "leave", "room": "general"}, "error"),
            ({"type": "ping"}, "pong"),
            ({"type": "shout"}, "error"),
            ({"type": "join", "room": 7}, "error"),
            ({"type": "join", "room": "unknown room"}, "error"),
            ({"type": "dm", "to": 0, "content": "x"}, "error"),
            ({"type": "dm", "to": 2**31 - 1, "content": "x"}, "error"),
        ):
            answer = await a.ask(**frame, id=request_id)
            assert (answer["type"], answer["data"]["id"]) == (kind, request_id)


async def test_who_cut_an_emoji_in_two_learns_which_request_it_was(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    async with connected(chat, await make_person()) as a:
        await a.join()
        await a.socket.send('{"type":"message","room":"general","content":"\\ud83d","id":7}')
        assert (await a.receive())["data"] == {"message": NO_TEXT, "code": "bad_request", "id": 7}
        await a.socket.send('{"type":"message","room":"general","content":"\\ud83d\\ude00","id":8}')
        assert (await a.receive())["data"]["content"] == "😀"


async def test_unknown_fields_are_ignored(chat: ChatProcess, make_person: MakePerson) -> None:
    ann, bob = await make_person(), await make_person()
    async with connected(chat, ann) as a:
        await a.join()
        await a.send(
            type="message",
            room="general",
            content="mine",
            **{"from": bob.id, "user_id": bob.id, "username": bob.username, "seq": 1},
        )
        data = (await a.receive())["data"]
        assert (data["from"], data["username"]) == (ann.id, ann.username)


async def test_frames_are_text_that_json_reads(chat: ChatProcess, make_person: MakePerson) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        await a.join()
        content = 'quotes " \\ and \u2028 and \x7e'
        await a.socket.send(json.dumps({"type": "message", "room": "general", "content": content}))
        frame = await a.socket.recv()
        assert isinstance(frame, str)
        assert json.loads(frame)["data"]["content"] == content
