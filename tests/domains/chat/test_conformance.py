"""RFC 6455 case by case, through a real socket, in the order of the Autobahn test suite's groups:
1 framing, 2 pings, 3 reserved bits, 4 opcodes, 5 fragmentation, 6 UTF-8, 7 closing. Its other
groups are about speed and compression; for the handshake see test_conformance_handshake.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator

import asyncpg
import pytest
from tests.builders.chat import ChatProcess, Person, create_person
from tests.domains.chat.raw_websocket import (
    ANSWERED,
    ASK,
    ASKED,
    ERROR,
    MOST,
    Case,
    Said,
    check,
    code,
    echo,
    has_ended,
    in_fragments,
)
from tests.domains.chat.test_hostile import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    RawSocket,
    frame,
    opened,
)
from tests.domains.chat.utf8_cases import INVALID, VALID

from talas.core.settings import Settings


@pytest.fixture(scope="module")
def person(settings: Settings) -> Person:
    async def create() -> Person:
        conn = await asyncpg.connect(settings.database.url)
        try:
            return await create_person(conn, settings)
        finally:
            await conn.close()

    return asyncio.run(create())


@pytest.fixture
async def raw(chat: ChatProcess, person: Person) -> AsyncIterator[RawSocket]:
    async with opened(chat, person) as socket:
        yield socket


def of_size(size: int) -> bytes:
    """A request of so many bytes."""
    return ASK[:-1] + b',"x":"' + b"*" * (size - len(ASK) - 7) + b'"}'


def named(cases: dict[str, Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases.values(), ids=list(cases))


# 1 Framing (section 5.2)

FRAMING: dict[str, Case] = {
    "text of 0 bytes": ([frame(TEXT)], [ERROR]),
    "binary of 0 bytes": ([frame(BINARY)], [ERROR]),
    **{
        f"text of {size} bytes": ([frame(TEXT, of_size(size))], [ANSWERED])
        for size in (125, 126, 127, 128, 1000, MOST - 1, MOST)
    },
    **{
        f"binary of {size} bytes": ([frame(BINARY, b"\xfe" * size)], [ERROR])
        for size in (125, 126, 127, 128, MOST)
    },
    **{
        f"{kind} of {size} bytes is too big": ([frame(opcode, b"*" * size)], [1009])
        for kind, opcode in (("text", TEXT), ("binary", BINARY))
        for size in (MOST + 1, 65_535, 65_536)
    },
    "a length of 2^63 - 1 is too big": ([b"\x81\xff\x7f" + b"\xff" * 7], [1009]),
    "a length whose top bit is set": ([b"\x81\xff" + b"\xff" * 8], [1009]),
    "a mask of zeros": ([bytes((0x81, 0x80 | len(ASK))) + bytes(4) + ASK], [ANSWERED]),
    "ten frames in one segment": ([ASKED * 10], [ANSWERED] * 10),
}


@pytest.mark.parametrize("chop", [0, 997, 1], ids=["at once", "in 997s", "byte by byte"])
@named(FRAMING)
async def test_framing(raw: RawSocket, case: Case, chop: int) -> None:
    if chop == 1 and case[1] == [1009]:
        case = ([case[0][0][:14]], [1009])  # The length alone is enough.
    await check(raw, case, chop=chop)


# 2 Pings and pongs (sections 5.5.2 and 5.5.3)

PINGS: dict[str, Case] = {
    "ping without payload": ([frame(PING)], [(PONG, b"")]),
    "ping with text": ([frame(PING, b"Hello, world!")], [(PONG, b"Hello, world!")]),
    "ping with bytes that are no text": (
        [frame(PING, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")],
        [(PONG, b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff")],
    ),
    "ping of 125 bytes": ([frame(PING, b"\xfe" * 125)], [(PONG, b"\xfe" * 125)]),
    "ping of 126 bytes is refused": ([frame(PING, b"\xfe" * 126)], [1002]),
    "pong of 126 bytes is refused": ([frame(PONG, b"\xfe" * 126)], [1002]),
    "unsolicited pong without payload is ignored": ([frame(PONG)], []),
    "unsolicited pong with payload is ignored": ([frame(PONG, b"unasked")], []),
    "unsolicited pong then ping": ([frame(PONG, b"unasked"), frame(PING, b"p")], [(PONG, b"p")]),
    "ten pings are answered in order": (
        [frame(PING, b"%d" % number) for number in range(10)],
        [(PONG, b"%d" % number) for number in range(10)],
    ),
    "pings and texts are answered in order": (
        [frame(PING, b"1"), ASKED, frame(PING, b"2"), ASKED],
        [(PONG, b"1"), ANSWERED, (PONG, b"2"), ANSWERED],
    ),
    "ping in the middle of a fragmented message": (
        [frame(TEXT, ASK[:5], fin=False), frame(PING, b"mid"), frame(0, ASK[5:])],
        [(PONG, b"mid"), ANSWERED],
    ),
    "ping in the middle of a message that is as big as may be": (
        [frame(TEXT, of_size(MOST), fin=False), frame(PING, b"x" * 125), frame(0)],
        [(PONG, b"x" * 125), ANSWERED],
    ),
}


@pytest.mark.parametrize("chop", [0, 1], ids=["at once", "byte by byte"])
@named(PINGS)
async def test_pings(raw: RawSocket, case: Case, chop: int) -> None:
    await check(raw, case, chop=chop)


async def test_a_ping_of_each_size_comes_back_as_it_was(raw: RawSocket) -> None:
    payloads = [os.urandom(size) for size in range(126)]
    sent = [frame(PING, payload) for payload in payloads]
    await check(raw, (sent, [(PONG, payload) for payload in payloads]))


# 3 Reserved bits (section 5.2)

KINDS = {
    "text": frame(TEXT, ASK),
    "binary": frame(BINARY, ASK),
    "ping": frame(PING, b"p"),
    "pong": frame(PONG, b"p"),
    "close": frame(CLOSE, code(1000)),
}
BITS = {
    " and ".join(f"RSV{n}" for n in range(1, 4) if rsv & 8 >> n): rsv << 4 for rsv in range(1, 8)
}


def with_bits(data: bytes, bits: int) -> bytes:
    return bytes((data[0] | bits,)) + data[1:]


RESERVED_BITS: dict[str, Case] = {
    **{
        f"{name} on a {kind}": ([with_bits(data, bits)], [1002])
        for name, bits in BITS.items()
        for kind, data in KINDS.items()
    },
    **{
        f"{name} on a continuation": (
            [frame(TEXT, ASK[:5], fin=False), with_bits(frame(0, ASK[5:]), bits)],
            [1002],
        )
        for name, bits in BITS.items()
    },
    **{
        f"{name} on a {kind} between good frames": (
            [ASKED, frame(PING, b"before"), with_bits(data, bits), ASKED, frame(PING, b"after")],
            [ANSWERED, (PONG, b"before"), 1002],
        )
        for name, bits in BITS.items()
        for kind, data in KINDS.items()
    },
}


@named(RESERVED_BITS)
async def test_reserved_bits_are_refused(raw: RawSocket, case: Case) -> None:
    await check(raw, case)


# 4 Opcodes (section 5.2)

OPCODES: dict[str, Case] = {}
for number in (*range(3, 8), *range(11, 16)):
    OPCODES |= {
        f"opcode {number} without payload": ([frame(number)], [1002]),
        f"opcode {number} with payload": ([frame(number, ASK)], [1002]),
        f"opcode {number} not final": ([frame(number, ASK, fin=False)], [1002]),
        f"opcode {number} between good frames": (
            [ASKED, frame(number, ASK), frame(PING)],
            [ANSWERED, 1002],
        ),
        f"opcode {number} within a fragmented message": (
            [frame(TEXT, ASK[:5], fin=False), frame(number), frame(0, ASK[5:])],
            [1002],
        ),
    }


@pytest.mark.parametrize("chop", [0, 1], ids=["at once", "byte by byte"])
@named(OPCODES)
async def test_reserved_opcodes_are_refused(raw: RawSocket, case: Case, chop: int) -> None:
    await check(raw, case, chop=chop)


# 5 Fragmentation (section 5.4)

HALVES = [ASK[:7], ASK[7:]]
FRAGMENTS: dict[str, Case] = {
    "ping in two fragments": ([frame(PING, b"a", fin=False), frame(0, b"b")], [1002]),
    "pong in two fragments": ([frame(PONG, b"a", fin=False), frame(0, b"b")], [1002]),
    "close in two fragments": ([frame(CLOSE, code(1000), fin=False), frame(0)], [1002]),
    "fragmented ping within a fragmented message": (
        [frame(TEXT, ASK[:7], fin=False), frame(PING, fin=False), frame(0, ASK[7:])],
        [1002],
    ),
    "text in two fragments": (in_fragments(TEXT, HALVES), [ANSWERED]),
    "binary in two fragments": (in_fragments(BINARY, HALVES), [ERROR]),
    "text with a byte in each fragment": (
        in_fragments(TEXT, [bytes((byte,)) for byte in ASK]),
        [ANSWERED],
    ),
    "text in a thousand fragments": (
        in_fragments(TEXT, [bytes((byte,)) for byte in of_size(1000)]),
        [ANSWERED],
    ),
    "text whose first fragment is empty": (in_fragments(TEXT, [b"", ASK]), [ANSWERED]),
    "text whose last fragment is empty": (in_fragments(TEXT, [ASK, b""]), [ANSWERED]),
    "text with empty fragments": (in_fragments(TEXT, [b"", *HALVES, b"", b""]), [ANSWERED]),
    "text of empty fragments only": (in_fragments(TEXT, [b"", b"", b""]), [ERROR]),
    "text of the most bytes in two fragments": (
        in_fragments(TEXT, [of_size(MOST)[:9000], of_size(MOST)[9000:]]),
        [ANSWERED],
    ),
    "fragments of one byte too many": (
        in_fragments(TEXT, [of_size(MOST)[:9000], of_size(MOST)[9000:] + b" "]),
        [1009],
    ),
    "a byte after the most bytes": (
        [frame(TEXT, of_size(MOST), fin=False), frame(0, b" ", fin=False)],
        [1009],
    ),
    "one fragmented text after the other": (in_fragments(TEXT, HALVES) * 3, [ANSWERED] * 3),
    "text in five fragments with pings between": (
        [
            frame(TEXT, ASK[:3], fin=False),
            frame(0, ASK[3:6], fin=False),
            frame(PING, b"1"),
            frame(0, ASK[6:9], fin=False),
            frame(0, ASK[9:12], fin=False),
            frame(PING, b"2"),
            frame(0, ASK[12:]),
        ],
        [(PONG, b"1"), (PONG, b"2"), ANSWERED],
    ),
    "final continuation without a start": ([frame(0, ASK), ASKED], [1002]),
    "continuation without a start": ([frame(0, ASK, fin=False), ASKED], [1002]),
    "empty continuation without a start": ([frame(0)], [1002]),
    "continuation after a whole text": ([ASKED, frame(0, ASK)], [ANSWERED, 1002]),
    "continuation after a fragmented text": (
        [*in_fragments(TEXT, HALVES), frame(0, ASK, fin=False), frame(0, ASK)],
        [ANSWERED, 1002],
    ),
    **{
        f"new {kind} within a fragmented {outer}": (
            [frame(start, ASK[:7], fin=False), frame(opcode, ASK[7:], fin=fin)],
            [1002],
        )
        for outer, start in (("text", TEXT), ("binary", BINARY))
        for kind, opcode, fin in (
            ("text", TEXT, True),
            ("text that is not final", TEXT, False),
            ("binary", BINARY, True),
        )
    },
}


@pytest.mark.parametrize("chop", [0, 1], ids=["at once", "byte by byte"])
@named(FRAGMENTS)
async def test_fragmentation(raw: RawSocket, case: Case, chop: int) -> None:
    await check(raw, case, chop=chop)


# 6 UTF-8 (section 8.1; the cases are Markus Kuhn's)


@pytest.mark.parametrize("text", VALID.values(), ids=list(VALID))
async def test_valid_utf8_is_echoed(raw: RawSocket, text: str) -> None:
    asked, answer = echo(text)
    await check(raw, ([frame(TEXT, asked)], [answer]))


@pytest.mark.parametrize("text", VALID.values(), ids=list(VALID))
async def test_characters_may_be_split_over_fragments(raw: RawSocket, text: str) -> None:
    asked, answer = echo(text)
    bytewise = [bytes((byte,)) for byte in asked]
    with_pings = itertools.chain(*((part, frame(PING)) for part in in_fragments(TEXT, bytewise)))
    pongs: list[Said] = [(PONG, b"")] * (len(asked) - 1)
    await check(raw, (in_fragments(TEXT, bytewise), [answer]))
    await check(raw, (list(with_pings), [*pongs, answer, (PONG, b"")]))


@pytest.mark.parametrize("bad", INVALID.values(), ids=list(INVALID))
async def test_invalid_utf8_closes(raw: RawSocket, bad: bytes) -> None:
    data = b'{"type":"ping","id":"' + bad + b'"}'
    await check(raw, ([ASKED, frame(TEXT, data), ASKED], [ANSWERED, 1007]))


@pytest.mark.parametrize("bad", INVALID.values(), ids=list(INVALID))
async def test_invalid_utf8_closes_at_the_end_of_a_message(raw: RawSocket, bad: bytes) -> None:
    await check(raw, ([frame(TEXT, bad), frame(CLOSE, code(1000))], [1007]))


@pytest.mark.parametrize("bad", INVALID.values(), ids=list(INVALID))
async def test_invalid_utf8_over_fragments_closes(raw: RawSocket, bad: bytes) -> None:
    parts = [b'{"id":"', *(bytes((byte,)) for byte in bad), b'"}']
    await check(raw, (in_fragments(TEXT, parts), [1007]))


TWO_THREE_FOUR = "é☃𝄞".encode()
UTF8_EDGES: dict[str, Case] = {
    **{
        f"text cut after byte {size}, between characters": (
            [frame(TEXT, TWO_THREE_FOUR[:size])],
            [ERROR],
        )
        for size in (2, 5, 9)
    },
    **{
        f"text cut after byte {size}, within a character": (
            [frame(TEXT, TWO_THREE_FOUR[:size])],
            [1007],
        )
        for size in (1, 3, 4, 6, 7, 8)
    },
    "a byte order mark before the object is text, though no JSON": (
        [frame(TEXT, b"\xef\xbb\xbf" + ASK)],
        [ERROR],
    ),
    "a NUL is text, though no JSON": ([frame(TEXT, b'{"type":"ping","id":"\0"}')], [ERROR]),
    "an escaped lone surrogate is text, though no JSON": (
        [frame(TEXT, b'{"type":"ping","id":"\\ud800"}')],
        [ERROR],
    ),
    "binary need not be UTF-8": ([frame(BINARY, b"\xff\xfe\xc0")], [ERROR]),
    "fragmented binary need not be UTF-8": (in_fragments(BINARY, [b"\xff", b"\xc0"]), [ERROR]),
}


@named(UTF8_EDGES)
async def test_where_text_ends(raw: RawSocket, case: Case) -> None:
    await check(raw, case)


# 7 Closing (sections 5.5.1 and 7)

GOOD_CODES = (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
BYE = code(1000) + b"bye"
BYE_BYE: list[Said] = [(CLOSE, BYE)]
CLOSES: dict[str, Case] = {
    "text before the close is answered": ([ASKED, frame(CLOSE, BYE)], [ANSWERED, *BYE_BYE]),
    "ping before the close is answered": (
        [frame(PING, b"p"), frame(CLOSE, BYE)],
        [(PONG, b"p"), *BYE_BYE],
    ),
    "a big text before the close is answered": (
        [frame(TEXT, of_size(MOST)), frame(CLOSE, BYE)],
        [ANSWERED, *BYE_BYE],
    ),
    "of two closes the first is echoed": (
        [frame(CLOSE, BYE), frame(CLOSE, code(1001))],
        BYE_BYE,
    ),
    "ping after the close is ignored": ([frame(CLOSE, BYE), frame(PING, b"p")], BYE_BYE),
    "text after the close is ignored": ([frame(CLOSE, BYE), ASKED], BYE_BYE),
    "bad UTF-8 after the close is ignored": ([frame(CLOSE, BYE), frame(TEXT, b"\xff")], BYE_BYE),
    "bad frames after the close are ignored": (
        [frame(CLOSE, BYE), frame(3, rsv=7), frame(TEXT, ASK, mask=False)],
        BYE_BYE,
    ),
    "much after the close is ignored": ([frame(CLOSE, BYE), b"\xff" * 300_000], BYE_BYE),
    "close within a fragmented message": (
        [frame(TEXT, ASK[:7], fin=False), frame(CLOSE, BYE), frame(0, ASK[7:])],
        BYE_BYE,
    ),
    "close without payload": ([frame(CLOSE)], [(CLOSE, b"")]),
    "close of one byte is refused": ([frame(CLOSE, b"\x03")], [1002]),
    "close with a reason of 123 bytes": (
        [frame(CLOSE, code(1000) + b"*" * 123)],
        [(CLOSE, code(1000) + b"*" * 123)],
    ),
    "close with a reason of 124 bytes is refused": (
        [frame(CLOSE, code(1000) + b"*" * 124)],
        [1002],
    ),
    "close with a reason of characters of each length": (
        [frame(CLOSE, code(4000) + "aµ☃𝄞".encode())],
        [(CLOSE, code(4000) + "aµ☃𝄞".encode())],
    ),
    **{f"code {number}": ([frame(CLOSE, code(number))], [number]) for number in GOOD_CODES},
    **{
        f"code {number} with a reason": (
            [frame(CLOSE, code(number) + b"why")],
            [(CLOSE, code(number) + b"why")],
        )
        for number in GOOD_CODES
    },
    **{f"code {number} is refused": ([frame(CLOSE, code(number))], [1002]) for number in BAD_CODES},
    **{
        f"code {number} with a reason is refused": (
            [frame(CLOSE, code(number) + b"why")],
            [1002],
        )
        for number in BAD_CODES
    },
    **{
        f"close with a reason that is not UTF-8: {name}": (
            [frame(CLOSE, code(1000) + b"bye " + bad)],
            [1007],
        )
        for name, bad in INVALID.items()
        if len(bad) < 60
    },
}


@pytest.mark.parametrize("chop", [0, 1], ids=["at once", "byte by byte"])
@named(CLOSES)
async def test_closing(raw: RawSocket, case: Case, chop: int) -> None:
    if len(case[0][-1]) > MOST:
        chop *= 997
    await check(raw, case, chop=chop)


async def test_the_connection_ends_without_a_close(raw: RawSocket) -> None:
    raw.write(ASKED)
    raw.writer.write_eof()
    assert await raw.read_frame() == ANSWERED
    assert await has_ended(raw)


# Masking (section 5.1)

UNMASKED: dict[str, Case] = {
    **{
        f"{kind} without a mask": ([frame(opcode, data, mask=False)], [1002])
        for kind, opcode, data in (
            ("text", TEXT, ASK),
            ("empty text", TEXT, b""),
            ("binary", BINARY, ASK),
            ("ping", PING, b"p"),
            ("pong", PONG, b""),
            ("close", CLOSE, BYE),
        )
    },
    "text without a mask after one with": (
        [ASKED, frame(TEXT, ASK, mask=False), ASKED],
        [ANSWERED, 1002],
    ),
    "continuation without a mask": (
        [frame(TEXT, ASK[:7], fin=False), frame(0, ASK[7:], mask=False)],
        [1002],
    ),
}


@named(UNMASKED)
async def test_frames_without_a_mask_are_refused(raw: RawSocket, case: Case) -> None:
    await check(raw, case)
