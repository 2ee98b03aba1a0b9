"""RFC 6455 section 4.2: which handshakes open a socket, and what the others are answered.

Then a client that conforms.
"""

import asyncio
from typing import Any

import pytest
from tests.builders.chat import ChatProcess, connected
from tests.domains.chat.conftest import MakePerson
from tests.domains.chat.raw_websocket import (
    ANSWERED,
    ASK,
    ASKED,
    MOST,
    SAMPLE_ACCEPT,
    SAMPLE_KEY,
    check,
    code,
    echo,
    handshake,
    read_head,
    shake_hands,
    write_chopped,
)
from tests.domains.chat.test_hostile import CLOSE, PING, TEXT, RawSocket, frame
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

HANDSHAKES: dict[str, tuple[dict[str, str | None], int]] = {
    "as it should be": ({}, 101),
    "names in capitals": ({"Upgrade": None, "UPGRADE": "websocket"}, 101),
    "Upgrade in other letters": ({"Upgrade": "WebSocket"}, 101),
    "no Upgrade": ({"Upgrade": None}, 426),
    "empty Upgrade": ({"Upgrade": ""}, 426),
    "Upgrade to something else": ({"Upgrade": "h2c"}, 426),
    "Connection in other letters": ({"Connection": "upgrade"}, 101),
    "Connection with more in it": ({"Connection": "keep-alive, Upgrade"}, 101),
    "no Connection": ({"Connection": None}, 426),
    "Connection without upgrade": ({"Connection": "keep-alive"}, 426),
    "no version": ({"Sec-WebSocket-Version": None}, 426),
    "empty version": ({"Sec-WebSocket-Version": ""}, 426),
    "version 8": ({"Sec-WebSocket-Version": "8"}, 426),
    "version 14": ({"Sec-WebSocket-Version": "14"}, 426),
    "version 130": ({"Sec-WebSocket-Version": "130"}, 426),
    "two versions": ({"Sec-WebSocket-Version": "13, 8"}, 426),
    "no key": ({"Sec-WebSocket-Key": None}, 400),
    "empty key": ({"Sec-WebSocket-Key": ""}, 400),
    "key of 15 bytes": ({"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA"}, 400),
    "key of 18 bytes": ({"Sec-WebSocket-Key": "A" * 24}, 400),
    "key that is not Base64": ({"Sec-WebSocket-Key": "dGhlIHNhbXBs!!Bub25jZQ=="}, 400),
    "no Host": ({"Host": None}, 400),
    "a body": ({"Content-Length": "5"}, 400),
    "a chunked body": ({"Transfer-Encoding": "chunked"}, 400),
    "a header of 7 KiB": ({"Cookie": "c" * 7 * 1024}, 101),
    "a header of 9 KiB": ({"Cookie": "c" * 9 * 1024}, 431),
    "a header of 100 KiB": ({"Cookie": "c" * 100 * 1024}, 431),
    "20 KiB of headers": ({f"X-{n}": "x" * 4096 for n in range(5)}, 431),
    "130 headers": ({f"X-{n}": "x" for n in range(130)}, 431),
    "a header that is Latin-1": ({"X-Name": "Jos\xe9"}, 101),
    "a header with a NUL": ({"X-Name": "a\0b"}, 400),
    "a header whose name has a space": ({"X Name": "a"}, 400),
    "a folded header": ({"X-Name": "a\r\n b"}, 400),
    "extensions nobody knows": ({"Sec-WebSocket-Extensions": "x-new; y=1, permessage-z"}, 101),
    "extensions that make no sense": ({"Sec-WebSocket-Extensions": ";;=,,"}, 101),
}


@pytest.mark.parametrize("chop", [0, 997], ids=["at once", "in 997s"])
@pytest.mark.parametrize("name", HANDSHAKES)
async def test_handshakes(chat: ChatProcess, make_person: MakePerson, name: str, chop: int) -> None:
    changed, status = HANDSHAKES[name]
    answer = await shake_hands(chat, handshake((await make_person()).token, changed), chop=chop)
    assert answer.status == status
    if status == 101:
        assert answer.headers["sec-websocket-accept"] == SAMPLE_ACCEPT
        assert answer.headers["upgrade"] == "websocket"
        assert answer.headers["connection"] == "Upgrade"
        assert "sec-websocket-extensions" not in answer.headers
        assert "sec-websocket-protocol" not in answer.headers
    if status == 426:
        assert answer.headers["upgrade"] == "websocket"
        assert "Upgrade" in answer.headers["connection"]
        assert answer.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        pytest.param({"method": "POST"}, 405, id="POST"),
        pytest.param({"method": "HEAD"}, 405, id="HEAD"),
        pytest.param({"method": "get"}, 405, id="get in small letters"),
        pytest.param({"protocol": "HTTP/1.0"}, 505, id="HTTP 1.0"),
        pytest.param({"protocol": "HTTP/2.0"}, 400, id="HTTP 2.0"),
        pytest.param({"protocol": "http/1.1"}, 400, id="http in small letters"),
        pytest.param({"more": (f"Sec-WebSocket-Key: {SAMPLE_KEY}",)}, 400, id="two keys"),
        pytest.param({"more": ("Sec-WebSocket-Version: 13",)}, 426, id="the version twice"),
        pytest.param({"more": ("Host: localhost",)}, 400, id="two Hosts"),
        pytest.param({"more": ("no colon",)}, 400, id="a header without a colon"),
        pytest.param({"more": ("a: b\nc: d",)}, 400, id="a line without CR"),
    ],
)
async def test_other_methods_protocols_and_lines(
    chat: ChatProcess, make_person: MakePerson, options: dict[str, Any], status: int
) -> None:
    answer = await shake_hands(chat, handshake((await make_person()).token, **options))
    assert answer.status == status
    assert answer.headers.get("allow") == ("GET" if status == 405 else None)


@pytest.mark.parametrize(
    ("offered", "granted"),
    [
        ("Sec-WebSocket-Extensions", "permessage-deflate"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits, x-deflate-frame"),
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Protocol", "chat, superchat"),
    ],
)
async def test_what_is_offered_but_not_known_is_not_granted(
    chat: ChatProcess, make_person: MakePerson, offered: str, granted: str
) -> None:
    answer = await shake_hands(chat, handshake((await make_person()).token, {offered: granted}))
    assert answer.status == 101
    assert offered.lower() not in answer.headers


async def test_a_handshake_byte_by_byte_and_a_frame_with_its_answer(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    reader, writer = await chat.open_raw()
    await write_chopped(writer, handshake((await make_person()).token), 1)
    assert read_head(await reader.readuntil(b"\r\n\r\n")).status == 101
    await check(RawSocket(reader, writer), ([ASKED], [ANSWERED]))
    writer.close()


EARLY = {
    "text": ASKED,
    "ping": frame(PING, b"p"),
    "close": frame(CLOSE, code(1000)),
    "text without a mask": frame(TEXT, ASK, mask=False),
    "reserved opcode": frame(3),
    "another handshake": handshake("x"),
    "one byte too many": frame(TEXT, b"*" * (MOST + 1))[:100],
}


@pytest.mark.parametrize("data", EARLY.values(), ids=list(EARLY))
async def test_what_comes_before_the_answer_is_refused(
    chat: ChatProcess, make_person: MakePerson, data: bytes
) -> None:
    answer = await shake_hands(chat, handshake((await make_person()).token) + data)
    assert answer.status == 400


async def test_what_is_no_http_gets_an_answer_in_http(chat: ChatProcess) -> None:
    for start in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", b"GET\r\n\r\n", b"\r\n"):
        assert (await shake_hands(chat, start)).status == 400
    assert (await shake_hands(chat, b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n")).status == 414


# With a client that conforms


async def test_a_client_that_offers_all_it_can(chat: ChatProcess, make_person: MakePerson) -> None:
    url = f"{chat.url}?token={(await make_person()).token}"
    async with connect(url, subprotocols=["chat"], proxy=None) as socket:  # type: ignore[list-item]
        assert (socket.protocol.extensions, socket.subprotocol) == ([], None)
        asked, (_, answer) = echo("é☃𝄞")
        await socket.send([asked.decode()[n : n + 3] for n in range(0, len(asked.decode()), 3)])
        assert await socket.recv(decode=False) == answer
        await asyncio.wait_for(await socket.ping(b"\x00\xff" * 60), 30)
        await socket.close(4000, "☃" * 41)
    assert (socket.close_code, socket.close_reason) == (4000, "☃" * 41)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        pytest.param("x" * (MOST + 1), 1009, id="a byte too many"),
        pytest.param(["x" * MOST, "x"], 1009, id="a byte too many in fragments"),
        pytest.param(b"", None, id="binary"),
    ],
)
async def test_a_client_is_told_why(
    chat: ChatProcess, make_person: MakePerson, message: Any, why: int | None
) -> None:
    async with connected(chat, await make_person()) as client:
        await client.socket.send(message)
        if why is None:
            assert (await client.receive())["type"] == "error"
        else:
            with pytest.raises(ConnectionClosedError) as caught:
                await client.socket.recv()
            assert caught.value.rcvd is not None
            assert (caught.value.rcvd.code, caught.value.rcvd_then_sent) == (why, True)
